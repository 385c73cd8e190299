"""How sure to be of redshifts: a temperature of each kind, from sources that were held out.

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
from torch import Tensor

from ojala.model.redshift import RedshiftHead, tempered
from ojala.training.redshift_loss import AskedRedshifts, cross_entropy

SHARP = 1e-3
"""Steps that a label is spread by: its own step alone. As in training, p(z) would be too wide."""

ENOUGH = 50
"""Sources that a temperature is taken from, at least; with fewer it stays 1."""


def fit_temperatures(head: RedshiftHead, logits: Tensor, label: AskedRedshifts) -> None:
    """Set temperatures and slopes to those that make the labels' own steps most likely.

    logits: (num_sources, kinds, steps), before any temperature
    """
    sharp = replace(label, sigma=torch.zeros_like(label.sigma))
    for kind in range(logits.shape[1]):
        rows = label.is_asked[:, kind]
        if int(rows.sum()) < ENOUGH:
            continue
        one = slice(kind, kind + 1)
        asked = AskedRedshifts(
            **{name: getattr(sharp, name)[rows, one] for name in AskedRedshifts.__annotations__}
        )
        found = _most_likely(logits[rows, one], head.edges_KS[one], asked)
        head.temperature_K[kind], head.slope_K[kind] = float(np.exp(found[0])), float(found[1])


def _most_likely(logits: Tensor, edges: Tensor, label: AskedRedshifts) -> NDArray[np.float64]:
    """Logarithm of the temperature and slope of one kind, (2,)."""

    def cost(settings: NDArray[np.float64]) -> float:
        temperature, slope = torch.from_numpy(settings).to(logits)
        divided = tempered(logits, temperature.exp(), slope)
        return float(cross_entropy(divided, edges, label, SHARP).mean())

    found: NDArray[np.float64] = minimize(cost, np.zeros(2), method="Nelder-Mead").x
    return found
