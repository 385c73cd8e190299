"""The training loop: a generator of epochs that knows nothing of clusters or trackers.

    for epoch in fit(model, mocks, jpas, config, val=val):
        print(epoch.number, epoch.metrics["val/loss"])
        epoch.state().write(path)

An epoch's randomness follows from (seed, epoch, rank) alone, so that a training resumed at the end
of an epoch goes on exactly as it would have.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.optim import Optimizer
from tqdm import tqdm

from ojala.model.context import Context
from ojala.model.device import known_precision
from ojala.model.network import Ojala
from ojala.training.adaptation import AdaptationConfig
from ojala.training.batch import (
    Batch,
    context_size,
    draw_batch,
    draw_context,
    token_weights,
)
from ojala.training.checkpoint import TrainState, captured
from ojala.training.config import TrainConfig
from ojala.training.distillation import Teacher
from ojala.training.loss import Objective
from ojala.training.optimizers import optimizers
from ojala.training.resident import ResidentTable
from ojala.training.validation import calibrate, validate

CHECK_EVERY = 50
"""Steps between checks for NaN: each makes the host wait for the device."""


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """An epoch that is done.

    number: epochs done so far; metrics: by name, "train/..." and "val/..."
    state: copies what a checkpoint needs; call it before asking for the next epoch
    """

    number: int
    metrics: dict[str, float]
    state: Callable[[], TrainState]


class DivergedError(ValueError):
    """A term of the loss is no longer a finite number."""


def fit(
    model: Ojala,
    mocks: ResidentTable,
    jpas: ResidentTable | None,
    config: TrainConfig,
    *,
    val: ResidentTable | None = None,
    state: TrainState | None = None,
    rank: int = 0,
    world_size: int = 1,
    wrap: Callable[[nn.Module], nn.Module] = lambda module: module,
    teacher: Teacher | None = None,
) -> Iterator[Epoch]:
    """Train in place on the device of ``mocks``; yield an Epoch after each validation.

    Before the last validation errors, and how sure redshifts are, are fitted to ``val``.

    jpas: unlabelled sources to adapt to; without them, or with ``config.adaptation`` null, only
        the supervised terms are trained
    state: go on from a checkpoint of the same configuration
    wrap: how several workers train one module, e.g. Ray's prepare_model. Every worker calls
        ``fit`` with the same tables, its rank and their number; torch.distributed is set up
    teacher: a trained network whose answers are learnt beside the labels
    Raises DivergedError naming the term and step that is not finite, before that epoch is yielded.
    """
    _check_tables(mocks, jpas, config, world_size)
    config = replace(config, precision=known_precision(config.precision, mocks.device))
    torch.manual_seed(config.seed)
    adaptation = config.adaptation if jpas is not None else None
    objective = _objective(model, mocks, config, adaptation, world_size, teacher)
    steppers = optimizers(objective, config)
    first_epoch = 0
    if state is not None:
        state.restore(objective, steppers)
        first_epoch = state.epoch
    trained = wrap(objective)
    if config.compile:
        trained.compile(dynamic=True)
    source = _Source(mocks, jpas if adaptation else None, config, rank, world_size)
    for epoch in range(first_epoch, config.num_epochs):
        metrics = _train_epoch(epoch, trained, steppers, source)
        if val is not None:
            if epoch + 1 == config.num_epochs:
                calibrate(model, val, precision=config.precision)
            metrics |= validate(
                model,
                val,
                num_rows=config.val_rows,
                precision=config.precision,
                degrees_of_freedom=config.degrees_of_freedom,
            )
        capture = partial(captured, epoch + 1, objective, steppers)
        yield Epoch(number=epoch + 1, metrics=metrics, state=capture)


def _objective(
    model: Ojala,
    mocks: ResidentTable,
    config: TrainConfig,
    adaptation: AdaptationConfig | None,
    world_size: int,
    teacher: Teacher | None,
) -> Objective:
    """What is trained, on the device of the mocks."""
    return Objective(
        model,
        mocks.scaling,
        adaptation,
        precision=config.precision,
        world_size=world_size,
        smoothing=config.redshift_smoothing,
        regression_weight=config.regression_weight,
        degrees_of_freedom=config.degrees_of_freedom,
        teacher=teacher,
    ).to(mocks.device)


@dataclass(frozen=True)
class _Source:
    """Where one worker's part of each batch comes from."""

    mocks: ResidentTable
    jpas: ResidentTable | None
    config: TrainConfig
    rank: int
    world_size: int

    def batches(self, epoch: int) -> Iterator[tuple[Batch, Context | None]]:
        """The batches of an epoch; the same over all workers together, however many they are."""
        masking = self.config.masking
        generator = torch.Generator(self.mocks.device)
        generator.manual_seed(_seed(self.config.seed, epoch))
        sizes = np.random.default_rng(_seed(self.config.seed, epoch))
        weights = token_weights(self.mocks.frequency, masking.max_token_weight)
        for _ in range(self.config.steps_per_epoch):
            num_context = context_size(masking, self.mocks.observed_range, sizes)
            mocks = draw_batch(
                self.mocks,
                masking,
                batch_size=self.config.batch_size,
                num_context=num_context,
                generator=generator,
                part=self.part(self.config.batch_size),
            )
            jpas = (
                None
                if self.jpas is None
                else draw_context(
                    self.jpas,
                    weights,
                    batch_size=self.config.jpas_batch_size,
                    num_context=num_context,
                    generator=generator,
                    part=self.part(self.config.jpas_batch_size),
                    config=masking,
                )
            )
            yield mocks, jpas

    def part(self, batch_size: int) -> slice:
        """This worker's part of a batch."""
        length = batch_size // self.world_size
        return slice(self.rank * length, (self.rank + 1) * length)


def _train_epoch(
    epoch: int, trained: nn.Module, steppers: Sequence[Optimizer], source: _Source
) -> dict[str, float]:
    """Train one epoch; the means of its terms."""
    config, first = source.config, epoch * source.config.steps_per_epoch
    torch.manual_seed(_seed(config.seed, epoch, source.rank))  # dropout: each worker its own
    trained.train()
    names: list[str] = []
    history: list[Tensor] = []
    start = time.perf_counter()
    batches = tqdm(
        source.batches(epoch),
        total=config.steps_per_epoch,
        desc=f"epoch {epoch + 1}/{config.num_epochs}",
        unit="step",
        disable=None if source.rank == 0 else True,
    )
    for step, (batch, jpas) in enumerate(batches, start=first):
        terms = _step(step, trained, steppers, config, batch, jpas)
        names = list(terms)
        history.append(torch.stack(list(terms.values())))
        if len(history) % CHECK_EVERY == 0 or len(history) == config.steps_per_epoch:
            _check_finite(torch.stack(history[-CHECK_EVERY:]), names, epoch, len(history))
    means = _mean_over_workers(torch.stack(history).mean(dim=0), source.world_size)
    seconds = time.perf_counter() - start
    settings = {
        "learning_rate": config.learning_rate_at(first + config.steps_per_epoch - 1),
        "samples_per_second": config.batch_size * config.steps_per_epoch / seconds,
        "bfloat16": float(config.precision == "bfloat16"),
    }
    if source.jpas is not None and config.adaptation is not None:
        settings["lambda_mmd"] = config.adaptation.mmd_weight
        settings["temperature"] = config.adaptation.temperature(first / config.num_steps)
    terms_and_settings = dict(zip(names, means.tolist(), strict=True)) | settings
    return {f"train/{name}": value for name, value in terms_and_settings.items()}


def _step(
    step: int,
    trained: nn.Module,
    steppers: Sequence[Optimizer],
    config: TrainConfig,
    batch: Batch,
    jpas: Context | None,
) -> dict[str, Tensor]:
    """One step of the optimisers; its terms and the norm of its gradient."""
    temperature = 1.0
    if config.adaptation is not None:
        temperature = config.adaptation.temperature(step / config.num_steps)
    terms: dict[str, Tensor] = trained(batch, jpas, temperature)
    trained.zero_grad(set_to_none=True)
    terms["loss"].backward()
    norm = nn.utils.clip_grad_norm_(trained.parameters(), config.clip)
    for stepper in steppers:
        for group in stepper.param_groups:
            group["lr"] = config.learning_rate_at(step) * group["rate_factor"]
        stepper.step()
    return {name: term.detach() for name, term in terms.items()} | {"gradient_norm": norm}


def _check_finite(recent: Tensor, names: list[str], epoch: int, num_steps: int) -> None:
    """Raise DivergedError for the first step and term of ``recent`` that is not finite."""
    wrong = ~torch.isfinite(recent)
    if not bool(wrong.any()):
        return
    row = int(wrong.any(dim=1).nonzero()[0])
    term = names[int(wrong[row].nonzero()[0])]
    step = num_steps - len(recent) + row + 1
    raise DivergedError(
        f"epoch {epoch + 1}, step {step}: the {term} term is {recent[row, names.index(term)]:g}; "
        "the last checkpoint is from before, and a lower learning rate may help"
    )


def _check_tables(
    mocks: ResidentTable, jpas: ResidentTable | None, config: TrainConfig, world_size: int
) -> None:
    fewest = mocks.observed_range[0]
    if fewest <= config.masking.num_targets:
        raise ValueError(
            f"a source has {fewest} observed tokens, which leaves no context beside "
            f"{config.masking.num_targets} targets"
        )
    sizes = {"batch_size": config.batch_size}
    if jpas is not None:
        sizes["jpas_batch_size"] = config.jpas_batch_size
    for name, size in sizes.items():
        if size % world_size:
            raise ValueError(f"train.{name} is {size}, not a multiple of {world_size} workers")


def _mean_over_workers(means: Tensor, world_size: int) -> Tensor:
    if world_size > 1:
        dist.all_reduce(means)
    return means / world_size


def _seed(*entropy: int) -> int:
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1)
