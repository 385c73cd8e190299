"""The registry of MLflow: versions of the model and of its heads, each tied to a digest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

from ojala.quantities import queries as all_queries
from pipelines.tracking import client, experiment, is_known, log_files

ROOT = Path(__file__).parents[1]
MODEL = "ojala"
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
