"""Dropout whose random numbers do not cost more than the layer before it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEVELS = 2**16


class Dropout(nn.Module):
    """Set a share of the elements to zero while training, and scale up the others.

    On a CPU one draw of 64 bits decides four elements, so that the share is a multiple of
    1 / 65536; PyTorch draws a number for each, which takes twice as long.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, values: Tensor) -> Tensor:
        """Values of the same shape."""
        if not self.training or self.share == 0:
            return values
        if values.device.type != "cpu":
            return F.dropout(values, self.share)
        num_dropped = round(self.share * LEVELS)
        draws = torch.empty(-(-values.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        levels = draws.view(torch.int16)[: values.numel()].view(values.shape)
        kept = levels >= num_dropped - LEVELS // 2
        return values * (kept.to(values.dtype) * (LEVELS / (LEVELS - num_dropped)))
