"""What a catalogue says of p(z), and scores that stand beside answers."""

import numpy as np
import pytest
from matched import matched
from matched_sets import gaussian_redshifts

from ojala.catalogue.datamodel import page
from ojala.evaluation.comparisons import redshift
from ojala.evaluation.curves import honesty
from ojala.measures.redshift_pdf import RedshiftPdf, gaussian
from ojala.measures.redshift_scores import SCORES, score_columns
from ojala.model.redshift_columns import SUFFIXES, gaussian_summary, named, summary
from ojala.vocabulary.catalogue_columns import vac_column
from ojala.vocabulary.quantities import REDSHIFTS

Z, SIGMA = np.array([0.2, 1.1, 3.0]), np.array([0.02, 0.05, 0.1])
FINE = np.linspace(0, 2, 8001)


def test_a_gaussian_says_the_same_in_steps_and_in_closed_form():
    in_steps, closed = summary(gaussian(Z, SIGMA, FINE)), gaussian_summary(Z, SIGMA)
    off = np.abs(in_steps - closed) / SIGMA[:, None]
    assert np.all((off < 0.06) | np.isnan(closed))
    np.testing.assert_array_equal(np.isnan(in_steps), np.isnan(closed))


def test_intervals_are_one_within_the_other_about_the_median():
    rng = np.random.default_rng(4)
    drawn = rng.gamma(0.1, size=(200, 300)) + 1e-12
    pdf = RedshiftPdf(
        edges=np.linspace(0, 1.9, 301), probability=drawn / drawn.sum(axis=1, keepdims=True)
    )
    found = named("Z_QSO", summary(pdf))
    order = ["LOW95", "LOW90", "LOW68", "MEDIAN", "HIGH68", "HIGH90", "HIGH95"]
    assert np.all(np.diff([found[f"Z_QSO_{name}"] for name in order], axis=0) >= 0)
    assert np.all(found["Z_QSO_ERR"] > 0)
    without = np.isnan(found["Z_QSO_MODE_2"])
    assert np.all((found["Z_QSO_MODE_2_WEIGHT"] == 0) == without)


def test_a_source_without_answer_says_nothing():
    unknown = np.array([np.nan, 0.4])
    for found in (summary(gaussian(unknown, SIGMA[:2])), gaussian_summary(unknown, SIGMA[:2])):
        sure = [place for place, suffix in enumerate(SUFFIXES) if suffix not in ("_ERR",)]
        assert np.isnan(found[0, sure]).all()


@pytest.mark.parametrize("token", REDSHIFTS)
def test_every_column_has_a_meaning_and_stands_on_the_page(token):
    for suffix in SUFFIXES:
        assert vac_column(f"{token}{suffix}").description
        if suffix != "_ERR":
            assert f"| {token}{suffix} |" in page()


def test_scores_beside_the_answers_are_those_of_p_of_z():
    """And give what the Gaussian itself gives, where 1 + z is straight over an error."""
    predicted, truth = matched(600)
    closed = {name: honesty(redshift(predicted, truth, name), 10) for name in ("galaxy", "qso")}
    predicted |= score_columns(gaussian_redshifts(predicted), truth["z"])
    for name, before in closed.items():
        compared = redshift(predicted, truth, name)
        assert set(compared.scores) == set(SCORES)
        after = honesty(compared, 10)
        assert {"cde_loss", "nll"} <= after.keys() - before.keys()
        assert after["num_sources"] == before["num_sources"]
        for measure in ("coverage_68", "coverage_95", "pit_distance"):
            assert after[measure] == pytest.approx(before[measure], abs=0.05), measure
        assert after["crps"] == pytest.approx(before["crps"], rel=0.1)


def test_scores_of_other_classes_take_no_part():
    predicted, truth = matched(300)
    predicted |= score_columns(gaussian_redshifts(predicted), truth["z"])
    compared = redshift(predicted, truth, "qso")
    for values in compared.scores.values():
        assert np.isnan(values[truth["SPECTYPE"] != 2]).all()
