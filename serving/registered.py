"""The bundle to serve: a registered one or a directory. Nothing else here knows MLflow."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ojala import bundle

ROOT = Path(__file__).parents[1]
MODEL = "ojala"


@dataclass(frozen=True, kw_only=True)
class Served:
    """A bundle and what the registry calls it.

    bundle: opened; name, version: of the registered model, "unregistered" for a directory
    """

    bundle: bundle.Bundle
    name: str
    version: str


def served() -> Served:
    """The bundle in the directory OJALA_BUNDLE, or the registered one under OJALA_ALIAS.

    The registry is that of MLFLOW_TRACKING_URI, or the database at the root of the project; the
    alias "candidate" where none is named.
    Raises ValueError where there is no such version or it is not a bundle.
    """
    if "OJALA_BUNDLE" in os.environ:
        opened = bundle.load(os.environ["OJALA_BUNDLE"])
        return Served(bundle=opened, name=MODEL, version="unregistered")
    return _registered(os.environ.get("OJALA_ALIAS", "candidate"))


def _registered(alias: str) -> Served:
    import mlflow
    from mlflow.exceptions import MlflowException

    mlflow.set_tracking_uri(
        os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{ROOT / 'mlflow.db'}"
    )
    try:
        version = mlflow.MlflowClient().get_model_version_by_alias(MODEL, alias)
        path = mlflow.artifacts.download_artifacts(f"models:/{MODEL}/{version.version}")
    except MlflowException as error:
        raise ValueError(f"no version of {MODEL} under the alias {alias}: {error}") from None
    opened = bundle.load(Path(path) / "artifacts" / "ojala")
    if opened.digest != version.tags.get("digest"):
        raise ValueError(
            f"version {version.version} of {MODEL} holds another bundle than its digest says"
        )
    return Served(bundle=opened, name=MODEL, version=str(version.version))
