"""Who may ask, and how much: keys, what each may ask for in a minute, and a log of who asked.

A key is 32 random bytes, of which the file of keys (OJALA_KEYS) has the SHA-256 alone:

    [survey-team]
    sha256 = "9f86d081884c7d65..."
    requests_per_minute = 600
    sources_per_minute = 100000
    sources_per_request = 5000

``python -m serving.access NAME`` makes one. Numbers that are left out are not limited.
"""

from __future__ import annotations

import fcntl
import hashlib
import ipaddress
import json
import os
import re
import secrets
import sys
import time
import tomllib
from contextvars import ContextVar
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import bentoml
from starlette.types import Scope

from serving import agreement, page

OPEN = "open"
SIGNED = "/registry_changed"
"""The path of what MLflow signs with a secret of its own (``serving.webhook``)."""

FREE_PATHS = (*page.FILES, "/livez", "/readyz", "/healthz", "/docs.json", SIGNED)
"""What needs no key: a page without data, what says whether the process lives, what is signed."""

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,63}")


class Refused(Exception):
    """A request that is not let in: the status of HTTP, and why in a sentence."""

    def __init__(self, status: int, told: str, *, retry_after: int = 0) -> None:
        super().__init__(told)
        self.status, self.retry_after = status, retry_after


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key, and what may be asked with it; 0 is not limited.

    Raises ValueError naming the entry that is none.
    """

    name: str
    sha256: str
    requests_per_minute: int = 0
    sources_per_minute: int = 0
    sources_per_request: int = 0

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"key {self.name!r}: expected a name of letters, digits, - and _")
        if not (isinstance(self.sha256, str) and re.fullmatch("[0-9a-f]{64}", self.sha256)):
            raise ValueError(f"key {self.name}: sha256 is not 64 hexadecimal digits")
        for one in fields(self)[2:]:
            value = getattr(self, one.name)
            if type(value) is not int or value < 0:
                raise ValueError(f"key {self.name}: {one.name} is {value!r}, expected 0 or more")


@dataclass(kw_only=True)
class Caller:
    """Who asks a request, and what the log will say of it.

    key: None where nobody is asked who they are; guard: who let them in
    """

    key: Key | None
    guard: Guard
    sources: int = 0
    began: float = field(default_factory=time.monotonic)


caller: ContextVar[Caller | None] = ContextVar("caller", default=None)
"""Who asks the request that is being answered."""


def read_keys(path: Path) -> dict[str, Key]:
    """Keys by their SHA-256. Raises ValueError naming the file and the entry that is none."""
    try:
        found = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: the keys cannot be read ({error})") from None
    known = [one.name for one in fields(Key)[1:]]
    keys: dict[str, Key] = {}
    for name, entry in found.items():
        if not isinstance(entry, dict) or "sha256" not in entry or not set(entry) <= set(known):
            raise ValueError(f"{path}: [{name}] needs sha256, it may have {', '.join(known)}")
        try:
            key = Key(name=name, **entry)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        if key.sha256 in keys:
            raise ValueError(f"{path}: [{name}] and [{keys[key.sha256].name}] are the same key")
        keys[key.sha256] = key
    if not keys:
        raise ValueError(f"{path}: there is no key in it")
    return keys


def keys_required(host: str) -> dict[str, Key] | None:
    """The keys that are asked for where the service listens on ``host``; None for none.

    On the loopback nobody is asked, unless OJALA_KEYS names a file; anywhere else a file is
    needed, or OJALA_ACCESS=open.
    Raises ValueError where neither is given, or both.
    """
    access, path = os.environ.get("OJALA_ACCESS", ""), os.environ.get("OJALA_KEYS", "")
    if access not in ("", OPEN):
        raise ValueError(f"OJALA_ACCESS is {access!r}, expected {OPEN!r} or nothing")
    if path and access:
        raise ValueError("OJALA_KEYS asks for keys and OJALA_ACCESS=open for none: unset one")
    if path:
        return read_keys(Path(path))
    if not access and not ipaddress.ip_address(host).is_loopback:
        raise ValueError(
            f"{host} can be reached by others and OJALA_KEYS names no file of keys: make one with "
            "`python -m serving.access NAME`, or set OJALA_ACCESS=open to ask nobody"
        )
    return None


class Guard:
    """Lets requests in, counts what each key asked for, and logs it.

    keys: by SHA-256, None where nobody is asked
    directory: shared by the processes of the server, so that limits are those of all together
    audit: a file that is appended to, None for no log
    """

    def __init__(
        self, keys: dict[str, Key] | None, directory: Path, audit: Path | None = None
    ) -> None:
        self.keys, self.directory, self.audit = keys, directory, audit

    def admitted(self, scope: Scope) -> Caller:
        """Who asks. Raises Refused without a key, and beyond its requests of this minute."""
        key = None
        if self.keys is not None and scope["path"] not in FREE_PATHS:
            key = self.keys.get(hashlib.sha256(_shown(scope)).hexdigest())
            if key is None:
                raise Refused(401, "no valid key: send `Authorization: Bearer KEY`")
            self._spend(key, "requests", 1, key.requests_per_minute)
        found = Caller(key=key, guard=self)
        caller.set(found)
        return found

    def take(self, asking: Caller, num_sources: int) -> None:
        """Count the sources of a request. Raises Refused where its key may not ask for so many."""
        key = asking.key
        if key is not None:
            if 0 < key.sources_per_request < num_sources:
                raise Refused(
                    413,
                    f"{num_sources} sources, key {key.name} may ask for "
                    f"{key.sources_per_request} at once",
                )
            self._spend(key, "sources", num_sources, key.sources_per_minute)
        asking.sources = num_sources

    def log(self, scope: Scope, asking: Caller | None, status: int) -> None:
        """Append who asked how much, and never what, to the log."""
        if self.audit is None or scope["path"] in FREE_PATHS:
            return
        entry = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "key": asking.key.name if asking and asking.key else None,
            "client": (scope.get("client") or ("",))[0],
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "sources": asking.sources if asking else 0,
            "seconds": round(time.monotonic() - asking.began, 4) if asking else 0.0,
        }
        line = (json.dumps(entry) + "\n").encode()
        place = os.open(self.audit, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(place, line)  # in one piece: several processes append
        finally:
            os.close(place)

    def _spend(self, key: Key, what: str, amount: int, limit: int) -> None:
        """Count against a limit of this minute, together with the other processes."""
        if not limit:
            return
        now = time.time()
        minute, left = int(now // 60), 60 - int(now % 60)
        with (self.directory / f"{what}-{key.name}.count").open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            counted, _, spent = file.read().partition(" ")
            total = amount + (int(spent) if counted == str(minute) else 0)
            if total > limit:
                raise Refused(
                    429,
                    f"key {key.name} may ask for {limit} {what} in a minute; ask again in "
                    f"{left} seconds",
                    retry_after=left,
                )
            file.truncate(0)
            file.write(f"{minute} {total}")


def take(num_sources: int) -> None:
    """Count the sources of the request that is being answered here.

    Raises Refused where its key may not ask for so many.
    """
    asking = caller.get()
    if asking is not None:
        asking.guard.take(asking, num_sources)


def guard() -> Guard:
    """The guard that the settings ask for. Raises ValueError where they are wrong."""
    worker = bentoml.server_context.worker_index
    # Alone in a process of its own, as in a test or a notebook, the service listens nowhere.
    host = "127.0.0.1" if worker is None else os.environ.get("BENTOML_HOST") or "0.0.0.0"
    keys = keys_required(host)
    audit = os.environ.get("OJALA_AUDIT")
    place = agreement.directory(worker) if keys else Path()
    return Guard(keys, place, Path(audit) if audit else None)


def _shown(scope: Scope) -> bytes:
    """The key that a request shows, "" for none."""
    headers: dict[bytes, bytes] = {name.lower(): value for name, value in scope["headers"]}
    scheme, _, key = headers.get(b"authorization", b"").partition(b" ")
    return key.strip() if scheme.lower() == b"bearer" else headers.get(b"x-api-key", b"")


def made_key(name: str) -> tuple[str, str]:
    """A new key, and its entry for the file of keys."""
    key = secrets.token_urlsafe(32)
    entry: dict[str, Any] = {"sha256": hashlib.sha256(key.encode()).hexdigest()}
    Key(name=name, **entry)
    return key, f'[{name}]\nsha256 = "{entry["sha256"]}"\n'


def main() -> None:
    """Print a new key and the entry that lets it in."""
    if len(sys.argv) != 2:
        sys.exit("expected a name, as in `python -m serving.access survey-team`")
    try:
        key, entry = made_key(sys.argv[1])
    except ValueError as error:
        sys.exit(str(error))
    print(f"the key, shown this once: {key}\n\nfor the file of OJALA_KEYS:\n{entry}", end="")


if __name__ == "__main__":
    main()
