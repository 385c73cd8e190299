"""Heads turn a token into distributions."""

import torch

from ojala.model.heads import LOG_VARIANCE_RANGE, OutputHeads


def test_log_variance_is_bounded():
    heads = OutputHeads(8, (16,))
    answers = heads(1e6 * torch.randn(4, 3, 8))
    assert answers.log_variance.min() >= LOG_VARIANCE_RANGE[0]
    assert answers.log_variance.max() <= LOG_VARIANCE_RANGE[1]
    assert torch.isfinite(answers.log_variance.exp()).all()


def test_shapes_and_float32_under_autocast():
    heads = OutputHeads(8, (16, 4))
    with torch.autocast("cpu", torch.bfloat16):
        answers = heads(torch.randn(4, 3, 8))
    assert answers.mean.shape == answers.log_variance.shape == (4, 3)
    assert answers.spectype.shape == (4, 3, 3)
    assert answers.morphtype.shape == (4, 3, 6)
    assert all(answer.dtype == torch.float32 for answer in answers)


def test_heads_without_hidden_layers():
    assert OutputHeads(8, ())(torch.randn(1, 2, 8)).mean.shape == (1, 2)
