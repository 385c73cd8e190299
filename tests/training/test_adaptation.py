"""Weighted MMD and the terms that keep its weights from degenerating."""

import math

import pytest
import torch

from ojala.training.adaptation import (
    AdaptationConfig,
    Reweighter,
    adaptation_terms,
    effective_sample_size,
    entropy,
    median_bandwidth,
    mmd_squared,
)


def normal(num, width=8, shift=0.0, seed=0):
    return torch.randn(num, width, generator=torch.Generator().manual_seed(seed)) + shift


def alike(num):
    return torch.full((num,), 1 / num)


def mmd_of(source, target, target_weight=None):
    weight = alike(len(target)) if target_weight is None else target_weight
    bandwidth = median_bandwidth(source, target)
    return float(mmd_squared(source, target, alike(len(source)), weight, bandwidth))


def test_mmd_of_a_set_with_itself_is_0():
    source = normal(300)
    assert mmd_of(source, source) == pytest.approx(0, abs=1e-6)
    assert mmd_of(source, source[torch.randperm(300)]) == pytest.approx(0, abs=1e-6)


def test_mmd_grows_with_a_shift():
    source = normal(400)
    values = [mmd_of(source, normal(400, shift=shift, seed=1)) for shift in (0, 0.3, 0.6, 1.2)]
    assert values == sorted(values)
    assert values[-1] > 20 * values[0]


def test_mmd_is_the_double_sum_of_the_paper():
    source, target, weight = normal(5), normal(4, seed=1), torch.tensor([0.1, 0.2, 0.3, 0.4])
    sigma = torch.tensor(1.7)

    def kernel(x, y):
        return math.exp(-float((x - y).square().sum()) / (2 * 1.7**2))

    expected = (
        sum(kernel(x, y) for x in source for y in source) / 25
        + sum(
            float(weight[i] * weight[j]) * kernel(target[i], target[j])
            for i in range(4)
            for j in range(4)
        )
        - 2 / 5 * sum(float(weight[j]) * kernel(x, target[j]) for x in source for j in range(4))
    )
    found = mmd_squared(source, target, alike(5), weight, sigma)
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_bandwidth_is_the_median_distance_and_has_no_gradient():
    source = normal(50).requires_grad_()
    target = normal(50, seed=1)
    distances = torch.pdist(torch.cat([source, target]).detach())
    bandwidth = median_bandwidth(source, target)
    assert float(bandwidth) == pytest.approx(float(distances.median()), rel=1e-4)
    assert not bandwidth.requires_grad


def test_right_weights_undo_other_proportions():
    """Two populations, 1:1 in the mocks and 9:1 in the sky: the weights of 1:1 bring MMD to 0."""
    source = torch.cat([normal(200), normal(200, shift=3, seed=1)])
    target = torch.cat([normal(360, seed=2), normal(40, shift=3, seed=3)])
    weight = torch.cat([torch.full((360,), 0.5 / 360), torch.full((40,), 0.5 / 40)])
    assert mmd_of(source, target, weight) < 0.1 * mmd_of(source, target)


def test_entropy_and_sample_size_are_1_for_equal_weights_and_fall_for_unequal_ones():
    equal, single = alike(100), torch.eye(100)[0]
    assert float(entropy(equal)) == pytest.approx(1)
    assert float(effective_sample_size(equal)) == pytest.approx(1)
    assert float(entropy(single)) == pytest.approx(0)
    assert float(effective_sample_size(single)) == pytest.approx(0.01)


def terms_of(weights, **settings):
    """The terms for given weights of the target: a reweighter that gives just those."""
    source = target = normal(len(weights))
    config = AdaptationConfig(mmd_weight=1.0, **settings)
    counts = torch.ones(len(weights))
    return adaptation_terms(source, target, counts, lambda *_: weights, config, 1.0)


def skewed(share, num=50):
    """Weights of which a share lies on one source."""
    return share * torch.eye(num)[0] + (1 - share) * alike(num)


def test_entropy_is_maximised():
    """The printed Eq. 12 adds the entropy; with that sign equal weights would cost the most."""

    def cost(share):
        terms = terms_of(skewed(share), entropy_weight=0.1, ess_weight=0.0)
        return float(terms["adaptation"] - terms["mmd"])

    assert cost(0.0) < cost(0.2) < cost(0.5)


def test_sample_size_costs_below_its_floor_alone():
    def cost(share):
        terms = terms_of(skewed(share), entropy_weight=0.0, ess_weight=0.05)
        return float(terms["adaptation"] - terms["mmd"]), float(terms["ess"])

    assert cost(0.0)[0] == pytest.approx(0, abs=1e-7)
    mild, size = cost(0.05)
    assert size > 0.7
    assert mild == pytest.approx(0, abs=1e-7)
    strong, size = cost(0.5)
    assert strong == pytest.approx(0.05 * (0.7 - size), rel=1e-3)


def test_descent_spreads_degenerate_weights():
    """A step down the gradient of both regularisers makes weights more even, not less."""
    scores = torch.zeros(50)
    scores[0] = 5.0
    scores.requires_grad_()
    terms = terms_of(torch.softmax(scores, 0), entropy_weight=0.1, ess_weight=0.05)
    (terms["adaptation"] - terms["mmd"]).backward()
    stepped = torch.softmax(scores - 10 * scores.grad, 0).detach()
    before = torch.softmax(scores, 0).detach()
    assert entropy(stepped) > entropy(before)
    assert effective_sample_size(stepped) > effective_sample_size(before)


def test_training_the_reweighter_finds_the_minority():
    torch.manual_seed(0)
    source = torch.cat([normal(100), normal(100, shift=2, seed=1)])
    target = torch.cat([normal(170, seed=2), normal(30, shift=2, seed=3)])
    reweighter = Reweighter(8)
    optimizer = torch.optim.Adam(reweighter.parameters(), lr=0.01)
    for _ in range(100):
        terms = adaptation_terms(
            source, target, torch.ones(200), reweighter, AdaptationConfig(), temperature=1.0
        )
        optimizer.zero_grad()
        terms["adaptation"].backward()
        optimizer.step()
    weights = reweighter(target, 1.0).detach()
    assert weights[170:].mean() > 2 * weights[:170].mean()


def test_a_high_temperature_makes_weights_alike():
    torch.manual_seed(0)
    reweighter, embeddings = Reweighter(8), normal(100)
    cold, hot = (reweighter(embeddings, temperature).detach() for temperature in (0.1, 10.0))
    assert float(cold.sum()) == pytest.approx(1)
    assert entropy(hot) > entropy(cold)


def test_temperature_falls_from_start_to_end():
    config = AdaptationConfig()
    assert [config.temperature(x) for x in (0.0, 0.5, 1.0)] == [3.0, 2.0, 1.0]


def test_mocks_that_take_no_part_do_not_count():
    torch.manual_seed(0)
    source, target = normal(40), normal(30, seed=1)
    reweighter, config = Reweighter(8), AdaptationConfig()
    counts = (torch.arange(40) < 20).float()
    far = torch.where(counts[:, None] > 0, source, 100.0)
    near, moved = (
        mmd_squared(rows, target, counts / 20, alike(30), torch.tensor(3.0))
        for rows in (source, far)
    )
    assert float(near) == pytest.approx(float(moved), abs=1e-6)
    assert "mmd" in adaptation_terms(source, target, counts, reweighter, config, 1.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mmd_weight": -1.0}, "adaptation.mmd_weight is -1"),
        ({"temperature_end": 0.0}, "adaptation.temperature_end is 0"),
        ({"ess_floor": 1.5}, "adaptation.ess_floor is 1.5"),
    ],
)
def test_settings_out_of_range_are_errors(settings, message):
    with pytest.raises(ValueError, match=message):
        AdaptationConfig(**settings)
