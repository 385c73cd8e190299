"""The bundle to serve: registered, in a directory, or packed. Nothing else here knows MLflow."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ojala.gate import golden, shadow, signature
from ojala.model import bundle
from ojala.model.head_protocol import check_base
from pipelines.registry import store
from pipelines.registry.store import CANDIDATE, CHAMPION, HEAD_PREFIX, MODEL
from serving import heads, packed, settings
from serving.edition import UNREGISTERED, Edition

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

ALIASES = (CHAMPION, CANDIDATE)
"""What is served where OJALA_ALIAS names nothing: the first of these that there is."""
NO_MODEL = (
    f"no version of the model {MODEL} is registered: run `make repro`, which registers one, or "
    "name the directory of a bundle in OJALA_BUNDLE"
)


@dataclass(frozen=True, kw_only=True)
class Served:
    """A bundle and what the registry calls it.

    bundle: opened; place: its directory; signed: the signature of its digest, "" for none
    name, version: of the registered model, "unregistered" for a directory
    heads: all that there are, those that cannot answer beside this bundle included
    golden: the file of its golden objects, None where it was registered without them
    """

    bundle: bundle.Bundle
    place: Path
    signed: str
    name: str
    version: str
    heads: list[heads.ServedHead]
    golden: Path | None = None


def served() -> Served:
    """What ``standing`` says, opened."""
    return opened(standing())


def standing() -> Edition:
    """The version, and the versions of heads, that are to be served now.

    Of the registry of MLFLOW_TRACKING_URI, or of the database at the root of the project, the
    version under OJALA_ALIAS: the champion where no alias is named, and before the first promotion
    the candidate. Of each registered head the newest version that belongs to that bundle.
    Where OJALA_BUNDLE names a directory, that; in a Bento what is packed in it.
    Raises ValueError where there is no such version.
    """
    if (found_packed := packed.standing()) is not None:
        return found_packed[0]
    if os.environ.get("OJALA_BUNDLE"):
        return Edition(version=UNREGISTERED)
    from mlflow.exceptions import MlflowException

    _find_registry()
    try:
        version = _version(aliases())
        found = tuple(_heads_of(version.tags.get("digest", "")))
    except (MlflowException, OSError) as error:
        raise ValueError(f"no version of {MODEL} can be served: {error}") from None
    return Edition(version=str(version.version), heads=found)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A version that is asked beside the one that answers, and shown to nobody.

    share: of the requests; session: since when and for whom it stands, another one each time
    """

    edition: Edition
    share: float
    session: str


def in_shadow() -> Candidate | None:
    """The version under the alias shadow of the registry, None where there is none.

    Raises ValueError where its share is none.
    """
    if os.environ.get("OJALA_BUNDLE") or packed.standing() is not None:
        return None
    import mlflow

    _find_registry()
    registry = mlflow.MlflowClient()
    number = registry.get_registered_model(MODEL).aliases.get(shadow.ALIAS)
    if number is None:
        return None
    version = registry.get_model_version(MODEL, number)
    text = version.tags.get(shadow.SHARE, "")
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 < share <= 1:
        raise ValueError(
            f"version {number} of {MODEL}: {shadow.SHARE} is {text!r}, expected 0 ... 1"
        )
    beside = tuple(_heads_of(version.tags.get("digest", "")))
    return Candidate(
        edition=Edition(version=str(version.version), heads=beside),
        share=share,
        session=version.tags.get(shadow.SESSION, ""),
    )


def aliases() -> tuple[str, ...]:
    """The aliases that are followed: the first of them that there is."""
    named = os.environ.get("OJALA_ALIAS")
    return (named,) if named else ALIASES


def opened(edition: Edition) -> Served:
    """The bundle and the heads of an edition.

    Raises ValueError where its files cannot be had, or are not what their digest says.
    """
    if (found_packed := packed.standing()) is not None:
        return _packed(*found_packed)
    if edition.version == UNREGISTERED:
        beside_it = os.environ.get("OJALA_HEADS")
        return _directory(Path(os.environ["OJALA_BUNDLE"]), Path(beside_it) if beside_it else None)
    import mlflow
    from mlflow.exceptions import MlflowException

    _find_registry()
    try:
        version = mlflow.MlflowClient().get_model_version(MODEL, edition.version)
        place = mlflow.artifacts.download_artifacts(f"models:/{MODEL}/{edition.version}")
    except (MlflowException, OSError) as error:
        raise ValueError(
            f"version {edition.version} of {MODEL} cannot be fetched: {error}"
        ) from None
    files = Path(place) / "artifacts"
    what, digest = f"version {edition.version} of {MODEL}", version.tags.get("digest", "")
    signed = version.tags.get(signature.NOTE, "")
    _check_signed(signature.BUNDLE, digest, signed, what)
    if _digest(files / MODEL) not in ("", digest):
        raise ValueError(f"{what} holds another bundle than its digest says")
    found = bundle.load(files / MODEL)
    beside = (_registered_head(name, number, found.digest) for name, number in edition.heads)
    golden_objects = files / golden.GOLDEN
    return Served(
        bundle=found,
        place=files / MODEL,
        signed=signed,
        name=MODEL,
        version=edition.version,
        heads=heads.together(beside, found.digest),
        golden=golden_objects if golden_objects.is_file() else None,
    )


def _directory(place: Path, heads_in: Path | None) -> Served:
    """The bundle of a directory, with the heads of another."""
    signed = signature.read_beside(place)
    _check_signed(signature.BUNDLE, _digest(place), signed, str(place))
    found = bundle.load(place)
    beside = heads.in_directory(heads_in, found.digest) if heads_in else []
    return Served(
        bundle=found, place=place, signed=signed, name=MODEL, version=UNREGISTERED, heads=beside
    )


def _packed(edition: Edition, digest: str) -> Served:
    """What a Bento holds, under the names that the registry gave it."""
    place = packed.bundle_in(packed.PLACE)
    if _digest(place) not in ("", digest):
        raise ValueError(f"{place} holds another bundle than was packed")
    found = _directory(place, packed.heads_in(packed.PLACE))
    numbers = {name.removeprefix(HEAD_PREFIX): number for name, number in edition.heads}
    beside = [replace(one, version=numbers.get(one.name, one.version)) for one in found.heads]
    golden_objects = packed.golden_in(packed.PLACE)
    return replace(
        found,
        version=edition.version,
        heads=beside,
        golden=golden_objects if golden_objects.is_file() else None,
    )


def _digest(place: Path) -> str:
    """The digest of a bundle, unopened; "" where a file is missing, which opening it tells."""
    try:
        return bundle.digest(place)
    except (FileNotFoundError, NotADirectoryError):
        return ""


def _check_signed(kind: str, digest: str, signed: str, what: str) -> None:
    """Raise ValueError where keys are trusted, and none of them signed the digest."""
    trusted = settings.trusted_key()
    if trusted is not None:
        signature.check(trusted, kind, digest, signed, what)


def _find_registry() -> None:
    """Let MLflow know where the registry is. Raises ValueError where there is none."""
    import mlflow

    registry = store.uri()
    database = store.database(registry)
    if database is not None and not database.exists():
        raise ValueError(NO_MODEL)  # before MLflow makes an empty one
    store.check(registry)
    mlflow.set_tracking_uri(store.patient(registry))


def _version(wanted: Sequence[str]) -> ModelVersion:
    """The version under the first of some aliases that there is."""
    import mlflow

    registry = mlflow.MlflowClient()
    if not registry.search_registered_models(f"name = '{MODEL}'"):
        raise ValueError(NO_MODEL)
    known = registry.get_registered_model(MODEL).aliases
    for alias in wanted:
        if alias in known:
            return registry.get_model_version(MODEL, known[alias])
    raise ValueError(
        f"no version of {MODEL} under the alias {' or '.join(wanted)}; "
        f"there are {', '.join(sorted(known)) or 'none'}"
    )


def _heads_of(base: str) -> Iterator[tuple[str, str]]:
    """Of each registered head the newest version that belongs to the bundle ``base``."""
    import mlflow

    registry = mlflow.MlflowClient()
    for model in registry.search_registered_models(f"name LIKE '{HEAD_PREFIX}%'", 1000):
        versions = registry.search_model_versions(f"name = '{model.name}'")
        newest_first = sorted(versions, key=lambda version: int(version.version), reverse=True)
        fitting = [one for one in newest_first if one.tags.get("base_digest") == base]
        for version in (fitting or newest_first)[:1]:
            yield model.name, str(version.version)


def _registered_head(model: str, number: str, base: str) -> heads.ServedHead:
    """A version of a head; the files of one that belongs to another bundle are not fetched."""
    import mlflow
    from mlflow.exceptions import MlflowException

    known: dict[str, Any] = {
        "name": model.removeprefix(HEAD_PREFIX),
        "version": number,
        "digest": "",
    }
    try:
        version = mlflow.MlflowClient().get_model_version(model, number)
        known["digest"] = version.tags.get("digest", "")
        check_base(known["name"], version.tags.get("base_digest", ""), base)
        signed = version.tags.get(signature.NOTE, "")
        _check_signed(signature.HEAD, known["digest"], signed, f"version {number} of {model}")
        path = mlflow.artifacts.download_artifacts(f"models:/{model}/{number}")
    except (ValueError, OSError, MlflowException) as error:
        return heads.ServedHead(**known, state=str(error))
    return heads.opened(Path(path), base, signed=signed, **known)
