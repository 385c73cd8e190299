"""What one worker does in a training: tables onto its device, fit, a report per epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from ojala.checkpoint import TrainState
from ojala.model.ojala import Ojala
from ojala.model.presets import preset
from ojala.resident import ResidentTable, measured_scaling, resident
from ojala.shards import read_table
from ojala.train import Epoch, TrainConfig, fit

CHECKPOINT = "state.pt"


def learn(
    settings: Mapping[str, Any], resume: Path | None
) -> Iterator[tuple[dict[str, float], Any]]:
    """A loop for ``cluster.train``: reports of the epochs, each with what writes its checkpoint.

    settings: ``config``, a TrainConfig; ``table``, what is trained on; ``labelled``, whether it
        has labels and splits; ``jpas``, the table to adapt to, or None.
    """
    config: TrainConfig = settings["config"]
    rank, world_size = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    mocks, val, jpas = _tables(settings, config, _device())
    torch.manual_seed(config.seed)  # the weights that a training begins with
    epochs = fit(
        Ojala(preset(config.preset)),
        mocks,
        jpas,
        config,
        val=val,
        state=TrainState.read(resume / CHECKPOINT) if resume else None,
        rank=rank,
        world_size=world_size,
        wrap=_parallel if world_size > 1 else lambda module: module,
    )
    for epoch in epochs:
        yield {"epoch": epoch.number, **epoch.metrics}, partial(_save, epoch)


def _save(epoch: Epoch, directory: Path) -> None:
    epoch.state().write(directory / CHECKPOINT)


def _tables(
    settings: Mapping[str, Any], config: TrainConfig, device: torch.device
) -> tuple[ResidentTable, ResidentTable | None, ResidentTable | None]:
    """What is trained on, validated on and adapted to."""
    on_device = {"device": device, "dtype": getattr(torch, config.storage)}
    table = read_table(settings["table"])
    scaling = measured_scaling(table, ew_transform=config.ew_transform, seed=config.seed)
    if not settings["labelled"]:
        return resident(table, scaling, labelled=False, **on_device), None, None
    mocks = resident(table, scaling, labelled=True, split="train", **on_device)
    val = resident(table, scaling, labelled=True, split="val", **on_device)
    if settings["jpas"] is None:
        return mocks, val, None
    return mocks, val, resident(read_table(settings["jpas"]), scaling, labelled=False, **on_device)


def _device() -> torch.device:
    """The worker's device: the GPU that it was given, or the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())


def _parallel(module: nn.Module) -> nn.Module:
    """Gradients averaged over the workers; a step may leave out parameters (a head, say)."""
    return nn.parallel.DistributedDataParallel(module, find_unused_parameters=True)
