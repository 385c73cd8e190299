"""Dropout drops its share, keeps the mean, and does nothing outside training."""

import pytest
import torch

from ojala.model.dropout import Dropout


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_share_is_dropped_and_the_mean_kept(share):
    torch.manual_seed(0)
    values = Dropout(share)(torch.ones(1000, 1001))
    assert (values == 0).float().mean() == pytest.approx(share, abs=2e-3)
    assert values.mean() == pytest.approx(1, abs=5e-3)
    kept = values[values > 0]
    assert kept.min() == kept.max() == pytest.approx(1 / (1 - share), rel=1e-4)


def test_neighbours_are_dropped_independently():
    """Four elements share one draw of 64 bits, but not one fate."""
    torch.manual_seed(0)
    dropped = (Dropout(0.5)(torch.ones(4_000_000)) == 0).float().view(-1, 4)
    correlation = torch.corrcoef(dropped.T) - torch.eye(4)
    assert correlation.abs().max() < 5e-3


def test_gradient_passes_where_values_do():
    torch.manual_seed(0)
    values = torch.ones(100, requires_grad=True)
    kept = Dropout(0.3)(values)
    kept.sum().backward()
    assert torch.equal(values.grad, kept.detach())


def test_nothing_is_dropped_outside_training():
    values = torch.randn(10)
    assert Dropout(0.5).eval()(values) is values
    assert Dropout(0.0)(values) is values
