"""What one worker does in a training: tables onto its device, fit, a report per epoch."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
import torch.distributed as dist
from torch import nn
from tqdm import tqdm

from ojala.model.bundle import Bundle
from ojala.model.device import default_device
from ojala.model.network import Ojala
from ojala.model.presets import preset
from ojala.model.scaling import Scaling
from ojala.tables.shards import CATEGORICAL, read_table
from ojala.training.checkpoint import TrainState
from ojala.training.config import TrainConfig
from ojala.training.distillation import teacher_of
from ojala.training.fit import Epoch, fit
from ojala.training.resident import ResidentTable, measured_scaling, resident
from ojala.vocabulary.quantities import NO_CODE, observations

CHECKPOINT, SCALING = "state.pt", "scaling.json"


def learn(
    settings: Mapping[str, Any], resume: Path | None
) -> Iterator[tuple[dict[str, float], Any]]:
    """A loop for ``cluster.train``: reports of the epochs, each with what writes its checkpoint.

    settings: ``config``, a TrainConfig; ``table``, what is trained on; ``labelled``, whether it
        has labels and splits; ``jpas``, the table to adapt to, or None; ``tokens``, the only
        ones that an unlabelled table is to have, or None. Where there is a ``judge``, it says
        of model and scaling what is reported of an epoch, instead of the split "val". Where
        there is a ``teacher``, it is the bundle that ``config.teacher`` names.
    """
    config: TrainConfig = settings["config"]
    rank, world_size = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    judge = settings.get("judge")
    mocks, val, jpas = _tables(settings, config, default_device())
    torch.manual_seed(config.seed)  # the weights that a training begins with
    model = Ojala(preset(config.preset))
    taught_by: Bundle | None = settings.get("teacher")
    assert (taught_by is None) == (config.teacher is None)
    teacher = None
    if taught_by is not None:
        teacher = teacher_of(model.config, taught_by, mocks.scaling, default_device())
    epochs = fit(
        model,
        mocks,
        jpas,
        config,
        val=None if judge else val,
        state=TrainState.read(resume / CHECKPOINT) if resume else None,
        rank=rank,
        world_size=world_size,
        wrap=_parallel if world_size > 1 else lambda module: module,
        teacher=teacher,
    )
    for epoch in epochs:
        judged = judge(model, mocks.scaling) if judge and rank == 0 else {}
        report = {"epoch": epoch.number, **epoch.metrics, **judged}
        yield report, partial(_save, epoch, mocks.scaling)


def learnt(checkpoint: Path, config: TrainConfig) -> tuple[Ojala, Scaling]:
    """The network of a checkpoint, and the scaling that it was trained with."""
    model = Ojala(preset(config.preset))
    prefix = "model."
    model.load_state_dict(
        {
            name.removeprefix(prefix): tensor
            for name, tensor in TrainState.read(checkpoint / CHECKPOINT).objective.items()
            if name.startswith(prefix)
        }
    )
    return model.eval(), Scaling.read(checkpoint / SCALING)


def shown(reports: Iterator[Mapping[str, Any]], num_epochs: int) -> Iterator[Mapping[str, Any]]:
    """The reports, under a bar that tells loss, rate and the time left."""
    with tqdm(total=num_epochs, unit="epoch", disable=not sys.stderr.isatty()) as bar:
        for report in reports:
            bar.update(report["epoch"] - bar.n)
            bar.set_postfix(
                {
                    "loss": f"{report['train/loss']:.3f}",
                    "samples/s": f"{report['train/samples_per_second']:.0f}",
                }
            )
            yield report


def _save(epoch: Epoch, scaling: Scaling, directory: Path) -> None:
    epoch.state().write(directory / CHECKPOINT)
    scaling.write(directory / SCALING)


def _tables(
    settings: Mapping[str, Any], config: TrainConfig, device: torch.device
) -> tuple[ResidentTable, ResidentTable | None, ResidentTable | None]:
    """What is trained on, validated on and adapted to."""
    on_device: dict[str, Any] = {"device": device, "dtype": getattr(torch, config.storage)}
    table = read_table(settings["table"])
    scaling = measured_scaling(table, ew_transform=config.ew_transform, seed=config.seed)
    if not settings["labelled"]:
        table = _with_tokens(table, settings["tokens"])
        return resident(table, scaling, labelled=False, **on_device), None, None
    drawn: dict[str, Any] = {"sampling": config.sampling, "with_clean": config.masking.fresh_noise}
    mocks = resident(table, scaling, labelled=True, split="train", **drawn, **on_device)
    val = None
    if "val" in table["split"].unique().to_pylist():  # a handful of sky pixels may hold none
        val = resident(table, scaling, labelled=True, split="val", **on_device)
    if settings["jpas"] is None:
        return mocks, val, None
    return mocks, val, resident(read_table(settings["jpas"]), scaling, labelled=False, **on_device)


def _with_tokens(table: pa.Table, tokens: Sequence[str] | None) -> pa.Table:
    """The table with every other observation missing."""
    for token in observations():
        if tokens is not None and token not in tokens:
            missing = NO_CODE if token in CATEGORICAL else math.nan
            column = pa.repeat(pa.scalar(missing, table.schema.field(token).type), table.num_rows)
            table = table.set_column(table.column_names.index(token), token, column)
    return table


def _parallel(module: nn.Module) -> nn.Module:
    """Gradients averaged over the workers; a step may leave out parameters (a head, say)."""
    return nn.parallel.DistributedDataParallel(module, find_unused_parameters=True)
