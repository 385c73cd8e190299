"""Limits that hold what they state, whatever the scores are; intervals by such limits."""

import math

import numpy as np
import pytest

from ojala.measures import conformal


@pytest.mark.parametrize("coverage", [0.68, 0.9, 0.95])
@pytest.mark.parametrize("draw", ["normal", "exponential", "standard_cauchy"])
def test_a_share_as_stated_lies_within_whatever_the_scores_are(draw, coverage):
    rng = np.random.default_rng(1)
    shares = []
    for _ in range(400):  # the promise is that of the mean over held-out sets
        held_out, further = (getattr(rng, draw)(size=num) for num in (60, 500))
        shares.append(np.mean(further <= conformal.limit(held_out, coverage)))
    assert coverage - 0.005 < np.mean(shares) < coverage + 1 / 61 + 0.005


def test_it_is_the_score_of_that_rank_and_infinite_where_there_is_none():
    scores = np.arange(1.0, 10.0)  # 9 of them: ceil(10 * 0.9) = 9
    assert conformal.limit(scores, 0.9) == 9.0
    assert conformal.limit(scores, 0.5) == 5.0
    assert conformal.limit(scores[:8], 0.9) == math.inf
    assert conformal.limit(scores[:0], 0.9) == math.inf


def test_every_group_has_its_own_limit():
    rng = np.random.default_rng(2)
    group = rng.integers(0, 3, 3000)
    scores = rng.exponential(size=3000) * np.array([1.0, 5.0, 0.1])[group]
    found = conformal.limits(scores, group, 4, 0.9)
    assert found[3] == math.inf
    for number in range(3):
        assert np.mean(scores[group == number] <= found[number]) == pytest.approx(0.9, abs=2e-3)


def test_an_interval_that_is_stretched_ends_at_the_factor():
    low, middle, high = np.array([1.0, 0.2]), np.array([2.0, 0.3]), np.array([4.0, 0.3])
    for factor in (0.5, 1.0, 2.5):
        ends = conformal.stretched(low, middle, high, factor=np.full(2, factor))
        for end in ends:
            assert conformal.beyond(end, low, middle, high) == pytest.approx([factor] * 2)
    below, above = conformal.stretched(low, middle, high, factor=np.ones(2))
    assert below == pytest.approx(low) and above == pytest.approx([4.0, 0.300001])
    assert conformal.beyond(middle, low, middle, high) == pytest.approx([0.0, 0.0])
