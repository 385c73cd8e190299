"""Stage tune, on demand: a search for the settings of a training, scored on validation alone.

The matched test sets are no input of it: what is read stands in ``paths.VALIDATION``.
"""

from __future__ import annotations

import csv
import io
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

from ruamel.yaml import YAML
from tqdm import tqdm

from ojala.figures.style import save
from ojala.figures.tune import Tried, parallel, pareto
from ojala.tables.writing import written_whole
from ojala.training.config import TrainConfig
from pipelines import params, paths, stage
from pipelines.cluster import learning, space, storage, tuning
from pipelines.cluster.judge import Judge
from pipelines.cluster.space import Point, TuneConfig
from pipelines.cluster.training import ClusterConfig, check_head
from pipelines.cluster.tuning import OBJECTIVE, Trial
from pipelines.registry import digests, tracking
from pipelines.registry.teacher import teacher
from pipelines.registry.trials import TrialRuns, tune_run

BEST, TRIALS = paths.TUNE / "best.yaml", paths.TUNE / "trials.csv"
PARALLEL, PARETO = paths.TUNE / "parallel.png", paths.TUNE / "pareto.png"


def tune() -> None:
    """Write reports/tune: best.yaml, trials.csv and two figures; trials are runs of MLflow.

    A search that was cut off goes on; a change of its inputs begins another one.
    Raises ValueError if every trial failed.
    """
    config = params.section("tune", TuneConfig)
    base = params.section("train", TrainConfig)
    machines = params.section("cluster", ClusterConfig)
    ranges = config.space.ranges()
    space.check(base, ranges)
    check_head()  # before there is a run
    for path in (BEST, TRIALS, PARALLEL, PARETO):
        path.unlink(missing_ok=True)
    data = digests.data_digests([str(paths.WEIGHTS), str(paths.JPAS), str(paths.CROSSMATCH)])
    inputs = {"train": asdict(base), "tune": asdict(config)}
    name = f"tune-{digests.inputs_digest(data, inputs, 'tune')[:16]}"
    mark = storage.begin(machines.storage, name)
    with tune_run(mark, params.read(), data) as runs:
        trials = _searched(config, base, machines, name, runs)
        ended = sorted(trials.values(), key=runs.number)
        _write_trials(ended, list(ranges), runs)
        try:
            best = chosen(ended)
        except ValueError:  # the same command is to try anew
            storage.forget(machines.storage, name)
            raise
        _write_best(best, base, config, runs)
        tried = [_tried(trial, runs, config) for trial in ended if trial.report]
        spans = {key: (found.low, found.high, found.log) for key, found in ranges.items()}
        number = runs.number(best)
        save(parallel(tried, spans, number, len(ended)), PARALLEL)
        save(pareto(tried, number, len(ended)), PARETO)
        runs.tag_best(best, best.report[OBJECTIVE])
        tracking.log_files(runs.parent, paths.TUNE, "tune")
        tracking.log_figures(runs.parent, paths.TUNE)
    storage.forget(machines.storage, name)


def chosen(trials: Sequence[Trial]) -> Trial:
    """The least objective among the trials that trained longest: all of it, in most searches.

    Raises ValueError with the first one's reason if every trial failed.
    """
    able = [trial for trial in trials if trial.state != "failed"]
    if not able:
        reason = trials[0].reason if trials else "none was begun"
        raise ValueError(f"every one of the {len(trials)} trials failed; the first: {reason}")
    longest = max(trial.epochs for trial in able)
    return min(
        (trial for trial in able if trial.epochs == longest),
        key=lambda trial: float(trial.report[OBJECTIVE]),
    )


def _searched(
    config: TuneConfig,
    base: TrainConfig,
    machines: ClusterConfig,
    name: str,
    runs: TrialRuns,
) -> dict[str, Trial]:
    """Every trial, each recorded whenever it changed."""
    ranges = config.space.ranges()
    now = space.standing(base, ranges)
    changes = tuning.trials(
        learning.learn,
        _settings(base, config),
        config,
        machines,
        first=now if space.holds(ranges, now) else None,
        whole=frozenset(key for key, value in now.items() if type(value) is int),
        name=name,
    )
    trials: dict[str, Trial] = {}
    for trial in _shown(changes, config):
        runs.record(trial)
        trials[trial.name] = trial
    return trials


def _settings(base: TrainConfig, config: TuneConfig) -> Callable[[Point], dict[str, Any]]:
    """What ``learning.learn`` is given at a point."""
    sets = {name: str(path.resolve()) for name, path in paths.VALIDATION.items()}
    judge = Judge(sets=sets, config=config.objective, precision=base.precision)
    fixed = {
        "table": str(paths.WEIGHTS.resolve()),
        "labelled": True,
        "jpas": str(paths.JPAS.resolve()),
        "tokens": None,
        "teacher": teacher(base),
        "judge": judge,
    }
    short = replace(base, num_epochs=config.num_epochs, steps_per_epoch=config.steps_per_epoch)
    return lambda point: {**fixed, "config": space.settled(short, point)}


def _shown(trials: Iterator[Trial], config: TuneConfig) -> Iterator[Trial]:
    """The trials, under a bar that tells how many have ended and the least objective."""
    ended: dict[str, float] = {}
    with tqdm(total=config.num_trials, unit="trial", disable=not sys.stderr.isatty()) as bar:
        for trial in trials:
            if trial.state != "running" and trial.name not in ended:
                ended[trial.name] = float(trial.report.get(OBJECTIVE, math.nan))
                bar.update()
                known = [value for value in ended.values() if value == value]
                bar.set_postfix({"objective": f"{min(known, default=math.nan):.4f}"})
            yield trial


def _write_trials(trials: Sequence[Trial], keys: Sequence[str], runs: TrialRuns) -> None:
    """A row per trial, in the order in which they were begun."""
    scores = sorted({name for trial in trials for name in trial.report if "train/" not in name})
    scores = [OBJECTIVE, *(name for name in scores if name not in (OBJECTIVE, "epoch"))]
    with written_whole(TRIALS) as partial, partial.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["trial", "outcome", "epochs", "seconds", *scores, *keys, "run_id", "reason"]
        )
        for trial in trials:
            known = [f"{trial.report[name]:.5g}" if name in trial.report else "" for name in scores]
            state = [runs.number(trial), trial.state, trial.epochs, round(trial.seconds)]
            point = [trial.point[key] for key in keys]
            writer.writerow([*state, *known, *point, runs.run_id(trial), trial.reason])


def _write_best(best: Trial, base: TrainConfig, config: TuneConfig, runs: TrialRuns) -> None:
    """The section ``train`` with the best point in it; its epochs are those of the base."""
    text = io.StringIO()
    YAML().dump(space.section(space.settled(base, best.point)), text)
    said = (
        f"# Section train of trial {runs.number(best)}, the best of {len(runs)}: {OBJECTIVE} "
        f"{best.report[OBJECTIVE]:.4f} after {best.epochs} epochs.\n"
        "# A training reads it where params.yaml says settings.train: reports/tune/best.yaml\n"
        f"# Searched: {', '.join(config.space.ranges())}\n"
        f"# MLflow: search {runs.parent}, trial {runs.run_id(best)}\n"
    )
    with written_whole(BEST) as partial:
        partial.write_text(said + text.getvalue())


def _tried(trial: Trial, runs: TrialRuns, config: TuneConfig) -> Tried:
    return Tried(
        number=runs.number(trial),
        point=trial.point,
        scores=trial.report,
        epochs=trial.epochs,
        is_whole=trial.epochs >= config.num_epochs,
    )


if __name__ == "__main__":
    stage.run(tune)
