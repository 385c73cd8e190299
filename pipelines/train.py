"""Stage train: the weighted mocks and J-PAS to a bundle, as a run of MLflow on a Ray cluster."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ojala import __version__
from ojala.model import bundle
from ojala.model.bundle import Bundle
from ojala.tables.writing import written_whole
from ojala.training.config import TrainConfig
from pipelines import params, paths, stage, watched
from pipelines.cluster import learning, storage, training
from pipelines.registry import digests, tracking
from pipelines.registry.teacher import teacher


def train() -> None:
    """Write models/ojala, and models/run.json: the run and the digest of what it made.

    A training that was cut off, be it between its end and DVC's record of it, goes on from its
    last checkpoint in the run that it began with.
    """
    source = Path(params.section("settings", params.SettingsConfig).train)
    config = params.section("train", TrainConfig, source)
    parameters = params.read() | {"train": params.read(source)["train"]}
    machines = params.section("cluster", training.ClusterConfig)
    training.check_head()  # before there is a run
    taught_by = teacher(config)
    data = digests.data_digests([str(paths.WEIGHTS), str(paths.JPAS)])
    name = f"train-{digests.inputs_digest(data, asdict(config))[:16]}"
    mark = storage.begin(machines.storage, name, digests.recorded(paths.RUN))
    with (
        tracking.run("train", parameters, data, known_by=("training", mark)) as run_id,
        tempfile.TemporaryDirectory() as kept,
    ):
        reports = training.train(
            learning.learn,
            _settings(config, taught_by),
            machines,
            name=name,
            last_checkpoint=Path(kept),
        )
        last: dict[str, Any] = {}
        logged = tracking.latest(run_id, "epoch")
        seen = watched.training(reports, config.num_epochs)
        for report in learning.shown(seen, config.num_epochs):
            last = dict(report)
            if last["epoch"] > logged:  # what comes again after a cut is logged once
                tracking.log_metrics(run_id, last, last["epoch"])
                logged = last["epoch"]
        model, scaling = learning.learnt(Path(kept), config)
        provenance = _provenance(run_id, data, parameters) | {
            "precision": _precision(last),
            bundle.LABEL_CONTEXT: config.masking.label_context,
        }
        if taught_by is not None:
            provenance |= {"teacher": {"version": config.teacher, "digest": taught_by.digest}}
        digest = bundle.save(paths.BUNDLE, model, scaling, provenance)
        tracking.log_files(run_id, paths.BUNDLE, "bundle")
        tracking.log_figures(run_id, paths.FIGURES)
    with written_whole(paths.RUN) as partial:
        partial.write_text(digests.run_note(run_id, digest))
    stage.report("train", last)
    storage.finish(machines.storage, name, digests.of_file(paths.RUN))


def _settings(config: TrainConfig, taught_by: Bundle | None) -> dict[str, Any]:
    return {
        "config": config,
        "teacher": taught_by,
        "table": str(paths.WEIGHTS.resolve()),
        "labelled": True,
        "jpas": str(paths.JPAS.resolve()),
        "tokens": None,
    }


def _precision(report: Mapping[str, Any]) -> str:
    """The arithmetic of a training, which may have been left to its machine."""
    return "bfloat16" if report["train/bfloat16"] else "float32"


def _provenance(run_id: str, data: dict[str, str], parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        "ojala_version": __version__,
        "git_commit": digests.git_commit(),
        "run_id": run_id,
        "params_digest": digests.parameters_digest(parameters),
        "data_source": params.section("data", params.DataConfig).source,
        "data": data,
    }


if __name__ == "__main__":
    stage.run(train)
