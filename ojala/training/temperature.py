"""How sure to be of redshifts: temperatures of each kind, from sources that were held out.

A network that has seen its sources many times is too sure of those it has not, and one that learnt
from smoothed labels is not sure enough, above all of the sharpest. Dividing the logits leaves the
most likely step where it is (Guo et al. 2017); here the divisor follows a power of the number of
steps that a source's p(z) lies in.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from torch import Tensor

from ojala.model.redshift import SETTINGS, RedshiftHead, probability
from ojala.training.redshift_loss import AskedRedshifts, cross_entropy

SHARP = 1e-3
"""Steps that a label is spread by: its own step alone. As in training, p(z) would be too wide."""

ENOUGH, MOST = 50, 2_000
"""Sources that temperatures are taken from: with fewer they stay 1, of more some are taken."""

MOST_TAIL, MOST_TEMPERATURE = 0.1, 20.0
"""Largest share of the tail, more would be the peak itself, and its largest temperature."""

NO_TAIL, SMALL_TAIL = (-np.inf, -np.inf), (-1.5, 0.0)
"""Free numbers of a tail that is none, and of 2 % at a temperature of 4.5."""

METHOD = "Nelder-Mead"


def fit_temperatures(head: RedshiftHead, logits: Tensor, label: AskedRedshifts) -> None:
    """Set SETTINGS to those that make the labels' own steps most likely.

    logits: (num_sources, kinds, steps), before any temperature
    """
    sharp = replace(label, sigma=torch.zeros_like(label.sigma))
    for kind in range(logits.shape[1]):
        rows = label.is_asked[:, kind].nonzero().squeeze(1)
        if len(rows) < ENOUGH:
            continue
        rows = rows[:: -(-len(rows) // MOST)]
        one = slice(kind, kind + 1)
        asked = AskedRedshifts(
            **{name: getattr(sharp, name)[rows, one] for name in AskedRedshifts.__annotations__}
        )
        found = _most_likely(logits[rows, one], head.edges_KS[one], asked)
        for name, value in zip(SETTINGS, found, strict=True):
            getattr(head, name)[kind] = value


def _most_likely(logits: Tensor, edges: Tensor, label: AskedRedshifts) -> Tensor:
    """The settings of one kind, (4,)."""

    def cost(free: NDArray[np.float64]) -> float:
        steps = probability(logits, *_settings(free).to(logits).unsqueeze(-1))
        return float(cross_entropy(steps.clamp(min=1e-30).log(), edges, label, SHARP).mean())

    plain = minimize(lambda free: cost(np.append(free, NO_TAIL)), np.zeros(2), method=METHOD)
    tailed = minimize(cost, np.append(plain.x, SMALL_TAIL), method=METHOD, options={"maxiter": 400})
    # Akaike: two more numbers, and worth more than they fit of the noise.
    if len(logits) * (plain.fun - tailed.fun) > 2:
        return _settings(tailed.x)
    return _settings(np.append(plain.x, NO_TAIL))


def _settings(free: NDArray[np.float64]) -> Tensor:
    """Settings, in the order of SETTINGS, of numbers that may be any."""
    temperature, slope, share, tail = free
    of_tail = MOST_TAIL * expit(share), MOST_TEMPERATURE ** expit(tail)
    return torch.tensor([np.exp(temperature), slope, *of_tail])
