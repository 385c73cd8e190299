"""Moves of the aliases champion and previous.

MLflow moves one alias at a time. A move of two is written down first, as a tag of the registered
model; then every step leaves both aliases at whole versions, and the alias that readers follow,
champion, moves in a single step. Who finds the note of a move that was broken off undoes it if
champion had not moved yet, and completes it if it had.

Only one process of a machine moves at a time (a lock on a file, freed when its holder dies);
another lock lets one gate at a time compare, and does not keep a rollback waiting.

For a server with clients on many machines the note is the lock: written, read back after a while,
and left to whom it still names. MLflow cannot compare and swap: two clients who both stall for
longer than that while, each between two of its questions, may still both move, one after the other.
"""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import json
import os
import socket
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from pipelines.registry import store, tracking, versions
from pipelines.registry.store import CHAMPION, MODEL, PREVIOUS

NOTE = "alias_move"
"""Tag of the registered model that holds the move under way."""

SETTLE = 2.0
"""Seconds after which a note on a server is read back."""

PATIENCE = 60.0
"""Seconds after which a note on a server counts as left behind."""


@dataclass(frozen=True, kw_only=True)
class Move:
    """Where champion and previous stand, and where they are to stand; "" is nowhere.

    by, at, machine: who moves, when (UTC) and from where; token: tells this move from any other
    notes: tags by version, written once champion has moved
    """

    champion: str
    previous: str
    was_champion: str
    was_previous: str
    by: str
    at: str
    notes: dict[str, dict[str, str]] = field(default_factory=dict)
    machine: str = field(default_factory=socket.gethostname)
    token: str = field(default_factory=lambda: uuid.uuid4().hex)


def who() -> str:
    """Who promotes: OJALA_USER, the user of the tracking server, or of the machine."""
    for variable in ("OJALA_USER", "MLFLOW_TRACKING_USERNAME"):
        if os.environ.get(variable):
            return os.environ[variable]
    return f"{getpass.getuser()}@{socket.gethostname()}"


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def alone() -> Iterator[None]:
    """Be the only promotion of this machine in this registry, for as long as its gate takes.

    Raises ValueError, saying who is at it, where another one is.
    """
    with _locked("promotion", wait=0.0):
        yield


@contextmanager
def moving() -> Iterator[None]:
    """Be the only one of this machine that moves aliases: for moments, also during a gate.

    Raises ValueError where somebody else does not come to an end.
    """
    with _locked("aliases", wait=30.0):
        yield


@contextmanager
def _locked(purpose: str, wait: float) -> Iterator[None]:
    """Hold the lock of a purpose, which the system takes back from who dies."""
    with _lock_path(purpose).open("a+") as file:
        _lock(file, time.monotonic() + wait)
        file.truncate(0)
        file.write(f"{who()}, process {os.getpid()}, since {now()}\n")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def _lock(file: IO[str], until: float) -> None:
    while not _taken(file):
        if time.monotonic() >= until:
            file.seek(0)
            at_it = file.read().strip() or "another process"
            raise ValueError(f"another promotion or rollback is under way: {at_it}")
        time.sleep(0.05)


def _taken(file: IO[str]) -> bool:
    """Take the lock of a file, if nobody else has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def carry_out(move: Move) -> None:
    """Move the aliases, within ``moving``.

    Raises ValueError where someone else moved, or is about to.
    """
    _claim(move)
    if move.was_champion and move.previous == move.was_champion:  # a promotion
        _point(PREVIOUS, move.previous)
    _point(CHAMPION, move.champion)
    _complete(move)


def recover() -> str | None:
    """Undo or complete a move that was broken off; says what was done, None where there is none.

    Raises ValueError where the move may still be under way on another machine.
    """
    move = _note()
    if move is None:
        return None
    age = (datetime.now(UTC) - datetime.fromisoformat(move.at)).total_seconds()
    # A clock that was set back, or is behind, does not keep a note alive for ever.
    if _is_remote() and move.machine != socket.gethostname() and abs(age) < PATIENCE:
        raise ValueError(f"another promotion or rollback is under way: {move.by}, since {move.at}")
    champion = versions.aliases().get(CHAMPION, "")
    if champion == move.champion:
        _complete(move)
        return f"completed what {move.by} began at {move.at}: champion is version {champion}"
    if champion == move.was_champion:
        _point(PREVIOUS, move.was_previous)
    _forget()
    return f"undid what {move.by} began at {move.at}: champion is {champion or 'no version'}"


def _claim(move: Move) -> None:
    """Write the move down, and make sure that it is this one that stands there."""
    _check_standing(move)
    tracking.client().set_registered_model_tag(MODEL, NOTE, json.dumps(asdict(move)))
    if _is_remote():
        time.sleep(SETTLE)
    standing = _note()
    if standing is None or standing.token != move.token:
        raise ValueError("another promotion or rollback began at the same moment, and was first")
    try:
        _check_standing(move, own=True)
    except ValueError:
        _forget()
        raise


def _check_standing(move: Move, own: bool = False) -> None:
    other = None if own else _note()
    if other is not None:
        raise ValueError(f"another promotion or rollback is under way: {other.by} since {other.at}")
    found = versions.aliases()
    if (found.get(CHAMPION, ""), found.get(PREVIOUS, "")) != (move.was_champion, move.was_previous):
        raise ValueError(
            f"the champion is version {found.get(CHAMPION, 'none')} by now, it was "
            f"{move.was_champion or 'none'}: someone else moved it, nothing is changed"
        )


def _complete(move: Move) -> None:
    """What follows once champion has moved; doing it twice does no harm."""
    _point(PREVIOUS, move.previous)
    for number, notes in move.notes.items():
        version = versions.get(MODEL, number)
        if version is not None:
            versions.tag(version, notes)
    _forget()


def _point(alias: str, version: str) -> None:
    if version:
        tracking.client().set_registered_model_alias(MODEL, alias, version)
    elif alias in versions.aliases():
        tracking.client().delete_registered_model_alias(MODEL, alias)


def _note() -> Move | None:
    text = tracking.client().get_registered_model(MODEL).tags.get(NOTE)
    return Move(**json.loads(text)) if text else None


def _forget() -> None:
    tracking.client().delete_registered_model_tag(MODEL, NOTE)


def _is_remote() -> bool:
    return store.database(store.uri()) is None


def _lock_path(purpose: str) -> Path:
    """Beside the database, or for a server in the directory of temporary files."""
    database = store.database(store.uri())
    if database is not None:
        return Path(f"{database}.{purpose}.lock")
    named = hashlib.sha256(store.uri().encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"ojala-{os.getuid()}-{named}.{purpose}.lock"
