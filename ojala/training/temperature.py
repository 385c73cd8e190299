"""How sure to be of redshifts: one temperature of each kind, from sources that were held out.

A network that has seen its sources many times is too sure of those it has not, and one that learnt
from smoothed labels is not sure enough. Dividing the logits by a number leaves the most likely step
where it is (Guo et al. 2017).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ojala.model.redshift import RedshiftHead
from ojala.training.redshift_loss import AskedRedshifts, cross_entropy

TEMPERATURES = torch.logspace(-0.3, 0.7, 101)
"""From half to five times as sure."""

SHARP = 1e-3
"""Steps that a label is spread by: its own step alone. As in training, p(z) would be too wide."""

ENOUGH = 50
"""Sources that a temperature is taken from, at least; with fewer it stays 1."""


def fit_temperatures(head: RedshiftHead, logits: Tensor, label: AskedRedshifts) -> None:
    """Set the head's temperatures to those that make the labels' own steps most likely.

    logits: (num_sources, kinds, steps), before any temperature
    """
    sharp = replace(label, sigma=torch.zeros_like(label.sigma))
    costs = torch.stack(
        [cross_entropy(logits / t, head.edges_KS, sharp, SHARP).sum(dim=0) for t in TEMPERATURES]
    )
    best = TEMPERATURES.to(logits.device)[costs.argmin(dim=0)]
    enough = label.is_asked.sum(dim=0) >= ENOUGH
    head.temperature_K.copy_(torch.where(enough, best, 1.0))
