"""Who moves the weights: AdamW alone, or Muon for the hidden matrices and AdamW for all else.

Muon makes each step of a matrix orthogonal (Jordan et al. 2024); its steps are scaled so that they
have the size of AdamW's (Liu et al. 2025), and its learning rate is a multiple of AdamW's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.optim import AdamW, Optimizer

from ojala.training.muon import Muon

if TYPE_CHECKING:
    from ojala.training.config import TrainConfig

HIDDEN = ("model.encoder.", "model.decoder.", "model.heads.hidden.")
"""Where the matrices stand that lead from one hidden layer to another."""

MUON_RATE = 3.0
"""Learning rate of Muon in that of AdamW: 1 and 8 learn less in the same time."""


def optimizers(objective: nn.Module, config: TrainConfig) -> list[Optimizer]:
    """What steps together; groups have the factor of their learning rate as "rate_factor".

    Matrices decay, biases, norms and widths of kernels do not; the reweighting network learns at
    its own rate.
    """
    named = list(objective.named_parameters())
    hidden = {
        name
        for name, parameter in named
        if config.optimizer == "muon" and parameter.ndim == 2 and name.startswith(HIDDEN)
    }
    adamw = AdamW(_groups(_left(named, hidden), config), lr=config.learning_rate, fused=True)
    if not hidden:
        return [adamw]
    matrices = [parameter for name, parameter in named if name in hidden]
    muon = Muon(
        [{"params": matrices, "rate_factor": MUON_RATE}],
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        precision=getattr(torch, config.precision),
    )
    return [adamw, muon]


def _left(
    named: Iterable[tuple[str, nn.Parameter]], hidden: set[str]
) -> Iterable[tuple[str, nn.Parameter]]:
    return ((name, parameter) for name, parameter in named if name not in hidden)


def _groups(
    named: Iterable[tuple[str, nn.Parameter]], config: TrainConfig
) -> list[dict[str, object]]:
    """Parameters by rate and decay."""
    factor = config.adaptation.learning_rate_factor if config.adaptation else 1.0
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    for name, parameter in named:
        rate_factor = factor if name.startswith("reweighter.") else 1.0
        weight_decay = config.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((rate_factor, weight_decay), []).append(parameter)
    return [
        {"params": parameters, "rate_factor": rate_factor, "weight_decay": weight_decay}
        for (rate_factor, weight_decay), parameters in groups.items()
    ]
