"""Ray Tune: a search over trainings, side by side, that outlives the process that drives it.

A trial is a training on one worker, with all the cores or the GPU that it is given: on a machine of
many GPUs a search is done sooner by as many trials than by trials of as many GPUs. Optuna's TPE
proposes points, ASHA stops what falls behind. Only this file and training.py import ray.
"""

from __future__ import annotations

import logging
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Literal

import optuna
import torch
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

from pipelines.cluster import storage
from pipelines.cluster.space import Point, Range, TuneConfig, rounded
from pipelines.cluster.training import ClusterConfig, Loop, connected

OBJECTIVE = "objective"
"""What is minimised, among the reports of a loop."""

State = Literal["running", "finished", "stopped", "failed"]
_CHANGES: SimpleQueue[Trial] = SimpleQueue()


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A training of a search, as it stands.

    name: Ray's, the same after a resume; point: what it was given
    report: its last one, of the ``epochs`` done so far; seconds: it took
    state: "finished" after all its epochs, "stopped" by ASHA before, or "failed" for a reason
    """

    name: str
    point: Point
    report: Mapping[str, Any]
    epochs: int
    seconds: float
    state: State
    reason: str = ""


def trials(
    loop: Loop,
    settings: Callable[[Point], Mapping[str, Any]],
    config: TuneConfig,
    machines: ClusterConfig,
    *,
    first: Point | None,
    whole: frozenset[str],
    name: str,
) -> Iterator[Trial]:
    """Try points; give each trial whenever it changes, and at the end all of them once more.

    loop: a training, as of ``cluster.train``, whose reports have "epoch" and OBJECTIVE
    settings: what the loop is given at a point; first: the point to begin with, if any
    whole: parameters that are whole numbers
    name: of the search in the storage: a digest of all that it depends on. A search of that name
        that was cut off goes on where it was, its trials whose workers were lost as well;
        ``storage.forget`` one that is done.
    """
    _quiet()
    list(_changed(wait=0.0))  # of a search before
    with connected(machines):
        trainable = tune.with_resources(_trainable(loop, settings, machines), _share(machines))
        path = f"{storage.whole(machines.storage)}/{name}"
        if tune.Tuner.can_restore(path):
            tuner = tune.Tuner.restore(path, trainable, resume_errored=True)
        else:
            tuner = _tuner(trainable, config, machines, first, whole, name)
        thread = ThreadPoolExecutor(max_workers=1)
        result = thread.submit(tuner.fit)
        try:
            while not result.done():
                yield from _changed(wait=0.2)
            yield from _changed(wait=0.0)
            yield from _all(result.result(), config.num_epochs)
        finally:
            thread.shutdown(wait=False)


class _Forward(tune.Callback):  # type: ignore[misc]
    """Hands each change of a trial to the thread that asked for the search.

    Tune stores its callbacks with the search: the queue is the module's, not the object's.
    """

    def __init__(self, num_epochs: int) -> None:
        self.num_epochs = num_epochs

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        for other in trials:  # as proposed: of those begun at once any may be the first to start
            if not other.is_finished():
                _CHANGES.put(self._running(other, other.last_result))

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **_: Any
    ) -> None:
        _CHANGES.put(self._running(trial, result))

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        found = trial.trial_id, trial.config, trial.last_result
        _CHANGES.put(_ended(*found, self.num_epochs))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        found = trial.trial_id, trial.config, trial.last_result
        _CHANGES.put(_ended(*found, self.num_epochs, error=trial.get_error() or "unknown"))

    def _running(self, trial: Any, result: Mapping[str, Any] | None) -> Trial:
        return _trial(trial.trial_id, trial.config, result, "running")


def _trial(
    name: str, point: Point, result: Mapping[str, Any] | None, state: State, reason: str = ""
) -> Trial:
    result = result or {}
    return Trial(
        name=name,
        point=rounded(point),
        report=result.get("report", {}),
        epochs=int(result.get("epoch", 0)),
        seconds=float(result.get("time_total_s", 0.0)),
        state=state,
        reason=reason,
    )


def _ended(
    name: str,
    point: Point,
    result: Mapping[str, Any] | None,
    num_epochs: int,
    error: object = None,
) -> Trial:
    """A trial that will not go on, and why."""
    result = result or {}
    reason = result.get("reason") or (error and _last_line(str(error)))
    if reason:
        return _trial(name, point, result, "failed", str(reason))
    if result.get("epoch", 0) >= num_epochs:
        return _trial(name, point, result, "finished")
    return _trial(name, point, result, "stopped", f"by ASHA after epoch {result.get('epoch', 0)}")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1].strip()


def _changed(wait: float) -> Iterator[Trial]:
    """Changes that are there, after waiting for the first."""
    try:
        while True:
            yield _CHANGES.get(block=wait > 0, timeout=wait or None)
    except Empty:
        return


def _all(results: tune.ResultGrid, num_epochs: int) -> Iterator[Trial]:
    """Every trial of a search that is done, those of before a resume among them."""
    for result in results:
        point = result.config or {}
        name = Path(result.path).name
        yield _ended(name, point, result.metrics, num_epochs, error=result.error)


def _trainable(
    loop: Loop, settings: Callable[[Point], Mapping[str, Any]], machines: ClusterConfig
) -> Callable[[dict[str, Any]], None]:
    """A trial as Tune runs it: the loop, a report and a checkpoint after each of its rounds."""
    num_threads = int(_share(machines)["cpu"])

    def trial(point: dict[str, Any]) -> None:
        torch.set_num_threads(num_threads)
        resume = tune.get_checkpoint()
        epoch = 0
        with resume.as_directory() if resume else nullcontext(None) as resume_from:
            try:
                for report, save in loop(settings(point), resume_from and Path(resume_from)):
                    with tempfile.TemporaryDirectory() as directory:
                        save(Path(directory))
                        epoch = int(report["epoch"])
                        tune.report(
                            {OBJECTIVE: report[OBJECTIVE], "epoch": epoch, "report": dict(report)},
                            checkpoint=tune.Checkpoint.from_directory(directory),
                        )
            except ValueError as error:  # it would come again: an answer, not an accident
                failed = {OBJECTIVE: math.nan, "epoch": epoch, "reason": str(error)}
                tune.report(failed | {"report": {}})

    return trial


def _share(machines: ClusterConfig) -> dict[str, float]:
    """Cores and GPUs of each of the trials that run at once."""
    cores = machines.num_workers * machines.cpus_per_worker // machines.trials_at_once
    gpus = min(1.0, machines.num_workers / machines.trials_at_once) if machines.use_gpu else 0
    return {"cpu": max(1, cores), "gpu": gpus}


def _tuner(
    trainable: Callable[[dict[str, Any]], None],
    config: TuneConfig,
    machines: ClusterConfig,
    first: Point | None,
    whole: frozenset[str],
    name: str,
) -> tune.Tuner:
    space = {
        key: _distribution(found, key in whole) for key, found in config.space.ranges().items()
    }
    return tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=OptunaSearch(
                space,
                metric=OBJECTIVE,
                mode="min",
                points_to_evaluate=None if first is None else [dict(first)],
                seed=config.seed,
            ),
            scheduler=ASHAScheduler(
                time_attr="epoch",
                metric=OBJECTIVE,
                mode="min",
                max_t=config.num_epochs,
                grace_period=config.grace_epochs,
                reduction_factor=config.reduction_factor,
            ),
            num_samples=config.num_trials,
            max_concurrent_trials=machines.trials_at_once,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name=name,
            storage_path=storage.whole(machines.storage),
            verbose=0,
            callbacks=[_Forward(config.num_epochs)],
            checkpoint_config=tune.CheckpointConfig(num_to_keep=1),
            failure_config=tune.FailureConfig(max_failures=machines.max_failures),
        ),
    )


def _distribution(found: Range, is_whole: bool) -> BaseDistribution:
    if is_whole:
        return IntDistribution(int(found.low), int(found.high), log=found.log)
    return FloatDistribution(found.low, found.high, log=found.log)


def _quiet() -> None:
    """Few words, and a state of the search that is never older than a second."""
    os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "1")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # prints a table, however quiet it is to be
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S", "0")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
