"""Scores of a head: who takes part, and what they stand beside."""

import numpy as np
import pytest

from ojala.evaluation.head_scores import PAPER, beside_paper, head_scores, selected

NUM = 4000


@pytest.fixture(scope="module")
def truth():
    rng = np.random.default_rng(0)
    mass = rng.normal(8.5, 0.4, NUM)
    return {
        "SPECTYPE": rng.integers(0, 3, NUM),
        "z": rng.uniform(0, 3, NUM),
        "MASS": np.where(rng.random(NUM) < 0.5, mass, np.nan),
        "MASS_ERR": np.where(np.arange(NUM) % 2, 0.1, 0.9),
    }


def test_who_takes_part(truth):
    chosen = selected(truth, "MASS", ("QSO",), (0.6, 1.6))
    assert np.all(truth["SPECTYPE"][chosen] == 2)
    assert np.all((truth["z"][chosen] > 0.6) & (truth["z"][chosen] < 1.6))
    assert np.all(np.isfinite(truth["MASS"][chosen])) and chosen.sum() > 100
    every = selected(truth, "MASS", ("QSO", "STAR", "GALAXY"), (-1, 9))
    assert np.array_equal(every, np.isfinite(truth["MASS"]))


def known(truth):
    chosen = np.isfinite(truth["MASS"])
    return {name: values[chosen] for name, values in truth.items()}


def test_bias_scatter_and_honest_errors_are_measured(truth):
    truth = known(truth)
    rng = np.random.default_rng(1)
    given = (
        truth["MASS"]
        + 0.1
        + np.hypot(0.3, truth["MASS_ERR"]) * rng.standard_normal(len(truth["MASS"]))
    )
    answer = {"MASS": given, "MASS_ERR": np.full(len(given), 0.3)}
    scores = head_scores(answer, truth, "MASS", 0.5)
    certain = scores["high_quality"]
    assert certain["num_sources"] == np.sum(truth["MASS_ERR"] < 0.5)
    assert scores["full"]["num_sources"] == len(given)
    assert certain["bias"] == pytest.approx(0.1, abs=0.04)
    assert certain["sigma_nmad"] == pytest.approx(np.hypot(0.3, 0.1), rel=0.1)
    assert certain["spread"] == pytest.approx(1, rel=0.1)  # label errors count, once
    assert scores["full"]["sigma_nmad"] > 1.3 * certain["sigma_nmad"]


def test_a_constant_scores_what_the_labels_scatter_by(truth):
    truth = known(truth)
    num = len(truth["MASS"])
    answer = {"MASS": np.full(num, 8.5), "MASS_ERR": np.full(num, 0.4)}
    full = head_scores(answer, truth, "MASS", 0.5)["full"]
    assert full["sigma_nmad"] == pytest.approx(full["sigma_nmad_of_labels"])
    assert full["sigma_nmad_of_labels"] == pytest.approx(0.4, rel=0.05)


def test_too_few_sources_are_said(truth):
    few = {name: values[:5] for name, values in known(truth).items()}
    answer = {"MASS": few["MASS"], "MASS_ERR": np.ones(5)}
    full = head_scores(answer, few, "MASS", 0.5)["full"]
    assert full["num_sources"] == 5 and full["sigma_nmad"] == "not enough objects"
    nothing = {name: values[:0] for name, values in few.items()}
    scores = head_scores({name: nothing["MASS"] for name in answer}, nothing, "MASS", 0.5)
    assert scores["high_quality"]["num_sources"] == 0


def test_the_papers_numbers_stand_beside(truth):
    ours = {"full": {"bias": 0.0}, "high_quality": {"bias": 0.0}}
    real = beside_paper(ours, "test_real")
    assert real["full"] == {"bias": 0.0, "paper": {"bias": 0.122, "sigma_nmad": 0.564}}
    assert real["high_quality"]["paper"] == {"sigma_nmad": 0.503}
    synth = beside_paper(ours, "test_synth")
    assert synth["full"]["paper"] == {"bias": 0.072, "sigma_nmad": 0.37}
    assert "paper" not in synth["high_quality"]
    assert set(PAPER) == {"test_real", "test_synth"}
