"""The registry of MLflow: which versions there are, what they hold, and what names them.

Aliases of the model: "candidate" (the newest that was registered), "champion" (what is served)
and "previous" (the champion before). ``pipelines.registry.aliases`` moves the last two.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException

from pipelines.registry.store import HEAD_PREFIX, MODEL
from pipelines.registry.tracking import client

ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""Error codes of MLflow where a model, a version or an alias is not there."""


@dataclass(frozen=True, kw_only=True)
class Version:
    """A version of the model in the registry.

    digest: of its bundle; run_id: of the run that it stands under
    """

    name: str
    version: str
    digest: str
    run_id: str

    def __str__(self) -> str:
        return f"{self.name} version {self.version}"


def head_model(name: str) -> str:
    """What a head is registered as."""
    return f"{HEAD_PREFIX}{name}"


def registered(digest: str, name: str = MODEL) -> Version | None:
    """The version made of the bundle, or of the head, with that digest."""
    found = client().search_model_versions(f"name = '{name}' and tags.digest = '{digest}'")
    return _version(found[0]) if found else None


def versions(name: str = MODEL) -> list[Version]:
    """Every version of a model, the newest first."""
    found = [_version(one) for one in client().search_model_versions(f"name = '{name}'")]
    return sorted(found, key=lambda one: int(one.version), reverse=True)


def models() -> list[str]:
    """The model, and every head that was registered."""
    found = client().search_registered_models(f"name LIKE '{MODEL}%'", max_results=1000)
    return sorted(one.name for one in found if one.name == MODEL or is_head(one.name))


def is_head(name: str) -> bool:
    """Whether a registered model is a head."""
    return name.startswith(HEAD_PREFIX)


def aliases(name: str = MODEL) -> dict[str, str]:
    """Version by alias; none where there is no such model.

    Read from the model itself: a search for versions does not tell aliases.
    """
    try:
        found = client().get_registered_model(name).aliases
    except MlflowException as error:
        if error.error_code in ABSENT:
            return {}
        raise
    return {str(alias): str(version) for alias, version in found.items()}


def named(alias: str, name: str = MODEL) -> Version | None:
    """The version under an alias, found in one question; None where there is none."""
    try:
        return _version(client().get_model_version_by_alias(name, alias))
    except MlflowException as error:
        if error.error_code in ABSENT:
            return None
        raise


def find(words: str) -> Version:
    """The version that somebody names: "candidate", "3", "ojala/3", "ojala@champion".

    Raises ValueError where there is none.
    """
    text = words.removeprefix("models:/")
    name, separator, rest = text.rpartition("@") if "@" in text else text.rpartition("/")
    name = name if separator else MODEL
    number = re.fullmatch(r"v?(\d+)", rest)
    found = get(name, number.group(1)) if number else named(rest, name)
    if found is None:
        known = ", ".join(f"{alias} = {v}" for alias, v in sorted(aliases(name).items()))
        raise ValueError(f"no version {rest} of {name}; aliases: {known or 'none'}")
    return found


def get(name: str, version: str) -> Version | None:
    """A version by its number; None where there is none."""
    try:
        return _version(client().get_model_version(name, version))
    except MlflowException as error:
        if error.error_code in ABSENT:
            return None
        raise


def tags(version: Version) -> dict[str, str]:
    """What is noted at a version."""
    found = client().get_model_version(version.name, version.version).tags
    return {str(key): str(value) for key, value in found.items()}


def tag(version: Version, notes: Mapping[str, str]) -> None:
    """Note something at a version; an empty text removes the note."""
    known = tags(version)
    for key, value in notes.items():
        if value:
            client().set_model_version_tag(version.name, version.version, key, value)
        elif key in known:
            client().delete_model_version_tag(version.name, version.version, key)


def fetch(version: Version, to: Path | None = None) -> Path:
    """The bundle of a version of the model, beside its golden objects; a copy below ``to``.

    Raises ValueError where its files are gone.
    """
    place = f"models:/{version.name}/{version.version}/artifacts"
    try:
        path = mlflow.artifacts.download_artifacts(place, dst_path=str(to) if to else None)
    except (MlflowException, OSError) as error:
        words = " ".join(str(error).split())
        raise ValueError(f"{version}: its files cannot be fetched ({words})") from None
    return Path(path) / MODEL


def _version(found: Any) -> Version:
    return Version(
        name=found.name,
        version=str(found.version),
        digest=found.tags.get("digest", ""),
        run_id=found.run_id or "",
    )
