"""Who moves the weights: AdamW alone, or Muon for the matrices and AdamW for all else.

Muon makes each step of a matrix orthogonal (Jordan et al. 2024); its steps are scaled so that they
have the size of AdamW's (Liu et al. 2025), and its learning rate is a multiple of AdamW's. Here it
has the first and the last matrices too: hundreds of features of light that rise and fall together
lead into the one, and hundreds of steps of redshift lead out of the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.optim import AdamW, Optimizer

from ojala.model.patches import PatchEmbedding
from ojala.training.muon import Muon

if TYPE_CHECKING:
    from ojala.training.config import TrainConfig

MUON_RATE = 3.0
"""Learning rate of Muon in that of AdamW: 1 and 8 learn less in the same time."""


def optimizers(objective: nn.Module, config: TrainConfig) -> list[Optimizer]:
    """What steps together; groups have the factor of their learning rate as "rate_factor".

    Matrices decay, biases, norms and widths of kernels do not; the reweighting network learns at
    its own rate.
    """
    named = dict(objective.named_parameters())
    names = _matrices(objective) if config.optimizer == "muon" else set()
    left = [(name, parameter) for name, parameter in named.items() if name not in names]
    adamw = AdamW(_groups(left, config), lr=config.learning_rate, fused=True)
    if not names:
        return [adamw]
    matrices = [parameter for name, parameter in named.items() if name in names]
    muon = Muon(
        [{"params": matrices, "rate_factor": MUON_RATE}],
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        precision=getattr(torch, config.precision),
    )
    return [adamw, muon]


def _matrices(objective: nn.Module) -> set[str]:
    """Names of the model's parameters that multiply what comes in; tables of vectors do not."""
    found = set()
    for name, module in objective.named_modules():
        if isinstance(module, nn.Linear) and name.startswith("model."):
            found.add(f"{name}.weight")
        if isinstance(module, PatchEmbedding):
            found.add(f"{name}.weight_GND")
    return found


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
