"""MLflow: runs, with their parameters, metrics, files and the digests of their data."""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
from mlflow.data.dataset_source_registry import resolve_dataset_source
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from PIL import Image

from pipelines.registry import digests, store
from pipelines.registry.store import EXPERIMENT


def client() -> mlflow.MlflowClient:
    """A client of the tracking server and its registry.

    Raises ValueError where the server is away, or the database locked.
    """
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # files are few
    address = store.uri()
    store.check(address)
    mlflow.set_tracking_uri(store.patient(address))
    return mlflow.MlflowClient()


def experiment() -> str:
    """Id of the experiment; made here, by one process, before others write to it."""
    server = client()
    found = server.get_experiment_by_name(EXPERIMENT)
    if found is not None:
        return str(found.experiment_id)
    database = store.database(store.uri())
    location = database and (database.resolve().parent / store.ARTIFACTS).as_uri()
    return str(server.create_experiment(EXPERIMENT, artifact_location=location))


@contextmanager
def run(
    name: str,
    parameters: Mapping[str, Any],
    data: Mapping[str, str],
    *,
    known_by: tuple[str, str] | None = None,
) -> Iterator[str]:
    """A run with its parameters, the digests of its data, the commit, and the machine's load.

    parameters: sections by name, flattened to "section.key"; data: digests by path
    known_by: key and value of a tag; where there is a run of it, that one goes on. The tag is
        made with the run: wherever that was cut off, it is found.
    Gives the run's id; the run ends as FINISHED, or FAILED if the block raises.
    """
    experiment_id = experiment()
    commit = digests.git_commit()
    with mlflow.start_run(
        run_id=_tagged(*known_by) if known_by else None,
        experiment_id=experiment_id,
        run_name=name,
        tags=dict([known_by]) if known_by else {},
        log_system_metrics=True,
    ) as r:
        log_parameters(r.info.run_id, parameters)
        mlflow.set_tags({"git_commit": commit} | {f"data.{path}": d for path, d in data.items()})
        for path, digest in data.items():
            mlflow.log_input(_dataset(path, digest), context="training")
        yield r.info.run_id


def _tagged(key: str, value: str) -> str | None:
    """Id of the run that has a tag of that value, None where there is none."""
    found = client().search_runs([experiment()], f"tags.{key} = '{value}'", max_results=1)
    return str(found[0].info.run_id) if found else None


def log_parameters(run_id: str, parameters: Mapping[str, Any]) -> None:
    """Log nested parameters, a hundred at a time; what a run has it keeps."""
    known = client().get_run(run_id).data.params
    flat = [
        Param(key, str(value)) for key, value in flattened(parameters).items() if key not in known
    ]
    for start in range(0, len(flat), 100):
        client().log_batch(run_id, params=flat[start : start + 100])


def log_metrics(run_id: str, metrics: Mapping[str, Any], step: int) -> None:
    """Log the numbers among nested metrics in one call; NaN stays out, as nothing was measured."""
    now = int(time.time() * 1000)
    batch = [
        Metric(key, float(value), now, step)
        for key, value in flattened(metrics).items()
        if isinstance(value, int | float) and value == value
    ]
    for start in range(0, len(batch), 1000):
        client().log_batch(run_id, metrics=batch[start : start + 1000])


def latest(run_id: str, metric: str) -> float:
    """The last value of a metric of a run, 0 where it has none."""
    return float(client().get_run(run_id).data.metrics.get(metric, 0))


def log_files(run_id: str, path: str | Path, folder: str) -> None:
    """Store a file, or a directory's files, under ``folder`` of the run."""
    path = Path(path)
    log = client().log_artifacts if path.is_dir() else client().log_artifact
    log(run_id, str(path), folder)


def log_table(run_id: str, rows: Sequence[Mapping[str, Any]], file: str) -> None:
    """Store rows as a table that the UI shows beside that of other runs."""
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    client().log_table(run_id, columns, file)


def log_figures(run_id: str, directory: str | Path) -> None:
    """Store the PNG figures of a directory as images, which the UI shows side by side."""
    for path in sorted(Path(directory).glob("*.png")):
        with Image.open(path) as image:
            client().log_image(run_id, image, key=path.stem, step=0)


def is_known(run_id: str) -> bool:
    """Whether the tracking server has the run; a restored cache may outlive its database."""
    try:
        client().get_run(run_id)
    except MlflowException:
        return False
    return True


def flattened(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _dataset(path: str, digest: str) -> MetaDataset:
    # MLflow keeps 36 characters of a digest: DVC's 32 and ".dir" just fit.
    with warnings.catch_warnings():  # of two registered readers of a local path
        warnings.simplefilter("ignore", UserWarning)
        return MetaDataset(resolve_dataset_source(path), name=path, digest=digest)
