"""Muon: momentum whose step of a matrix is made orthogonal (Jordan et al. 2024).

PyTorch's own multiplies in bfloat16, which a processor without it does thirty times more slowly
than float32, and takes one matrix at a time; here matrices of one shape are multiplied together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
"""Of the Newton-Schulz iteration that brings all singular values near 1."""

RMS = 0.2
"""Root mean square of a step of AdamW, which steps are scaled to (Liu et al. 2025)."""


class Muon(Optimizer):
    """Nesterov momentum, made orthogonal; for matrices, and stacks of them, alone.

    precision: of the products that make a step orthogonal; weights and momentum keep theirs
    """

    def __init__(
        self,
        matrices: Iterable[dict[str, Any]],
        *,
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        precision: torch.dtype = torch.float32,
    ) -> None:
        self.precision = precision
        defaults = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum}
        super().__init__(list(matrices), defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every matrix that has a gradient."""
        assert closure is None
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[nn.Parameter]] = {}
            for matrix in group["params"]:
                if matrix.grad is not None:
                    by_shape.setdefault(matrix.shape, []).append(matrix)
            for alike in by_shape.values():
                self._move(alike, group)

    def _move(self, alike: list[nn.Parameter], group: dict[str, Any]) -> None:
        ahead = torch.stack([self._ahead(matrix, group["momentum"]) for matrix in alike])
        steps = orthogonal(ahead.flatten(0, -3).to(self.precision)).to(ahead.dtype).view_as(ahead)
        rate = group["lr"] * RMS * max(ahead.shape[-2:]) ** 0.5
        for matrix, step in zip(alike, steps, strict=True):
            matrix.mul_(1 - group["lr"] * group["weight_decay"]).add_(step, alpha=-rate)

    def _ahead(self, matrix: nn.Parameter, momentum: float) -> Tensor:
        """The gradient, mixed with the running mean of those before."""
        assert matrix.grad is not None
        state = self.state[matrix]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(matrix.grad)
        running: Tensor = state["momentum_buffer"].lerp_(matrix.grad, 1 - momentum)
        return matrix.grad.lerp(running, momentum)


def orthogonal(matrices: Tensor) -> Tensor:
    """The same singular vectors with singular values of about 1, (N, rows, columns)."""
    is_tall = matrices.shape[1] > matrices.shape[2]
    found = matrices.mT if is_tall else matrices
    found = found / found.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    linear, cubic, quintic = COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = found @ found.mT
        mixed = torch.baddbmm(gram, gram, gram, beta=cubic, alpha=quintic)
        found = torch.baddbmm(found, mixed, found, beta=linear)
    return found.mT if is_tall else found
