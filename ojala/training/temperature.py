"""How sure to be of redshifts: settings of each kind, from sources that were held out.

A network that has seen its sources many times is too sure of those it has not, and one that learnt
from smoothed labels is not sure enough, above all of the sharpest. Dividing the logits leaves the
most likely step where it is (Guo et al. 2017), and sharpening what lies below each edge the median;
how much follows a power of the number of steps that a source's p(z) lies in.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from torch import Tensor

from ojala.model.redshift import SETTINGS, RedshiftHead, probability
from ojala.training.redshift_loss import AskedRedshifts, cross_entropy

SHARP = 1e-3
"""Steps that a label is spread by: its own step alone. As in training, p(z) would be too wide."""

ENOUGH, MOST = 50, 2_000
"""Sources that settings are taken from: with fewer they stay as they are, of more some are taken.
"""

MOST_TAIL, MOST_TEMPERATURE = 0.1, 20.0
"""Largest share of the tail, more would be the peak itself, and its largest temperature."""

FIRST = (0.0, 0.0, 0.1, 0.0)
"""Free numbers of the peak that the search begins at."""

NO_TAIL, SMALL_TAIL = (-math.inf, -math.inf), (-1.5, 0.0)
"""Free numbers of a tail that is none, and of 2 % at a temperature of 4.5."""

Floats = NDArray[np.float64]


def fit_temperatures(head: RedshiftHead, logits: Tensor, label: AskedRedshifts) -> None:
    """Set SETTINGS to those that make the labels' own steps most likely.

    logits: (num_sources, kinds, steps), as the network gives them
    """
    sharp = replace(label, sigma=torch.zeros_like(label.sigma))
    for kind in range(logits.shape[1]):
        rows = label.is_asked[:, kind].nonzero().squeeze(1)
        if len(rows) < ENOUGH:
            continue
        rows = rows[:: -(-len(rows) // MOST)]
        one = slice(kind, kind + 1)
        # Copies: what was computed in inference mode takes no part in a gradient.
        with torch.inference_mode(False), torch.enable_grad():
            asked = AskedRedshifts(
                **{
                    name: getattr(sharp, name)[rows, one].clone()
                    for name in AskedRedshifts.__annotations__
                }
            )
            found = _most_likely(logits[rows, one].clone(), head.edges_KS[one].clone(), asked)
        for name, value in zip(SETTINGS, found, strict=True):
            getattr(head, name)[kind] = value


def _most_likely(logits: Tensor, edges: Tensor, label: AskedRedshifts) -> Tensor:
    """The settings of one kind, (num_settings,)."""

    def cost(peak: Tensor, tail: Tensor) -> Tensor:
        steps = probability(logits, *_settings(peak, tail).to(logits).unsqueeze(-1))
        return cross_entropy(steps.clamp(min=1e-30).log(), edges, label, SHARP).mean()

    none = torch.tensor(NO_TAIL, dtype=torch.float64)
    plain, plain_cost = _least(lambda free: cost(free, none), FIRST)
    tailed, tailed_cost = _least(lambda free: cost(free[:4], free[4:]), (*plain, *SMALL_TAIL))
    # Akaike: two more numbers, and worth more than they fit of the noise.
    if len(logits) * (plain_cost - tailed_cost) > 2:
        return _settings(*torch.from_numpy(tailed).split([4, 2]))
    return _settings(torch.from_numpy(plain), none)


def _least(cost: Callable[[Tensor], Tensor], first: ArrayLike) -> tuple[Floats, float]:
    """Where a cost is least, by its gradient, and what it is there."""

    def with_gradient(free: Floats) -> tuple[float, Floats]:
        given = torch.from_numpy(free.copy()).requires_grad_()
        value = cost(given)
        (gradient,) = torch.autograd.grad(value, given)
        return float(value.detach()), gradient.numpy()

    found = minimize(with_gradient, np.asarray(first), jac=True, method="L-BFGS-B")
    return found.x, float(found.fun)


def _settings(peak: Tensor, tail: Tensor) -> Tensor:
    """Settings, in the order of SETTINGS, of numbers that may be any.

    peak: logarithm of the temperature, its slope, and both of the sharpness, (4,); tail: (2,)
    """
    temperature, slope, sharpness, sharpness_slope = peak
    share, tail_temperature = tail.sigmoid()
    settings = {
        "temperature_K": temperature.exp(),
        "slope_K": slope,
        "sharpness_K": sharpness.exp(),
        "sharpness_slope_K": sharpness_slope,
        "tail_share_K": MOST_TAIL * share,
        "tail_temperature_K": MOST_TEMPERATURE**tail_temperature,
    }
    return torch.stack([settings[name] for name in SETTINGS])
