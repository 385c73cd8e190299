"""The scores of joint draws are right of distributions that are known."""

import numpy as np
import pytest

from benchmarks.joint_draws import CHAIN, covariance, marginal, rank, ranks, table

OF = np.array([[0.02, 0, 0], [0.15, 0.1, 0], [0.0, 0.2, 0.3]])
"""How ln(1 + z), mass and rate follow from three deviates."""


def sky(num_sources=1500, num_draws=60, seed=0, wrong=1.0, label_err=0.1):
    """Labels, direct answers and draws of sources; ``wrong`` scales what is drawn of the mass."""
    rng = np.random.default_rng(seed)
    centre = rng.normal([0.4, 10.0, 0.5], [0.1, 0.5, 0.5], (num_sources, 3))
    true = centre + rng.normal(size=(num_sources, 3)) @ OF.T
    drawn = (
        centre[:, None]
        + rng.normal(size=(num_sources, num_draws, 3)) @ (OF * np.array([[1.0], [wrong], [1.0]])).T
    )
    truth = {
        "Z_GAL": np.expm1(true[:, 0]),
        "LOGM": true[:, 1] + label_err * rng.normal(size=num_sources),
        "LOGSFR": true[:, 2],
        "LOGM_ERR": np.full(num_sources, label_err),
    }
    draws = {token: drawn[:, :, place] for place, token in enumerate(CHAIN)}
    draws["Z_GAL"] = np.expm1(draws["Z_GAL"])
    direct = {token: centre[:, place] for place, token in enumerate(CHAIN)}
    direct |= {
        f"{t}_ERR": np.full(num_sources, np.hypot.reduce(OF[i])) for i, t in enumerate(CHAIN)
    }
    return truth, direct, draws


def test_labels_of_the_distribution_lie_in_its_regions_as_often_as_these_say():
    truth, _, draws = sky()
    found = ranks(truth, draws)
    for level in (0.3, 0.6827, 0.95):
        assert (found < level).mean() == pytest.approx(level, abs=0.035)


def test_draws_that_are_too_narrow_hold_the_labels_too_seldom():
    truth, _, draws = sky(wrong=0.3, label_err=0.01)
    assert (ranks(truth, draws) < 0.6827).mean() < 0.5


def test_two_modes_have_regions_of_two_parts():
    rng = np.random.default_rng(0)
    drawn = rng.normal(np.where(rng.random((400, 1)) < 0.5, -5, 5), 0.5, (400, 2))
    assert rank(drawn, np.array([5.0, 5.0])) < 0.3
    assert rank(drawn, np.array([0.0, 0.0])) > 0.95


def test_covariances_of_labels_and_draws_agree_where_they_are_of_one_distribution():
    truth, _, draws = sky(num_sources=6000)
    for pair, expected in ((("Z_GAL", "LOGM"), OF[0] @ OF[1]), (("LOGM", "LOGSFR"), OF[1] @ OF[2])):
        of_labels, of_draws = covariance(truth, draws, pair, np.full(6000, True))
        value, error = map(float, of_labels.split(" +- "))
        assert abs(value - expected) < 4 * error + 0.05 * expected
        assert float(of_draws) == pytest.approx(expected, rel=0.05)


def test_marginals_of_draws_that_are_answered_so_have_no_offset_and_width_one():
    _, direct, draws = sky()
    offset, width = marginal(direct, draws, "LOGM")
    assert np.median(offset) == pytest.approx(0, abs=0.02)
    assert np.median(width) == pytest.approx(1, abs=0.03)


def test_the_table_has_a_column_for_every_part():
    truth, direct, draws = sky(num_sources=50)
    half = np.arange(50) < 25
    lines = list(table(truth, direct, draws, {"all": half | True, "half": half}))
    assert lines[0] == "| | all | half |" and lines[2] == "| galaxies | 50 | 25 |"
    assert len(lines) == 15 and all(line.count("|") == 4 for line in lines)
