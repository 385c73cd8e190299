"""Redshifts as probabilities of steps in ln(1 + z), galaxies and quasars each their own.

A redshift of a photometric survey has several likely values, and none between them: a Gaussian
can say so only by its width. Steps of ln(1 + z) are of one size in dz / (1 + z).

Shape letters: B batch, Q queries, K kinds of redshift, S steps, D width.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ojala.vocabulary.quantities import REDSHIFTS, vocabulary

REDSHIFT_IDS = tuple(vocabulary().index(token) + 1 for token in REDSHIFTS)

LOWEST = -0.01
HIGHEST = (3.0, 6.0)
"""Redshifts that the steps begin and end with; the faintest galaxies and quasars of DESI."""

AS_THEY_ARE = {
    "temperature_K": 1.0,
    "slope_K": 0.0,
    "sharpness_K": 1.0,
    "sharpness_slope_K": 0.0,
    "tail_share_K": 0.0,
    "tail_temperature_K": 1.0,
}
"""Settings of a RedshiftHead, one of each kind of redshift, that leave p(z) that of the logits."""

SETTINGS = tuple(AS_THEY_ARE)
"""How sure answers are: arguments of ``probability``, in that order."""

LATER = SETTINGS[2:]
"""Tensors that bundles lack from before p(z) had them."""

SMALLEST = 1e-7
"""Of a cumulative probability, and of its distance from 1: what float32 tells apart."""


class RedshiftHead(nn.Module):
    """Logits of the steps for each kind of redshift that is asked for.

    edges_KS: of the steps in ln(1 + z), (kinds, steps + 1)
    SETTINGS: of each kind, what ``probability`` says of them; as they are until held-out sources
        have shown how sure to be
    """

    def __init__(self, width: int, num_steps: int) -> None:
        super().__init__()
        self.kinds = nn.ModuleList(nn.Linear(width, num_steps) for _ in REDSHIFTS)
        edges = [
            torch.linspace(math.log1p(LOWEST), math.log1p(highest), num_steps + 1)
            for highest in HIGHEST
        ]
        self.edges_KS: Tensor
        self.register_buffer("edges_KS", torch.stack(edges))
        for name, value in AS_THEY_ARE.items():
            self.register_buffer(name, torch.full((len(REDSHIFTS),), value))

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


def probability(
    logits_BKS: Tensor,
    temperature_K: Tensor,
    slope_K: Tensor,
    sharpness_K: Tensor,
    sharpness_slope_K: Tensor,
    tail_share_K: Tensor,
    tail_temperature_K: Tensor,
) -> Tensor:
    """Of each step: the peak's, and a share that is the tail's.

    One temperature for the peak and for what lies far from it makes the peak too wide: of some
    sources in a hundred it is wrong.

    logits_BKS: (B, K, S), as what it returns
    temperature_K, slope_K: the peak's logits are divided by temperature N^slope, where N is the
        number of steps that p(z) lies in, exp(entropy)
    sharpness_K, sharpness_slope_K: the odds of lying below an edge are taken to the power
        sharpness N^slope
    tail_share_K, tail_temperature_K: a share of p(z) is that of the logits divided by this
    """
    entropy_BK = _entropy(logits_BKS)
    divisor_BK = temperature_K * (slope_K * entropy_BK).exp()
    peak_BKS = (logits_BKS / divisor_BK.unsqueeze(-1)).softmax(dim=-1)
    if bool(((sharpness_K != 1) | (sharpness_slope_K != 0)).any()):
        peak_BKS = sharpened(peak_BKS, sharpness_K * (sharpness_slope_K * entropy_BK).exp())
    tail_BKS = (logits_BKS / tail_temperature_K.unsqueeze(-1)).softmax(dim=-1)
    return torch.lerp(peak_BKS, tail_BKS, tail_share_K.unsqueeze(-1).expand_as(peak_BKS))


def sharpened(probability_BKS: Tensor, power_BK: Tensor) -> Tensor:
    """Probabilities whose cumulative odds F / (1 - F) are those given, to a power.

    The median stays, and intervals about it shrink where the power is above 1. Logits, which
    differ from step to step by what was not learnt, only grow more ragged by a low temperature.
    It is a recalibration of the PIT (Bordoloi et al. 2010) with one free number.

    probability_BKS: (B, K, S), as what it returns; power_BK: (B, K)
    """
    below_BKS = probability_BKS.cumsum(dim=-1)
    inner_BKS = below_BKS[..., :-1] / below_BKS[..., -1:]
    odds_BKS = power_BK.unsqueeze(-1) * inner_BKS.logit(eps=SMALLEST)
    edges_BKS = F.pad(F.pad(odds_BKS.sigmoid(), (1, 0)), (0, 1), value=1.0)
    return edges_BKS.diff(dim=-1).clamp(min=0)


def _entropy(logits_BKS: Tensor) -> Tensor:
    """Of the softmax, nat, (B, K)."""
    log_BKS = logits_BKS.log_softmax(dim=-1)
    return -(log_BKS.exp() * log_BKS).sum(dim=-1)


def asked(query_ids_BQ: Tensor) -> tuple[Tensor, Tensor]:
    """Position of the first query for each kind of redshift, and whether there is one, (B, K)."""
    asks_BKQ = torch.stack([query_ids_BQ == token_id for token_id in REDSHIFT_IDS], dim=1)
    return asks_BKQ.int().argmax(dim=-1), asks_BKQ.any(dim=-1)
