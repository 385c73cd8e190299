"""Unsupervised adaptation to real J-PAS: weighted maximum mean discrepancy (Appendix A.5).

    MMD^2 = |sum_i u_i phi(h_S,i) - sum_j w_j phi(h_T,j)|^2
    k(x, y) = phi(x) phi(y) = exp(-|x - y|^2 / (2 sigma^2))

h_S are embeddings of mocks, all alike in weight (u = 1/N); h_T those of J-PAS sources, whose
weights w come from a reweighting network, so that the natural proportions of the sky need not be
those of the mocks (Eqs. 9-12).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

BANDWIDTH_ROWS = 1024
"""Embeddings whose pairwise distances give the bandwidth."""


@dataclass(frozen=True, kw_only=True)
class AdaptationConfig:
    """Domain adaptation by weighted MMD.

    mmd_weight: lambda_MMD, of the whole term (Eq. 3)
    entropy_weight, ess_weight: lambda_ent and lambda_ess within it (Eq. 12)
    ess_floor: effective sample size, as a share of the batch, below which it is penalised
    temperature_start, temperature_end: of the softmax of the weights, linear over the training
    learning_rate_factor: rate of the reweighting network over that of the model
    detach_source: hold the mocks' embeddings fixed and move those of J-PAS alone
    max_sources: mocks of a batch that enter the term; its cost grows with their square
    """

    mmd_weight: float = 0.2
    entropy_weight: float = 0.1
    ess_weight: float = 0.05
    ess_floor: float = 0.7
    temperature_start: float = 3.0
    temperature_end: float = 1.0
    learning_rate_factor: float = 0.3
    detach_source: bool = True
    max_sources: int = 2000

    def __post_init__(self) -> None:
        for name in ("mmd_weight", "entropy_weight", "ess_weight"):
            if getattr(self, name) < 0:
                raise ValueError(f"adaptation.{name} is {getattr(self, name)}, expected >= 0")
        for name in ("temperature_start", "temperature_end", "learning_rate_factor"):
            if getattr(self, name) <= 0:
                raise ValueError(f"adaptation.{name} is {getattr(self, name)}, expected > 0")
        if not 0 <= self.ess_floor <= 1:
            raise ValueError(f"adaptation.ess_floor is {self.ess_floor}, expected 0 ... 1")
        if self.max_sources < 2:
            raise ValueError(f"adaptation.max_sources is {self.max_sources}, expected 2 or more")

    def temperature(self, progress: float) -> float:
        """Softmax temperature when a share ``progress`` of the training is done."""
        span = self.temperature_end - self.temperature_start
        return self.temperature_start + progress * span


class Reweighter(nn.Module):
    """The network psi: how much a J-PAS source counts, from its embedding (Eq. 9)."""

    def __init__(self, width: int, hidden_width: int = 64) -> None:
        super().__init__()
        self.score = nn.Sequential(
            nn.Linear(width, hidden_width), nn.GELU(), nn.Linear(hidden_width, 1, bias=False)
        )

    def forward(self, embeddings: Tensor, temperature: float) -> Tensor:
        """Weights that sum to 1, (num_sources,), of embeddings (num_sources, width)."""
        scores: Tensor = self.score(embeddings).squeeze(-1)
        return torch.softmax(scores / temperature, dim=0)


def mmd_squared(
    source: Tensor,
    target: Tensor,
    source_weight: Tensor,
    target_weight: Tensor,
    bandwidth: Tensor,
) -> Tensor:
    """Squared weighted MMD of two sets, the biased estimator of Eq. 11.

    source, target: (num_source, width), (num_target, width); weights sum to 1 on each side
    """

    def mean_kernel(x: Tensor, y: Tensor, x_weight: Tensor, y_weight: Tensor) -> Tensor:
        kernel = torch.exp(-_squared_distances(x, y) / (2 * bandwidth**2))
        return x_weight @ kernel @ y_weight

    return (
        mean_kernel(source, source, source_weight, source_weight)
        + mean_kernel(target, target, target_weight, target_weight)
        - 2 * mean_kernel(source, target, source_weight, target_weight)
    )


@torch.no_grad()
def median_bandwidth(source: Tensor, target: Tensor) -> Tensor:
    """Median distance between the embeddings of both sets, without gradient.

    From at most BANDWIDTH_ROWS of them, evenly taken: a median of all pairs would be a sort.

    source: (num_source, width); target: (num_target, width)
    """
    both = torch.cat([source, target])
    both = both[:: -(-len(both) // BANDWIDTH_ROWS)]
    rows, columns = torch.triu_indices(len(both), len(both), 1, device=both.device)
    median = _squared_distances(both, both)[rows, columns].median().sqrt()
    return median.clamp(min=1e-6)


def effective_sample_size(weights: Tensor) -> Tensor:
    """1 / sum w^2 over the number of weights: 1 for equal weights, 1/N for a single one.

    weights: (num_sources,), adding up to 1
    """
    return 1 / (weights.square().sum() * len(weights))


def entropy(weights: Tensor) -> Tensor:
    """-sum w ln w over ln N: 1 for equal weights, whatever the size of the batch.

    weights: (num_sources,), adding up to 1
    """
    total: Tensor = torch.special.entr(weights).sum()
    return total / math.log(len(weights))


def adaptation_terms(
    source: Tensor,
    target: Tensor,
    source_counts: Tensor,
    reweighter: Reweighter,
    config: AdaptationConfig,
    temperature: float,
) -> dict[str, Tensor]:
    """MMD^2, entropy and effective sample size of the weights, and the loss they add (Eq. 12).

    Entropy is maximised, so it enters with a minus sign; the effective sample size costs only
    below its floor. The reweighting network sees embeddings without gradient: the encoder aligns
    the domains through the kernel, it cannot do so by moving sources where they weigh less.
    source_counts: (num_source,), True for mocks that take part
    """
    source = source.detach() if config.detach_source else source
    bandwidth = median_bandwidth(source, target)
    source_weight = source_counts / source_counts.sum().clamp(min=1)
    weights = reweighter(target.detach(), temperature)
    discrepancy = mmd_squared(source, target, source_weight, weights, bandwidth)
    spread, size = entropy(weights), effective_sample_size(weights)
    penalty = config.ess_weight * torch.relu(config.ess_floor - size)
    loss = config.mmd_weight * (discrepancy - config.entropy_weight * spread + penalty)
    return {"mmd": discrepancy, "entropy": spread, "ess": size, "adaptation": loss}


def gathered(rows: Tensor, world_size: int) -> Tensor:
    """Rows of all workers, with gradient, so that the MMD is that of the whole batch.

    Every worker computes the same term from them. The gradient that comes back is the sum over
    workers, which the averaging of DistributedDataParallel turns into that of one worker.

    rows: (num_rows, width); returns (num_rows * world_size, width)
    """
    if world_size == 1:
        return rows
    result: Tensor = _Gather.apply(rows)  # type: ignore[no-untyped-call]
    return result


class _Gather(torch.autograd.Function):
    """all_gather along the first axis; its backward sums the gradients of all workers."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        """Rows of all workers, (num_rows * world_size, width)."""
        ctx.num_rows = len(rows)
        parts = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous()
        dist.all_reduce(total)
        start = dist.get_rank() * ctx.num_rows
        return total[start : start + ctx.num_rows]


def _squared_distances(x: Tensor, y: Tensor) -> Tensor:
    squares = x.square().sum(-1)[:, None] + y.square().sum(-1)[None, :]
    return (squares - 2 * x @ y.T).clamp(min=0)
