"""Soft targets of redshifts, their cross-entropy and the temperature from held-out sources."""

import math

import pytest
import torch
from scipy.stats import norm

from ojala.model.redshift import AS_THEY_ARE, REDSHIFT_IDS, RedshiftHead
from ojala.training.redshift_loss import (
    AskedRedshifts,
    asked_redshifts,
    cross_entropy,
    soft_targets,
)
from ojala.training.temperature import ENOUGH, fit_temperatures

EDGES = torch.linspace(0.0, 1.0, 101).repeat(2, 1)


def label(log_z, sigma=0.0, is_asked=True):
    """The same label for both kinds, (num_sources, 2)."""
    log_z = torch.as_tensor(log_z).reshape(-1, 1).expand(-1, 2)
    return AskedRedshifts(
        log_z=log_z,
        sigma=torch.full(log_z.shape, sigma),
        position=torch.zeros(log_z.shape, dtype=torch.long),
        is_asked=torch.full(log_z.shape, is_asked),
    )


@pytest.mark.parametrize("sigma", [0.0, 0.004, 0.05])
def test_a_label_is_spread_by_its_error_and_a_share_of_a_step(sigma):
    given = label([0.4321], sigma)
    share = soft_targets(EDGES, given.log_z, given.sigma, 0.75)
    width = math.hypot(0.75 * 0.01, sigma)
    expected = norm.cdf(0.44, 0.4321, width) - norm.cdf(0.43, 0.4321, width)
    assert float(share[0, 0, 43]) == pytest.approx(expected, abs=1e-4)
    assert torch.allclose(share.sum(-1), torch.ones(1, 2))


@pytest.mark.parametrize(("log_z", "step"), [(-3.0, 0), (7.0, 99)])
def test_a_redshift_beyond_the_steps_belongs_to_the_nearest(log_z, step):
    given = label([log_z])
    share = soft_targets(EDGES, given.log_z, given.sigma, 0.75)
    assert share.argmax(-1).tolist() == [[step, step]]
    assert torch.isfinite(share).all()


def test_the_true_distribution_costs_least_and_unasked_kinds_cost_nothing():
    given = label([0.5])
    share = soft_targets(EDGES, given.log_z, given.sigma, 0.75)
    least = cross_entropy(share.clamp(min=1e-12).log(), EDGES, given)
    for other in (share.roll(1, -1), 0.5 * share + 0.005):
        assert (cross_entropy(other.clamp(min=1e-12).log(), EDGES, given) > least).all()
    unasked = cross_entropy(torch.randn(1, 2, 100), EDGES, label([0.5], is_asked=False))
    assert unasked.tolist() == [[0.0, 0.0]]


def test_the_label_is_that_of_the_query_for_each_kind():
    galaxy, quasar = REDSHIFT_IDS
    query_ids = torch.tensor([[5, quasar, galaxy], [9, galaxy, 5]])
    stretch = torch.tensor([[1.0, 3.0, 1.5], [1.0, 2.0, 1.0]])
    error = torch.tensor([[0.0, 0.1, 0.2], [0.0, 0.3, 0.0]])
    found = asked_redshifts(query_ids, stretch, error)
    assert found.is_asked.tolist() == [[True, True], [True, False]]
    assert found.log_z[0].exp().tolist() == pytest.approx([1.5, 3.0])
    assert float(found.log_z[1, 0].exp()) == pytest.approx(2.0)
    assert found.sigma[0].tolist() == pytest.approx([0.2, 0.1])


def one_grid():
    """A head whose quasars have the steps of its galaxies, and the edges of these."""
    head = RedshiftHead(4, 40)
    head.edges_KS[1] = head.edges_KS[0]
    return head, head.edges_KS[0]


@pytest.mark.parametrize("too_sure", [0.7, 1.0, 2.0, 4.0])
def test_the_temperature_undoes_a_network_that_is_too_sure(too_sure):
    """Labels are drawn from a softmax; the network says its logits times a number."""
    torch.manual_seed(0)
    head, edges = one_grid()
    honest = 1.5 * torch.randn(4000, 2, 40)
    step = torch.distributions.Categorical(logits=honest[:, 0]).sample()
    drawn = label(0.5 * (edges[step] + edges[step + 1]))
    fit_temperatures(head, too_sure * honest, drawn)
    said, right = head.probability(too_sure * honest)[:, 0], honest[:, 0].softmax(dim=-1)
    assert torch.allclose(said, right, atol=0.05)
    assert 0.5 * (said - right).abs().sum(dim=1).mean() < 0.05


def test_the_temperature_tells_the_sharp_from_the_blunt():
    """Of an honest network one half is sharp, and says so too faintly; the other is blunt."""
    torch.manual_seed(0)
    head, edges = one_grid()
    honest = (
        torch.randn(6000, 2, 40) * torch.where(torch.arange(6000) % 2 == 0, 6.0, 1.0)[:, None, None]
    )
    step = torch.distributions.Categorical(logits=honest[:, 0]).sample()
    said = honest.clone()
    said[::2] *= 0.5
    fit_temperatures(head, said, label(0.5 * (edges[step] + edges[step + 1])))

    def cost(probability):
        true_step = probability[:, 0].gather(1, step.unsqueeze(1)).log()
        return -float(true_step.mean())

    said_alone = cost(said.softmax(dim=-1))
    best = min(cost((said / t).softmax(dim=-1)) for t in torch.logspace(-0.7, 0.7, 60))
    assert cost(head.probability(said)) < 0.5 * (best + cost(honest.softmax(dim=-1)))
    assert cost(head.probability(said)) < said_alone
    assert float(head.slope_K[0]) > 0.1


def test_ragged_logits_are_sharpened_where_a_temperature_cannot():
    """Every step's logit has noise of its own, which a low temperature makes larger."""
    torch.manual_seed(3)
    head, edges = one_grid()
    peak = torch.randint(8, 32, (4000, 2, 1))
    distance = torch.arange(40) - peak
    honest = -0.5 * (distance / 1.5).square()
    step = torch.distributions.Categorical(logits=honest[:, 0]).sample()
    said = -0.5 * (distance / 2.5).square() + 0.4 * torch.randn(4000, 2, 40)
    fit_temperatures(head, said, label(0.5 * (edges[step] + edges[step + 1])))

    def cost(probability):
        return -float(probability[:, 0].gather(1, step.unsqueeze(1)).log().mean())

    tempered = min(cost((said / t).softmax(dim=-1)) for t in torch.logspace(-0.7, 0.7, 60))
    least = cost(honest.softmax(dim=-1))
    assert cost(head.probability(said)) - least < 0.2 * (tempered - least)


def test_a_few_sources_give_no_temperature():
    head = RedshiftHead(4, 40)
    fit_temperatures(head, torch.randn(ENOUGH - 1, 2, 40), label(torch.full((ENOUGH - 1,), 0.3)))
    for name, value in AS_THEY_ARE.items():
        assert getattr(head, name).tolist() == [value, value]


def test_inference_mode_is_no_hindrance():
    torch.manual_seed(0)
    logits, given = 4 * torch.randn(200, 2, 40), label(torch.rand(200))
    head, other = RedshiftHead(4, 40), RedshiftHead(4, 40)
    fit_temperatures(head, logits, given)
    with torch.inference_mode():
        fit_temperatures(other, logits.clone(), given)
    for name in AS_THEY_ARE:
        assert torch.equal(getattr(head, name), getattr(other, name))


def test_a_few_wrong_peaks_do_not_widen_the_others():
    """3 % of the labels are anywhere; the rest are drawn from what the network says."""
    torch.manual_seed(0)
    head, edges = one_grid()
    peak = torch.randint(0, 40, (4000, 2, 1))
    honest = -0.5 * ((torch.arange(40) - peak) / 2.0).square()
    step = torch.distributions.Categorical(logits=honest[:, 0]).sample()
    lost = torch.rand(4000) < 0.03
    step = torch.where(lost, torch.randint(0, 40, (4000,)), step)
    fit_temperatures(head, honest, label(0.5 * (edges[step] + edges[step + 1])))
    assert float(head.tail_share_K[0]) > 0.01
    said, right = head.probability(honest)[:, 0], honest[:, 0].softmax(dim=-1)
    assert 0.5 * (said - right).abs().sum(dim=1).mean() < 0.05


def test_an_honest_network_gets_no_tail():
    torch.manual_seed(1)
    head, edges = one_grid()
    honest = 1.5 * torch.randn(1000, 2, 40)
    step = torch.distributions.Categorical(logits=honest[:, 0]).sample()
    fit_temperatures(head, honest, label(0.5 * (edges[step] + edges[step + 1])))
    assert head.tail_share_K[0] < 0.02
