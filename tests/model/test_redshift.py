"""Redshifts as probabilities of steps in ln(1 + z)."""

import math

import pytest
import torch

from ojala.model.redshift import HIGHEST, REDSHIFT_IDS, RedshiftHead, asked, sharpened


def test_the_first_query_for_each_kind_is_found_wherever_it_stands():
    galaxy, quasar = REDSHIFT_IDS
    query_ids = torch.tensor([[5, galaxy, quasar], [quasar, 5, quasar], [0, 0, galaxy]])
    position, is_asked = asked(query_ids)
    assert is_asked.tolist() == [[True, True], [False, True], [True, False]]
    assert position[is_asked].tolist() == [1, 2, 0, 2]


def test_the_answer_is_that_of_the_query_and_not_of_its_neighbours():
    torch.manual_seed(0)
    head = RedshiftHead(8, 6)
    hidden = torch.randn(2, 3, 8)
    query_ids = torch.tensor([[5, REDSHIFT_IDS[0], 9], [REDSHIFT_IDS[1], 5, 5]])
    logits = head(hidden, query_ids)
    assert torch.allclose(logits[0, 0], head.kinds[0](hidden[0, 1]))
    assert torch.allclose(logits[1, 1], head.kinds[1](hidden[1, 0]))


def test_steps_are_of_one_size_in_ln_1_plus_z_and_reach_the_faintest():
    head = RedshiftHead(4, 100)
    for edges, highest in zip(head.edges_KS, HIGHEST, strict=True):
        assert edges[0] < 0 < edges[1]
        assert float(edges[-1]) == pytest.approx(math.log1p(highest))
        assert edges.diff().max() - edges.diff().min() < 1e-5


def test_a_slope_divides_by_a_power_of_the_steps_that_p_lies_in():
    head = RedshiftHead(4, 50)
    logits = torch.zeros(1, 2, 50)
    logits[0, :, 10:] = -50.0  # ten steps, each as likely
    logits[0, :, 3] = 0.5
    share = logits[0, 0].softmax(dim=-1)
    num_steps = float((-(share * share.log()).sum()).exp())
    assert 9 < num_steps < 10
    head.slope_K[0], head.temperature_K[0] = -0.5, 1.2
    expected = (logits[0, 0] / (1.2 * num_steps**-0.5)).softmax(dim=-1)
    assert torch.allclose(head.probability(logits)[0, 0], expected, atol=1e-6)
    assert torch.equal(head.probability(logits)[0, 1], logits[0, 1].softmax(dim=-1))


@pytest.mark.parametrize("power", [0.5, 1.7])
def test_sharpening_keeps_the_median_and_takes_the_odds_to_a_power(power):
    torch.manual_seed(2)
    given = torch.randn(6, 2, 50).softmax(dim=-1)
    found = sharpened(given, torch.full((6, 2), power))
    assert (found >= 0).all()
    assert torch.allclose(found.sum(dim=-1), torch.ones(6, 2))
    before, after = (part.double().cumsum(dim=-1)[..., :-1] for part in (given, found))
    odds = power * (before / (1 - before)).log()
    assert torch.allclose((after / (1 - after)).log(), odds, rtol=1e-3, atol=1e-3)
    assert torch.equal(after > 0.5, before > 0.5)


def test_p_of_z_is_sharpened_by_a_power_of_the_steps_that_it_lies_in():
    torch.manual_seed(3)
    head, logits = RedshiftHead(4, 50), 3 * torch.randn(4, 2, 50)
    head.sharpness_K[1], head.sharpness_slope_K[1] = 2.0, -0.3
    share = logits.softmax(dim=-1)
    num_steps = (-(share * share.log()).sum(dim=-1)).exp()
    found = head.probability(logits)
    assert torch.allclose(found[:, 1], sharpened(share, 2.0 * num_steps**-0.3)[:, 1], atol=1e-6)
    assert torch.allclose(found[:, 0], share[:, 0], atol=1e-6)


def test_a_temperature_widens_its_own_kind_alone_and_moves_no_summit():
    torch.manual_seed(1)
    head = RedshiftHead(4, 50)
    logits = 3 * torch.randn(5, 2, 50)
    before = head.probability(logits)
    head.temperature_K[1] = 2.0
    after = head.probability(logits)
    assert torch.equal(after[:, 0], before[:, 0])
    assert torch.equal(after[:, 1].argmax(-1), before[:, 1].argmax(-1))
    assert (after[:, 1].max(-1).values < before[:, 1].max(-1).values).all()
    assert torch.allclose(after.sum(-1), torch.ones(5, 2))
