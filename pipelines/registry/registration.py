"""Making versions: a bundle, or a head, stored in the registry with what tells where it is from."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.entities import LoggedModelOutput
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

from ojala.gate import golden
from ojala.vocabulary.bands import reference_band
from ojala.vocabulary.quantities import queries as all_queries
from pipelines.registry.store import CANDIDATE, MODEL
from pipelines.registry.tracking import client, experiment, is_known, log_files
from pipelines.registry.versions import Version, head_model, registered, tag
from pipelines.stage_code import CODE

PINNED = ("astropy", "numpy", "pandas", "pyarrow", "safetensors", "torch", "tqdm")
"""Packages that a registered version needs, beside mlflow."""

PAPER = "arXiv:2604.00661"
ABOUT_MODEL = """\
OJALA answers for whatever bands of J-PAS and the Legacy Surveys a source has: class, redshift, \
stellar mass, star-formation rate, lines or stellar parameters, each with its error.

| alias | |
|---|---|
| candidate | the newest registered version |
| champion | what is served: the version that last passed the gate (`ojala promote`) |
| previous | the champion before it, where `ojala rollback` goes |
"""
ABOUT_HEAD = """\
A fine-tuned head on the embeddings of one version of ojala (notes base_version and base_digest). \
The alias champion is at the version that reads the champion's embeddings; the note state of any \
other says what it needs."""


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
    source = run_id if is_known(run_id) else _restored(digest)
    with tempfile.TemporaryDirectory() as directory:
        examples = Path(directory)
        golden.write(examples / golden.GOLDEN, dict(example), dict(answer))
        logged = mlflow.pyfunc.log_model(
            name=MODEL,
            model_id=_begun_model(source),
            python_model=str(Path(__file__).with_name("pyfunc_model.py")),
            artifacts={"bundle": str(bundle), "golden": str(examples / golden.GOLDEN)},
            code_paths=[str(CODE / "ojala")],
            signature=_signature(example, answer),
            input_example=example,
            pip_requirements=[f"{name}=={_release(name)}" for name in ("mlflow", *PINNED)],
        )
    describe(MODEL, ABOUT_MODEL, {"kind": "foundation model", "paper": PAPER})
    made = mlflow.register_model(logged.model_uri, MODEL, tags={"digest": digest})
    name = client().get_run(source).info.run_name
    client().update_model_version(
        MODEL,
        made.version,
        f"Bundle {digest[:12]} of run {name}. The notes say whether it was promoted, when, by "
        "whom and why.",
    )
    return Version(name=MODEL, version=str(made.version), digest=digest, run_id=source)


def _restored(digest: str) -> str:
    """A run to stand for one that the server does not know."""
    run = client().create_run(experiment(), run_name=f"restored {digest[:8]}")
    client().set_terminated(run.info.run_id)
    return str(run.info.run_id)


def _begun_model(run_id: str) -> str:
    """Id of a model of a run, without its files yet.

    Logged under an active run, a model is given the run's metrics by MLflow, which asks for the
    history of each in a request of its own: minutes, where an evaluation has thousands.
    """
    run = client().get_run(run_id)
    made = client().create_logged_model(
        experiment(), name=MODEL, source_run_id=run_id, params=run.data.params
    )
    client().log_outputs(run_id, [LoggedModelOutput(made.model_id, step=0)])
    return str(made.model_id)


def describe(name: str, description: str, notes: Mapping[str, str]) -> None:
    """Make a registered model where there is none; describe one that has no description."""
    found = client().search_registered_models(f"name = '{name}'")
    if not found:
        client().create_registered_model(name, tags=dict(notes), description=description)
    elif not found[0].description:
        client().update_registered_model(name, description)
        for key, value in notes.items():
            client().set_registered_model_tag(name, key, value)


def register_head(
    place: Path, *, name: str, digest: str, run_id: str, base: Version, about: Mapping[str, str]
) -> Version:
    """The version of a head as model "ojala-head-NAME", made if there is none yet, as candidate.

    place: its directory, which is what the version holds; base: the version of its bundle
    about: its quantity and description. The tags base_digest and base_version say what it may
        answer beside: a version of the model with another digest needs the head trained again.
    """
    model = head_model(name)
    version = registered(digest, model) or _log_head(place, model, digest, run_id, about)
    tag(version, {"base_digest": base.digest, "base_version": base.version})
    client().set_registered_model_alias(model, CANDIDATE, version.version)
    return version


def _log_head(
    place: Path, model: str, digest: str, run_id: str, about: Mapping[str, str]
) -> Version:
    """Store a head's files under the run that trained it, if there was one, as a version."""
    known = {"run_id": run_id} if is_known(run_id) else {"run_name": model}
    with mlflow.start_run(experiment_id=experiment(), **known) as run:
        log_files(run.info.run_id, place, "head")
    notes = {"kind": "fine-tuned head", "quantity": about["quantity"], "paper": PAPER}
    describe(model, f"{about['description']}. {ABOUT_HEAD}", notes)
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
    needed = reference_band().token
    columns = [
        ColSpec("string" if name == "MORPHTYPE" else "double", name, required=name == needed)
        for name in example.columns
    ]
    queries = ParamSpec("queries", DataType.string, list(all_queries()), shape=(-1,))
    outputs = infer_signature(answer).inputs
    return ModelSignature(Schema(columns), outputs, ParamSchema([queries]))


def _release(package: str) -> str:
    """Version without what a local build adds to it ("+cpu")."""
    return installed_version(package).partition("+")[0]
