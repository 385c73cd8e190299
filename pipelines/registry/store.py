"""The store of runs and versions: where it is, that it answers, and that its paths are its own.

MLflow writes full paths into its database. Of a project that was moved they lead nowhere, and of a
copy into the original: whoever opens a database mends them first. Artifacts stand beside it.

``python -m pipelines.registry.store`` does so before the MLflow UI, and before a long job, begins.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ojala.tables import project
from ojala.tables.faults import sentence

EXPERIMENT = "ojala"
ARTIFACTS = "mlartifacts"

MODEL = "ojala"
HEAD_PREFIX = f"{MODEL}-head-"
CANDIDATE, CHAMPION, PREVIOUS = "candidate", "champion", "previous"
"""What the registry calls the model, a head, and the aliases of their versions."""

LOCK_PATIENCE = 15.0
"""Seconds that another process may keep the database locked."""

SERVER_PATIENCE = 5.0
"""Seconds after which a server that was asked whether it is there counts as away."""

PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
"""Where a database server listens if its address does not say."""

LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Tables and columns in which MLflow keeps where files are."""

OWN_FOLDERS = (ARTIFACTS, "mlruns")
"""Where MLflow keeps files beside its database."""


def uri() -> str:
    """The tracking server of MLFLOW_TRACKING_URI, or the database of the project."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{project.find() / 'mlflow.db'}"


def database(address: str) -> Path | None:
    """The file of a database of sqlite; None for any other address."""
    scheme = "sqlite:///"
    return (
        Path(address.removeprefix(scheme).partition("?")[0]) if address.startswith(scheme) else None
    )


def patient(address: str) -> str:
    """The address as MLflow is given it: with sqlite's own wait for a lock."""
    if database(address) is None or "?" in address:
        return address
    return f"{address}?timeout={LOCK_PATIENCE:.0f}"


@cache
def check(address: str) -> None:
    """Make sure that runs and versions can be reached at an address; once in a process.

    Paths in the database of a project that was moved or copied are mended.
    Raises ValueError where a server is away, or a database is locked or none.
    """
    place = database(address)
    if place is None:
        _check_server(address)
    elif place.is_file() and place.stat().st_size:
        try:
            _mend(place.resolve())
        except sqlite3.Error as error:
            raise ValueError(_why(place, error)) from None


def _why(place: Path, error: sqlite3.Error) -> str:
    if "locked" in str(error):
        return (
            f"{place} is locked by another process, for {LOCK_PATIENCE:.0f} seconds now: wait "
            "until that one is done, or end it"
        )
    return f"{place}: {error}"


def _mend(place: Path) -> None:
    """Let every path below the directory where a database was lead beside where it is."""
    with closing(sqlite3.connect(place, timeout=LOCK_PATIENCE, isolation_level=None)) as opened:
        if _moved_from(opened, place.parent) is None:
            return
        opened.execute("begin immediate")
        was = _moved_from(opened, place.parent)  # another process may have been first
        if was is not None:
            for table, column in LOCATIONS:
                _rewrite(opened, table, column, was, place.parent)
        opened.execute("commit")


def _moved_from(opened: sqlite3.Connection, now: Path) -> Path | None:
    """The directory where a database was when it was made; None where it still is."""
    if not _columns(opened, "experiments"):
        return None
    found = opened.execute(
        "select artifact_location from experiments where name = ?", (EXPERIMENT,)
    ).fetchone()
    artifacts = _path(found[0]) if found else None
    if artifacts is None or artifacts.name != ARTIFACTS or artifacts.parent == now:
        return None
    return artifacts.parent


def _rewrite(opened: sqlite3.Connection, table: str, column: str, was: Path, now: Path) -> None:
    if column not in _columns(opened, table):  # of another release of MLflow
        return
    for (location,) in opened.execute(f"select distinct {column} from {table}").fetchall():
        mended = _mended(location, was, now)
        if mended is not None:
            opened.execute(
                f"update {table} set {column} = ? where {column} = ?", (mended, location)
            )


def _columns(opened: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in opened.execute(f"pragma table_info({table})")}


def _mended(location: str | None, was: Path, now: Path) -> str | None:
    """A location as of the new directory; None for one that was not beside the database."""
    path = _path(location or "")
    if path is None or not any(path.is_relative_to(was / folder) for folder in OWN_FOLDERS):
        return None
    moved = now / path.relative_to(was)
    return moved.as_uri() if str(location).startswith("file:") else str(moved)


def _path(location: str) -> Path | None:
    """The path that a location names; None where it is not of this machine's files."""
    parts = urlsplit(location)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(location) if location.startswith("/") else None


def _check_server(address: str) -> None:
    """Raise ValueError where nobody answers at the address of a server."""
    parts = urlsplit(address)
    kind = parts.scheme.partition("+")[0]
    try:
        if kind in ("http", "https"):
            _ask(address)
        elif kind in PORTS and parts.hostname:
            where = (parts.hostname, parts.port or PORTS[kind])
            socket.create_connection(where, timeout=SERVER_PATIENCE).close()
    except OSError as error:
        why = "; ".join(dict.fromkeys(_reasons(error)))
        raise ValueError(
            f"the tracking server {_without_password(address)} does not answer ({why}): "
            "start it, or set MLFLOW_TRACKING_URI to where it is"
        ) from None


def _ask(address: str) -> None:
    """Raise OSError unless an HTTP server answers; whatever a healthy one says is an answer."""
    from mlflow.exceptions import MlflowException
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    try:
        answer = http_request(
            get_default_host_creds(address),
            "/health",
            "GET",
            timeout=SERVER_PATIENCE,
            max_retries=0,
            raise_on_status=False,
        )
    except MlflowException as error:
        raise OSError(str(error)) from error
    if answer.status_code >= 500:
        raise OSError(f"HTTP {answer.status_code} {answer.reason}")


def _reasons(error: BaseException) -> Iterator[str]:
    """What is at the bottom of an error: the chain's last sentence."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    yield " ".join(str(error).split())


def _without_password(address: str) -> str:
    parts = urlsplit(address)
    if parts.password is None:
        return address
    return address.replace(f":{parts.password}@", "@")


if __name__ == "__main__":
    try:
        check(uri())
    except ValueError as error:
        sys.exit(sentence(error))
