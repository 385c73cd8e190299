"""Redshifts as probabilities of steps in ln(1 + z), galaxies and quasars each their own.

A redshift of a photometric survey has several likely values, and none between them: a Gaussian
can say so only by its width. Steps of ln(1 + z) are of one size in dz / (1 + z).

Shape letters: B batch, Q queries, K kinds of redshift, S steps, D width.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ojala.vocabulary.quantities import REDSHIFTS, vocabulary

REDSHIFT_IDS = tuple(vocabulary().index(token) + 1 for token in REDSHIFTS)

LOWEST = -0.01
HIGHEST = (3.0, 6.0)
"""Redshifts that the steps begin and end with; the faintest galaxies and quasars of DESI."""

SETTINGS = ("temperature_K", "slope_K", "tail_share_K", "tail_temperature_K")
"""Of a RedshiftHead, one of each kind of redshift: how sure its answers are."""

LATER = SETTINGS[2:]
"""Tensors that bundles lack whose p(z) has no tail."""


class RedshiftHead(nn.Module):
    """Logits of the steps for each kind of redshift that is asked for.

    edges_KS: of the steps in ln(1 + z), (kinds, steps + 1)
    temperature_K, slope_K: the logits of a source are divided by temperature N^slope, where N is
        the number of steps that its p(z) lies in, exp(entropy)
    tail_share_K, tail_temperature_K: that share of p(z) is the one of logits divided by the tail's
        temperature: of some sources in a hundred the peak is wrong
    1, 0, 0 and 1 until held-out sources have shown how sure to be.
    """

    def __init__(self, width: int, num_steps: int) -> None:
        super().__init__()
        self.kinds = nn.ModuleList(nn.Linear(width, num_steps) for _ in REDSHIFTS)
        edges = [
            torch.linspace(math.log1p(LOWEST), math.log1p(highest), num_steps + 1)
            for highest in HIGHEST
        ]
        self.edges_KS: Tensor
        self.temperature_K: Tensor
        self.slope_K: Tensor
        self.register_buffer("edges_KS", torch.stack(edges))
        self.register_buffer("temperature_K", torch.ones(len(REDSHIFTS)))
        self.register_buffer("slope_K", torch.zeros(len(REDSHIFTS)))
        self.tail_share_K: Tensor
        self.tail_temperature_K: Tensor
        self.register_buffer("tail_share_K", torch.zeros(len(REDSHIFTS)))
        self.register_buffer("tail_temperature_K", torch.ones(len(REDSHIFTS)))

    def forward(self, hidden_BQD: Tensor, query_ids_BQ: Tensor) -> Tensor:
        """Logits, (B, K, S), of the first query for each kind; without one they say nothing."""
        position_BK, _ = asked(query_ids_BQ)
        rows = torch.arange(len(hidden_BQD), device=hidden_BQD.device)
        logits = [
            kind(hidden_BQD[rows, position])
            for kind, position in zip(self.kinds, position_BK.unbind(1), strict=True)
        ]
        return torch.stack(logits, dim=1)

    def probability(self, logits_BKS: Tensor) -> Tensor:
        """Of each step, (B, K, S)."""
        return probability(logits_BKS, *(getattr(self, name) for name in SETTINGS))


class Beside(nn.Module):
    """What the summaries' hidden layer adds to the logits of the steps, whatever is asked.

    A redshift is found by all lines together, which that layer sees; the way through the encoder
    and the decoder learns it later.
    """

    def __init__(self, width: int, num_steps: int) -> None:
        super().__init__()
        self.steps = nn.Linear(width, len(REDSHIFTS) * num_steps)
        nn.init.zeros_(self.steps.weight)
        nn.init.zeros_(self.steps.bias)

    def forward(self, aside_BAD: Tensor) -> Tensor:
        """Logits, (B, K, S), in float32 as those of the head."""
        with torch.autocast(aside_BAD.device.type, enabled=False):
            logits: Tensor = self.steps(aside_BAD.float().flatten(1))
        return logits.view(len(aside_BAD), len(REDSHIFTS), -1)


def tempered(logits_BKS: Tensor, temperature_K: Tensor, slope_K: Tensor) -> Tensor:
    """Logits divided by a temperature that grows or falls with how many steps p(z) lies in.

    One temperature for all leaves sharp answers too wide where blunt ones are right.

    logits_BKS: (B, K, S), as what it returns; temperature_K, slope_K: of each kind, (K,)
    """
    log_BKS = logits_BKS.log_softmax(dim=-1)
    entropy_BK = -(log_BKS.exp() * log_BKS).sum(dim=-1)
    return logits_BKS / (temperature_K * (slope_K * entropy_BK).exp()).unsqueeze(-1)


def probability(
    logits_BKS: Tensor,
    temperature_K: Tensor,
    slope_K: Tensor,
    tail_share_K: Tensor,
    tail_temperature_K: Tensor,
) -> Tensor:
    """Of each step: the tempered logits', of which a share is theirs at another temperature.

    One temperature for the peak and for what lies far from it makes the peak too wide.

    logits_BKS: (B, K, S), as what it returns; the others: SETTINGS of each kind, (K,)
    """
    core_BKS = tempered(logits_BKS, temperature_K, slope_K).softmax(dim=-1)
    tail_BKS = (logits_BKS / tail_temperature_K.unsqueeze(-1)).softmax(dim=-1)
    return torch.lerp(core_BKS, tail_BKS, tail_share_K.unsqueeze(-1).expand_as(core_BKS))


def asked(query_ids_BQ: Tensor) -> tuple[Tensor, Tensor]:
    """Position of the first query for each kind of redshift, and whether there is one, (B, K)."""
    asks_BKQ = torch.stack([query_ids_BQ == token_id for token_id in REDSHIFT_IDS], dim=1)
    return asks_BKQ.int().argmax(dim=-1), asks_BKQ.any(dim=-1)
