"""The bundle to serve: a registered one or a directory. Nothing else here knows MLflow."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ojala.model import bundle
from ojala.model.head_protocol import check_base
from pipelines.registry import store
from pipelines.registry.store import CANDIDATE, CHAMPION, HEAD_PREFIX, MODEL
from serving import heads

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

ALIASES = (CHAMPION, CANDIDATE)
"""What is served where OJALA_ALIAS names nothing: the first of these that there is."""
UNREGISTERED = (
    f"no version of the model {MODEL} is registered: run `make repro`, which registers one, or "
    "name the directory of a bundle in OJALA_BUNDLE"
)


@dataclass(frozen=True, kw_only=True)
class Served:
    """A bundle and what the registry calls it.

    bundle: opened; name, version: of the registered model, "unregistered" for a directory
    heads: all that there are, those that cannot answer beside this bundle included
    """

    bundle: bundle.Bundle
    name: str
    version: str
    heads: list[heads.ServedHead]


def served() -> Served:
    """The bundle in the directory OJALA_BUNDLE, or the registered one under OJALA_ALIAS.

    The registry is that of MLFLOW_TRACKING_URI, or the database at the root of the project; the
    champion where no alias is named, and before the first promotion the candidate. Heads are those
    of the registry, or of the directory OJALA_HEADS beside OJALA_BUNDLE.
    Raises ValueError where there is no such version or it is not a bundle.
    """
    if place := os.environ.get("OJALA_BUNDLE"):
        opened = bundle.load(place)
        directory = os.environ.get("OJALA_HEADS")
        found = heads.in_directory(Path(directory), opened.digest) if directory else []
        return Served(bundle=opened, name=MODEL, version="unregistered", heads=found)
    named = os.environ.get("OJALA_ALIAS")
    return _registered((named,) if named else ALIASES)


def _registered(aliases: Sequence[str]) -> Served:
    import mlflow
    from mlflow.exceptions import MlflowException

    registry = store.uri()
    database = store.database(registry)
    if database is not None and not database.exists():
        raise ValueError(UNREGISTERED)  # before MLflow makes an empty one
    store.check(registry)
    mlflow.set_tracking_uri(store.patient(registry))
    try:
        version = _version(aliases)
        path = mlflow.artifacts.download_artifacts(f"models:/{MODEL}/{version.version}")
    except (MlflowException, OSError) as error:
        raise ValueError(f"no version of {MODEL} can be served: {error}") from None
    opened = bundle.load(Path(path) / "artifacts" / "ojala")
    if opened.digest != version.tags.get("digest"):
        raise ValueError(
            f"version {version.version} of {MODEL} holds another bundle than its digest says"
        )
    found = heads.together(_registered_heads(opened.digest), opened.digest)
    return Served(bundle=opened, name=MODEL, version=str(version.version), heads=found)


def _version(aliases: Sequence[str]) -> ModelVersion:
    """The version under the first of some aliases that there is."""
    import mlflow

    registry = mlflow.MlflowClient()
    if not registry.search_registered_models(f"name = '{MODEL}'"):
        raise ValueError(UNREGISTERED)
    standing = registry.get_registered_model(MODEL).aliases
    for alias in aliases:
        if alias in standing:
            return registry.get_model_version(MODEL, standing[alias])
    raise ValueError(
        f"no version of {MODEL} under the alias {' or '.join(aliases)}; "
        f"there are {', '.join(sorted(standing)) or 'none'}"
    )


def _registered_heads(base: str) -> Iterator[heads.ServedHead]:
    """Of each registered head the newest version that belongs to the bundle ``base``."""
    import mlflow

    registry = mlflow.MlflowClient()
    for model in registry.search_registered_models(f"name LIKE '{HEAD_PREFIX}%'", 1000):
        versions = registry.search_model_versions(f"name = '{model.name}'")
        newest_first = sorted(versions, key=lambda version: int(version.version), reverse=True)
        fitting = [one for one in newest_first if one.tags.get("base_digest") == base]
        for version in (fitting or newest_first)[:1]:
            yield _registered_head(version, base)


def _registered_head(version: ModelVersion, base: str) -> heads.ServedHead:
    """A version of a head; the files of one that belongs to another bundle are not fetched."""
    import mlflow
    from mlflow.exceptions import MlflowException

    known = {
        "name": version.name.removeprefix(HEAD_PREFIX),
        "version": str(version.version),
        "digest": version.tags.get("digest", ""),
    }
    try:
        check_base(known["name"], version.tags.get("base_digest", ""), base)
        path = mlflow.artifacts.download_artifacts(f"models:/{version.name}/{version.version}")
    except (ValueError, OSError, MlflowException) as error:
        return heads.ServedHead(**known, state=str(error))
    return heads.opened(Path(path), base, **known)
