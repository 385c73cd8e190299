"""MLflow: runs, and versions of the model in its registry. No other stage imports it."""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.data.dataset_source_registry import resolve_dataset_source
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from PIL import Image

from ojala.quantities import queries as all_queries
from pipelines import digests

ROOT = Path(__file__).parents[1]
EXPERIMENT = MODEL = "ojala"
CANDIDATE = "candidate"
PINNED = ("astropy", "numpy", "pandas", "pyarrow", "safetensors", "torch", "tqdm")
"""Packages that a registered version needs, beside mlflow."""


@dataclass(frozen=True, kw_only=True)
class Version:
    """A version of the model in the registry.

    digest: of its bundle; run_id: of the run that it stands under
    """

    name: str
    version: str
    digest: str
    run_id: str


def uri() -> str:
    """The tracking server of MLFLOW_TRACKING_URI, or a database at the root of the project."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{ROOT / 'mlflow.db'}"


def client() -> mlflow.MlflowClient:
    """A client of the tracking server and its registry."""
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    mlflow.set_tracking_uri(uri())
    return mlflow.MlflowClient()


def experiment() -> str:
    """Id of the experiment; made here, by one process, before others write to it."""
    server = client()
    found = server.get_experiment_by_name(EXPERIMENT)
    if found is not None:
        return str(found.experiment_id)
    database = uri().removeprefix("sqlite:///")
    beside = Path(database).resolve().parent / "mlartifacts"
    location = beside.as_uri() if database != uri() else None
    return str(server.create_experiment(EXPERIMENT, artifact_location=location))


@contextmanager
def run(name: str, parameters: Mapping[str, Any], data: Mapping[str, str]) -> Iterator[str]:
    """A run with its parameters, the digests of its data, the commit, and the machine's load.

    parameters: sections by name, flattened to "section.key"; data: digests by path.
    Gives the run's id; the run ends as FINISHED, or FAILED if the block raises.
    """
    experiment_id = experiment()
    commit = digests.git_commit()
    with mlflow.start_run(experiment_id=experiment_id, run_name=name, log_system_metrics=True) as r:
        log_parameters(r.info.run_id, parameters)
        mlflow.set_tags({"git_commit": commit} | {f"data.{path}": d for path, d in data.items()})
        for path, digest in data.items():
            mlflow.log_input(_dataset(path, digest), context="training")
        yield r.info.run_id


def log_parameters(run_id: str, parameters: Mapping[str, Any]) -> None:
    """Log nested parameters, a hundred at a time."""
    flat = [Param(key, str(value)) for key, value in flattened(parameters).items()]
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


def log_files(run_id: str, path: str | Path, folder: str) -> None:
    """Store a file, or a directory's files, under ``folder`` of the run."""
    path = Path(path)
    log = client().log_artifacts if path.is_dir() else client().log_artifact
    log(run_id, str(path), folder)


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


def registered(digest: str, name: str = MODEL) -> Version | None:
    """The version made of the bundle, or of the head, with that digest."""
    for found in client().search_model_versions(f"name = '{name}' and tags.digest = '{digest}'"):
        return Version(
            name=name, version=str(found.version), digest=digest, run_id=found.run_id or ""
        )
    return None


def register(
    bundle: Path, *, digest: str, run_id: str, example: pd.DataFrame, answer: Mapping[str, Any]
) -> Version:
    """The version of a bundle, made if there is none yet, under the alias "candidate".

    example: rows of a catalogue; answer: what the Predictor says of them. The alias moves only
        to a version that was loaded from the registry and gave that answer.
    Raises ValueError if it gave another one.
    """
    version = registered(digest)
    if version is None:
        version = _log_version(bundle, digest, run_id, example, pd.DataFrame(answer))
    loaded = mlflow.pyfunc.load_model(f"models:/{MODEL}/{version.version}")
    try:
        pd.testing.assert_frame_equal(loaded.predict(example), pd.DataFrame(answer))
    except AssertionError as error:
        raise ValueError(
            f"version {version.version} of {MODEL} answers otherwise than its bundle: {error}"
        ) from None
    client().set_registered_model_alias(MODEL, CANDIDATE, version.version)
    return version


def _log_version(
    bundle: Path, digest: str, run_id: str, example: pd.DataFrame, answer: pd.DataFrame
) -> Version:
    """Store the bundle with its code, and make a version of it."""
    experiment_id = experiment()
    known = {"run_id": run_id} if is_known(run_id) else {"run_name": f"restored {digest[:8]}"}
    with mlflow.start_run(experiment_id=experiment_id, **known) as run:
        logged = mlflow.pyfunc.log_model(
            name=MODEL,
            python_model=str(ROOT / "pipelines" / "pyfunc_model.py"),
            artifacts={"bundle": str(bundle)},
            code_paths=[str(ROOT / "ojala")],
            signature=_signature(example, answer),
            input_example=example,
            pip_requirements=[f"{name}=={_release(name)}" for name in ("mlflow", *PINNED)],
        )
        made = mlflow.register_model(logged.model_uri, MODEL, tags={"digest": digest})
        return Version(name=MODEL, version=str(made.version), digest=digest, run_id=run.info.run_id)


def register_head(
    place: Path, *, name: str, digest: str, run_id: str, base: Version, about: Mapping[str, str]
) -> Version:
    """The version of a head as model "ojala-head-NAME", made if there is none yet, as candidate.

    place: its directory, which is what the version holds; base: the version of its bundle
    about: its quantity and description. The tags base_digest and base_version say what it may
        answer beside: a version of the model with another digest needs the head trained again.
    """
    model = f"{MODEL}-head-{name}"
    version = registered(digest, model) or _log_head(place, model, digest, run_id, about)
    for key, value in (("base_digest", base.digest), ("base_version", base.version)):
        client().set_model_version_tag(model, version.version, key, value)
    client().set_registered_model_alias(model, CANDIDATE, version.version)
    return version


def _log_head(
    place: Path, model: str, digest: str, run_id: str, about: Mapping[str, str]
) -> Version:
    """Store a head's files under the run that trained it, if there was one, as a version."""
    known = {"run_id": run_id} if is_known(run_id) else {"run_name": model}
    with mlflow.start_run(experiment_id=experiment(), **known) as run:
        log_files(run.info.run_id, place, "head")
    if not client().search_registered_models(f"name = '{model}'"):
        client().create_registered_model(model, description="A fine-tuned head of the model ojala")
    made = client().create_model_version(
        model,
        source=f"runs:/{run.info.run_id}/head",
        run_id=run.info.run_id,
        tags={"digest": digest, "quantity": about["quantity"]},
        description=about["description"],
    )
    return Version(name=model, version=str(made.version), digest=digest, run_id=run.info.run_id)


def _signature(example: pd.DataFrame, answer: pd.DataFrame) -> ModelSignature:
    """Any of the example's columns may be left out, but MAG_i; ``queries`` may be asked for."""
    columns = [
        ColSpec("string" if name == "MORPHTYPE" else "double", name, required=name == "MAG_i")
        for name in example.columns
    ]
    queries = ParamSpec("queries", DataType.string, list(all_queries()), shape=(-1,))
    outputs = infer_signature(answer).inputs
    return ModelSignature(Schema(columns), outputs, ParamSchema([queries]))


def _release(package: str) -> str:
    """Version without what a local build adds to it ("+cpu")."""
    return installed_version(package).partition("+")[0]


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
