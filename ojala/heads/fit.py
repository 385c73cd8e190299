"""The training of a head on embeddings that were computed once.

The label's error enters the loss as that of every label does (Eq. 2): what the network states as
its variance is what is left when the labels' own errors are taken out.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import TensorDataset
from tqdm import tqdm

from ojala.heads.head import HeadNetwork
from ojala.heads.labels import Labelled
from ojala.model.likelihood import gaussian_nll
from ojala.model.scaling import MAD_TO_SIGMA

Array = NDArray[np.floating[Any]]
Floats = NDArray[np.float64]

CLIP = 5.0
"""Largest norm of the gradient."""

NUM_CHECKS = 100
"""Looks at the validation sources, at steps that grow by a factor: few sources are learnt early."""

PATIENCE = 200, 4
"""A training ends after this many steps, if the best of them was the fourth part or earlier."""


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig:
    """How a head is trained. The released head took 300 epochs of 436,333 sources by 10,000s.

    num_steps, batch_size: steps at most, and sources of each
    learning_rate: of AdamW, on a cosine to 0
    weight_decay: of AdamW; dropout: of the hidden layers
    val_fraction: share of sky pixels held out where the photometry has no column split
    seed: of first weights, batches and dropout
    """

    num_steps: int = 2000
    batch_size: int = 256
    learning_rate: float = 3e-4
    weight_decay: float = 0.01
    dropout: float = 0.1
    val_fraction: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("num_steps", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"finetune.{name} is {getattr(self, name)}, expected 1 or more")
        if not self.learning_rate > 0:
            raise ValueError(f"finetune.learning_rate is {self.learning_rate}, expected > 0")
        for name in ("weight_decay", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"finetune.{name} is {getattr(self, name)}, expected 0 or more")
        for name in ("dropout", "val_fraction"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"finetune.{name} is {getattr(self, name)}, expected 0 <= x < 1")


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A trained network, and how its training went.

    median, sigma: scale of its answers; curve: step, training and validation loss of each check
    """

    network: HeadNetwork
    median: float
    sigma: float
    curve: list[dict[str, float]]


def fit(
    embedded: Array, labelled: Labelled, is_val: NDArray[np.bool_], config: FinetuneConfig
) -> Fitted:
    """Train a network on embeddings; the weights that it had when it validated best are kept.

    embedded: (num_sources, width); is_val: True for sources that are not trained on.
    Raises ValueError where the loss is not finite.
    """
    median, sigma = _scale(labelled.value[~is_val])
    value = torch.from_numpy((labelled.value - median) / sigma).float()
    error = torch.from_numpy(labelled.error / sigma).float()
    sources = TensorDataset(torch.from_numpy(embedded), value, error)
    held_out = torch.from_numpy(is_val)
    train = TensorDataset(*sources[~held_out])
    val = TensorDataset(*sources[held_out]) if is_val.any() else train
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = HeadNetwork(embedded.shape[1], config.dropout)
        _standardise(network, train.tensors[0])
        curve = _train(network, train, val, config)
    return Fitted(network=network.eval(), median=median, sigma=sigma, curve=curve)


def _train(
    network: HeadNetwork, train: TensorDataset, val: TensorDataset, config: FinetuneConfig
) -> list[dict[str, float]]:
    """Take the steps, and leave the network with its best weights; returns the curve."""
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.num_steps)
    checks = set(np.geomspace(1, config.num_steps, NUM_CHECKS).round().astype(int).tolist())
    best, curve, losses = _state(network), [], []
    best_step, least = 0, np.inf
    steps = range(1, config.num_steps + 1)
    for step in tqdm(steps, "finetune", unit="step", disable=not sys.stderr.isatty()):
        rows = torch.randint(len(train), (config.batch_size,))
        loss = _loss(network.train(), *train[rows])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        optimizer.step()
        schedule.step()
        losses.append(loss.detach())
        if step in checks:
            curve.append(_check(network, losses, val, step))
            losses = []
            if curve[-1]["val/loss"] < least:
                best, best_step, least = _state(network), step, curve[-1]["val/loss"]
            if step > max(PATIENCE[0], PATIENCE[1] * best_step):
                break
    network.load_state_dict(best)
    return curve


def _check(
    network: HeadNetwork, losses: list[Tensor], val: TensorDataset, step: int
) -> dict[str, float]:
    """Losses of the steps since the last check, and of the validation sources."""
    with torch.inference_mode():
        val_loss = float(_loss(network.eval(), *val.tensors))
    train_loss = float(torch.stack(losses).mean())
    if not np.isfinite(val_loss + train_loss):
        raise ValueError(
            f"the training of the head diverged before step {step}: try a lower learning rate"
        )
    return {"step": step, "train/loss": train_loss, "val/loss": val_loss}


def _loss(network: HeadNetwork, embedded: Tensor, value: Tensor, error: Tensor) -> Tensor:
    """Mean of Eq. 2 in scaled units."""
    mean, log_variance = network(embedded)
    return gaussian_nll(value - mean, error, log_variance).mean()


def _state(network: HeadNetwork) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def _standardise(network: HeadNetwork, embedded: Tensor) -> None:
    network.centre.copy_(embedded.mean(dim=0))
    network.spread.copy_(embedded.std(dim=0).clamp(min=1e-6))


def _scale(value: Floats) -> tuple[float, float]:
    """Median of the labels, and their width; 1 where they do not differ."""
    median = float(np.median(value))
    sigma = MAD_TO_SIGMA * float(np.median(np.abs(value - median)))
    return median, sigma or float(np.std(value)) or 1.0
