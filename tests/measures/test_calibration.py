import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm
from sklearn.calibration import calibration_curve

from ojala.measures.calibration import (
    calibration_of,
    coverage,
    crps,
    expected_calibration_error,
    of_gaussian,
    pit,
    reliability,
)
from ojala.measures.metrics import NOT_ENOUGH


def honest(num=50_000, factor=1.0, seed=2):
    """Residuals that scatter by ``factor`` times what is stated."""
    rng = np.random.default_rng(seed)
    sigma = rng.uniform(0.1, 2, num)
    return factor * sigma * rng.standard_normal(num), sigma


def test_coverage_of_honest_errors():
    assert coverage(pit(*honest()), 0.6827) == pytest.approx(0.683, abs=0.01)
    assert coverage(pit(*honest()), 0.954) == pytest.approx(0.954, abs=0.005)


def test_coverage_by_hand():
    residual, sigma = np.array([0.5, -1.0, 2.0, -3.0]), np.ones(4)
    assert coverage(pit(residual, sigma), 0.6827) == 0.5


def test_pit_is_the_share_of_the_gaussian_below_the_truth():
    given, true, sigma = np.array([1.0, 2.0]), np.array([1.0, 4.0]), np.array([0.3, 1.0])
    expected = norm.cdf(true, loc=given, scale=sigma)
    assert np.allclose(pit(given - true, sigma), expected)
    assert expected[0] == 0.5


def test_crps_is_the_integral_that_defines_it():
    residual, sigma = 0.7, 1.3

    def squared(y):
        return (norm.cdf(y, loc=residual, scale=sigma) - (y > 0)) ** 2

    by_hand = quad(squared, -12, 0)[0] + quad(squared, 0, 12)[0]
    assert crps(np.array([residual]), np.array([sigma]))[0] == pytest.approx(by_hand, rel=1e-6)


def test_crps_of_a_sure_forecast_is_its_absolute_error():
    assert crps(np.array([0.4]), np.array([1e-9]))[0] == pytest.approx(0.4)


def test_crps_is_smallest_for_honest_errors():
    residual, sigma = honest()
    scores = [np.mean(crps(residual, factor * sigma)) for factor in (0.5, 1.0, 2.0)]
    assert scores[1] == min(scores)


@pytest.mark.parametrize(("factor", "spread"), [(1.0, 1.0), (2.0, 2.0), (0.5, 0.5)])
def test_spread_tells_by_how_much_errors_are_too_small(factor, spread):
    result = calibration_of(of_gaussian(*honest(factor=factor)), min_objects=10)
    assert result["spread"] == pytest.approx(spread, rel=0.02)
    assert (result["pit_distance"] < 0.01) == (factor == 1.0)


def test_residuals_without_an_error_are_left_out():
    residual, sigma = honest(100)
    sigma[:60] = [np.nan, 0.0] * 30
    assert calibration_of(of_gaussian(residual, sigma), min_objects=10)["num_sources"] == 40
    assert calibration_of(of_gaussian(residual, sigma), min_objects=41)["crps"] == NOT_ENOUGH


def test_reliability_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    probability = rng.random(5000)
    happened = rng.random(5000) < probability**2
    bins = reliability(probability, happened)
    share, stated = calibration_curve(happened, probability, n_bins=10)
    assert np.allclose([entry["happened"] for entry in bins], share)
    assert np.allclose([entry["stated"] for entry in bins], stated)


def test_calibration_error_by_hand():
    # One bin of four says 0.95 and is right three times, one of one says 0.55 and is right.
    probability = np.array([0.95, 0.95, 0.95, 0.95, 0.55])
    right = np.array([True, True, True, False, True])
    assert expected_calibration_error(reliability(probability, right)) == pytest.approx(
        0.8 * 0.20 + 0.2 * 0.45
    )


def test_weights_change_what_is_counted_not_what_is_said():
    probability, happened = np.array([0.85, 0.85]), np.array([True, False])
    (entry,) = reliability(probability, happened, np.array([3.0, 1.0]))
    assert entry["happened"] == 0.75
    assert entry["num_effective"] == pytest.approx(1.6)
    assert entry["stated"] == pytest.approx(0.85)


def test_nothing_said_is_not_an_error_of_zero():
    assert np.isnan(expected_calibration_error([]))
    assert np.isnan(coverage(np.array([]), 0.6827))
