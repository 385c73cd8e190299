import numpy as np
import pytest

from ojala.measures.bootstrap import drawn, drawn_classes, interval
from ojala.measures.metrics import balanced


def test_the_interval_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(0).normal(0, 2, 400)
    draws = drawn(lambda rows: values[rows].mean(), 400, num_draws=2000, seed=1)
    low, high = interval(draws)
    assert (high - low) / 2 == pytest.approx(2 / np.sqrt(400), rel=0.08)
    assert low < values.mean() < high


def test_draws_are_repeatable_and_can_be_arrays():
    values = np.arange(30.0)

    def both(rows):
        return [values[rows].mean(), values[rows].max()]

    first, again = (drawn(both, 30, num_draws=7, seed=3) for _ in range(2))
    assert first.shape == (7, 2)
    assert np.array_equal(first, again)


def test_draws_that_are_not_finite_are_left_out():
    draws = np.array([[1.0, np.nan], [np.nan, np.nan], [3.0, np.nan]])
    low, high = interval(draws, share=1.0)
    assert low[0] == 1 and high[0] == 3
    assert np.isnan(low[1]) and np.isnan(high[1])


def test_intervals_of_classes_are_binomial():
    counts = np.array([[80.0, 20, 0], [0, 50, 50], [0, 0, 0]])
    draws = drawn_classes(counts, num_draws=3000, seed=0)
    assert np.std(draws["completeness"][:, 0]) == pytest.approx(np.sqrt(0.8 * 0.2 / 100), rel=0.05)
    assert np.all(np.isnan(draws["f1"][:, 2])), "a class without sources stays unknown"
    low, high = interval(draws["purity"])
    assert low[1] < balanced(counts)["purity"][1] < high[1]
