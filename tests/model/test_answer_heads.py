"""Heads turn a token into distributions."""

import torch

from ojala.model.answers import LOG_VARIANCE_RANGE, OutputHeads
from ojala.model.redshift import REDSHIFT_IDS


def test_log_variance_is_bounded():
    heads = OutputHeads(8, (16,))
    answers = heads(1e6 * torch.randn(4, 3, 8), torch.ones(4, 3, dtype=torch.long))
    assert answers.log_variance.min() >= LOG_VARIANCE_RANGE[0]
    assert answers.log_variance.max() <= LOG_VARIANCE_RANGE[1]
    assert torch.isfinite(answers.log_variance.exp()).all()


def test_shapes_and_float32_under_autocast():
    heads = OutputHeads(8, (16, 4), redshift_steps=7)
    with torch.autocast("cpu", torch.bfloat16):
        answers = heads(torch.randn(4, 3, 8), torch.full((4, 3), REDSHIFT_IDS[1]))
    assert answers.mean.shape == answers.log_variance.shape == (4, 3)
    assert answers.spectype.shape == (4, 3, 3)
    assert answers.morphtype.shape == (4, 3, 6)
    assert answers.redshift.shape == (4, 2, 7)
    assert all(answer.dtype == torch.float32 for answer in answers)


def test_heads_without_hidden_layers():
    answers = OutputHeads(8, ())(torch.randn(1, 2, 8), torch.ones(1, 2, dtype=torch.long))
    assert answers.mean.shape == (1, 2)
    assert answers.redshift is None
