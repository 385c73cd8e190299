"""The gate: sources drawn together, margins per row, and no row that hides behind another."""

import numpy as np
import pytest
from matched import matched, predictions_of, truth_of

from ojala.gate import gate, page
from ojala.gate.config import Margins, PromoteConfig
from ojala.gate.gate import Shown, verdict

MARGINS = Margins(
    f1=0.02,
    weighted_f1=0.01,
    completeness=0.03,
    purity=0.03,
    nll=0.05,
    bias=0.1,
    sigma_nmad=0.1,
    outlier_fraction=0.03,
    crps=0.1,
    coverage_68=0.05,
    latency=0.5,
    megabytes=0.5,
)
SETTINGS = {
    "faint_limit": 22.0,
    "mag_edges": (16.0, 19.0, 22.0),
    "min_objects": 20,
    "num_draws": 100,
    "confidence": 0.99,
    "seed": 1,
    "proof": False,
    "num_timed": 10,
    "timeout": 10.0,
    "margins": MARGINS,
    "floors": {},
}


def config(**changes):
    return PromoteConfig(**SETTINGS | changes)


def shown(answers, latency=1.0):
    return Shown(answers=answers, latency=latency, megabytes=1.0)


@pytest.fixture(scope="module")
def models():
    """A champion that confuses a tenth, and a candidate that confuses fewer."""
    truth = truth_of(900, np.random.default_rng(0))
    champion = predictions_of(truth, np.random.default_rng(1), confused=0.15)
    candidate = predictions_of(truth, np.random.default_rng(2), confused=0.02)
    return truth, champion, candidate


def refusing(rows):
    return {row.name for row in rows if row.refuses}


def test_a_model_is_no_worse_than_itself():
    predicted, truth = matched(600, confused=0.1)
    rows = verdict(shown(predicted), shown(predicted), truth, config(proof=True))
    assert {row.part for row in rows} == {"class", "magnitude", "quantity", "cost"}
    assert {row.verdict for row in rows} == {gate.NO_WORSE}
    assert all(row.worse == row.low == row.high == 0 for row in rows)


def test_better_overall_but_worse_for_quasars_is_refused_and_says_where(models):
    truth, champion, candidate = models
    quasars = np.flatnonzero(truth["SPECTYPE"] == 2)
    lost = dict(candidate, CLASS=candidate["CLASS"].copy())
    lost["CLASS"][quasars[::3]] = "GALAXY"
    lost["Z_GAL"] = truth["z"]
    rows = verdict(shown(lost), shown(champion), truth, config())
    named = {row.name: row for row in rows}
    assert named["STAR/f1"].verdict == named["all/nll"].verdict == gate.BETTER
    assert named["galaxy/z/sigma_nmad"].verdict == gate.BETTER
    assert "QSO/completeness" in refusing(rows) and not refusing(rows) & {"STAR/f1"}
    text = page.page("t", {}, rows, confidence=0.99, num_draws=100, proof=False, section="promote")
    where = text.split("## What refuses it")[1].split("## Classes")[0]
    assert "| QSO | completeness |" in where and "**WORSE**" in where and "STAR" not in where


def test_harm_in_one_bin_of_magnitude_is_seen(models):
    truth, champion, _ = models
    faint = truth["MAG_i"] > 19
    worse = dict(champion, Z_GAL=np.where(faint, champion["Z_GAL"] + 0.3, champion["Z_GAL"]))
    found = refusing(verdict(shown(worse), shown(champion), truth, config()))
    assert "19 < i < 22, galaxy/z/outlier_fraction" in found
    assert not [name for name in found if name.startswith("16 < i < 19")]


def test_sources_are_drawn_together():
    """What is hard for both is no difference: pairs tell what two samples could not."""
    predicted, truth = matched(900, confused=0.1, seed=3)
    other = dict(predicted, LOGM=predicted["LOGM"] + 0.001)
    rows = verdict(shown(other), shown(predicted), truth, config())
    row = next(row for row in rows if row.name == "galaxy/LOGM/crps")
    alone = np.std(np.abs(predicted["LOGM"] - truth["LOGM"])[truth["SPECTYPE"] == 0])
    assert row.high - row.low < 0.1 * alone / np.sqrt(row.num_sources)


def test_errors_that_lie_are_worse_though_the_values_are_the_same(models):
    truth, champion, _ = models
    sure = dict(champion, Z_QSO_ERR=champion["Z_QSO_ERR"] / 4)
    found = refusing(verdict(shown(sure), shown(champion), truth, config()))
    assert found == {"qso/z/coverage_68", "qso/z/crps"}


def test_a_candidate_with_nothing_to_compare_is_worse(models):
    truth, champion, _ = models
    silent = dict(champion, HALPHA_6562_EW=np.full(900, -1.0))  # no logarithm
    assert "galaxy/HALPHA_6562_EW/sigma_nmad" in refusing(
        verdict(shown(silent), shown(champion), truth, config())
    )


def test_proof_asks_for_more_than_no_sign_of_harm(models):
    truth, champion, _ = models
    again = predictions_of(truth, np.random.default_rng(7), confused=0.15)
    tight = config(margins=Margins(**vars(MARGINS) | {"f1": 0.0, "purity": 0.0}))
    rows = verdict(shown(again), shown(champion), truth, tight)
    assert gate.UNSURE in {row.verdict for row in rows if row.part == gate.CLASS}
    strict = PromoteConfig(**vars(tight) | {"proof": True})
    assert refusing(verdict(shown(again), shown(champion), truth, strict)) > refusing(rows)


def test_floors_hold_for_a_first_model_and_for_every_later_one(models):
    truth, champion, candidate = models
    floors = {"QSO/f1": 0.9, "galaxy/z/sigma_nmad": 0.05, "all/weighted_f1": 0.9}
    first = verdict(shown(champion), None, truth, config(floors=floors))
    assert refusing(first) == {"QSO/f1", "all/weighted_f1"}
    assert {row.verdict for row in first if row.part != gate.FLOORS} == {gate.FIRST}
    later = verdict(shown(champion), shown(champion), truth, config(floors=floors))
    assert refusing(later) == refusing(first)
    assert not refusing(verdict(shown(candidate), None, truth, config(floors=floors)))


def test_a_floor_that_cannot_be_measured_refuses():
    predicted, truth = matched(30)
    rows = verdict(shown(predicted), None, truth, config(floors={"QSO/f1": 0.5}, min_objects=200))
    assert [row.verdict for row in rows if row.refuses] == [gate.UNKNOWN]


def test_a_slower_model_is_refused(models):
    truth, champion, _ = models
    slow = verdict(shown(champion, latency=2.0), shown(champion), truth, config())
    assert refusing(slow) == {"bundle/latency"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"confidence": 1.0}, "promote.confidence is 1.0"),
        ({"mag_edges": (20.0, 18.0)}, "promote.mag_edges is .20.0, 18.0., expected rising"),
        ({"min_objects": 1}, "promote.min_objects is 1, expected 2 or more"),
        ({"timeout": 0.0}, "promote.timeout is 0.0"),
        ({"floors": {"QSO": 0.5}}, "promote.floors has QSO, expected a subject and a measure"),
        ({"floors": {"QSO/f2": 0.5}}, "promote.floors has QSO/f2"),
        ({"floors": {"QSO/f1": 1.5}}, "promote.floors.QSO/f1 is 1.5, which f1 cannot be"),
    ],
)
def test_parameters_that_cannot_be_are_refused(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        config(**change)


@pytest.mark.parametrize(("name", "value"), [("crps", -0.1), ("f1", 1.0), ("bias", np.nan)])
def test_margins_that_cannot_be_are_refused(name, value):
    with pytest.raises(ValueError, match=rf"promote\.margins\.{name} is"):
        Margins(**vars(MARGINS) | {name: value})
