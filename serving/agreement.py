"""What the processes of one server agree on: which edition answers, and which is to be next.

A directory that they share holds it, in files that are replaced whole:

    answering.json     the edition of every answer; read at the beginning of each request
    wish.json          the edition that is to be next, under a number
    outcome.json       what became of the last wish, and whether the registry could be asked
    worker-ID.json     what a process says to the wish: "ready", or why not
    shadow.json        the candidate that is asked beside what answers
    worker-ID.shadow.json  how that one compares in a process
    worker-ID.lock     locked for as long as that process lives
    hurry.json         changes when the registry is to be asked at once
    leader.lock        locked by the process that asks the registry and decides

An edition begins to answer when ``answering.json`` is replaced, in all processes at once: each of
them holds it ready by then, and looks at the file when a request begins. So a client that has had
an answer of the new edition gets no later one of the old. Who dies loses its locks, and another
leads.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import psutil

from serving import edition
from serving.edition import Edition

READY = "ready"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """An edition that is to be next; a wish that is made again has another number."""

    number: int
    edition: Edition | None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of the wish of a number.

    refused: why, "" where it was not; at: when, in seconds of the monotonic clock, which the
        processes of a machine share and nobody sets
    registry: why the registry cannot be asked, "" where it can
    """

    number: int = 0
    refused: str = ""
    at: float = 0.0
    registry: str = ""


class Agreement:
    """The directory as one process sees it, which is a worker from here on until it ends."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._name = f"worker-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._alive = self._locked_anew(f"{self._name}.lock")
        self._leading: IO[str] | None = None
        self._seen: tuple[tuple[int, int], Edition | None] = ((0, 0), None)

    def answering(self) -> Edition | None:
        """The edition that answers now; None before there is one."""
        try:
            found = (self.directory / "answering.json").stat()
        except FileNotFoundError:
            return None
        mark = (found.st_ino, found.st_mtime_ns)
        if mark != self._seen[0]:
            text = (self.directory / "answering.json").read_text()
            self._seen = (mark, edition.read(text))
        return self._seen[1]

    def answer_with(self, chosen: Edition) -> None:
        """Let an edition answer, from this moment and in all processes."""
        self._replace("answering.json", edition.written(chosen))

    def leads(self) -> bool:
        """Whether this process decides; it does until it ends, once it is the first to ask."""
        if self._leading is None:
            file = (self.directory / "leader.lock").open("a+")
            if _taken(file):
                self._leading = file
            else:
                file.close()
        return self._leading is not None

    def wish(self) -> Wish:
        """The last wish; number 0 before there was one."""
        found = self._read("wish.json") or {"number": 0, "edition": None}
        wanted = found["edition"] and edition.of(found["edition"])
        return Wish(number=found["number"], edition=wanted)

    def wish_for(self, wanted: Edition | None) -> None:
        """Say which edition is to be next, None for no other than the one that answers."""
        number = self.wish().number + 1
        entry = json.loads(edition.written(wanted))
        self._replace("wish.json", json.dumps({"number": number, "edition": entry}))

    def say(self, wish: Wish, said: str) -> None:
        """What this process says to a wish."""
        self._replace(f"{self._name}.json", json.dumps({"number": wish.number, "said": said}))

    def said(self, wish: Wish) -> list[str]:
        """What each living process says to a wish, "" where it has said nothing yet."""
        return [
            found["said"]
            if (found := self._read(f"{name}.json") or {}).get("number") == wish.number
            else ""
            for name in self._living()
        ]

    def outcome(self) -> Outcome:
        """What became of the last wish that was decided."""
        return Outcome(**(self._read("outcome.json") or {}))

    def decide(self, outcome: Outcome) -> None:
        """Write down what became of a wish."""
        self._replace("outcome.json", json.dumps(asdict(outcome)))

    def hurry(self) -> None:
        """Say that the registry is to be asked at once: something in it has changed."""
        self._replace("hurry.json", json.dumps({"call": uuid.uuid4().hex}))

    def hurried(self) -> str:
        """The last call to ask at once; another one is another text."""
        return str((self._read("hurry.json") or {"call": ""})["call"])

    def stand_in_shadow(self, entry: dict[str, Any] | None) -> None:
        """Say which candidate every process is to ask too, None for none."""
        self._replace("shadow.json", json.dumps(entry))

    def in_shadow(self) -> dict[str, Any] | None:
        """The candidate that every process is to ask too, as it was said."""
        return self._read("shadow.json")

    def note_shadow(self, entry: dict[str, Any]) -> None:
        """Write down how the candidate compares in this process."""
        self._replace(f"{self._name}.shadow.json", json.dumps(entry))

    def shadow_notes(self) -> list[dict[str, Any] | None]:
        """What each living process wrote of the candidate, None where it has written nothing."""
        return [self._read(f"{name}.shadow.json") for name in self._living()]

    def leave(self) -> None:
        """Be a worker, and leader, no longer; the last one takes the directory away."""
        is_last = len(list(self._living())) == 1
        for suffix in ("json", "shadow.json", "lock"):
            (self.directory / f"{self._name}.{suffix}").unlink(missing_ok=True)
        self._alive.close()
        if self._leading is not None:
            self._leading.close()
            self._leading = None
        if is_last:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _living(self) -> Iterator[str]:
        """Names of the processes whose lock is held; what the dead left is taken away."""
        for path in sorted(self.directory.glob("worker-*.lock")):
            if path.stem == self._name:
                yield path.stem
                continue
            try:
                with path.open("a+") as file:
                    alive = not _taken(file)
                    if not alive:
                        path.unlink(missing_ok=True)
            except FileNotFoundError:
                continue
            if alive:
                yield path.stem
            else:
                for suffix in (".json", ".shadow.json"):
                    path.with_suffix(suffix).unlink(missing_ok=True)

    def _locked_anew(self, name: str) -> IO[str]:
        """A file of this process, locked; made again where it was taken for one of the dead."""
        while True:
            path = self.directory / name
            file = path.open("a+")
            fcntl.flock(file, fcntl.LOCK_EX)
            if path.exists() and path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                return file
            file.close()

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads((self.directory / name).read_text())
        except FileNotFoundError:
            return None
        return found

    def _replace(self, name: str, text: str) -> None:
        partial = self.directory / f"{self._name}.{name}.partial"
        partial.write_text(text)
        partial.replace(self.directory / name)


def directory(worker_index: int | None) -> Path:
    """Where the processes of this server agree: named after the process that started them all.

    worker_index: of BentoML, None where the service runs in a process of its own
    Raises ValueError where another user made the directory.
    """
    if worker_index is None:
        return Path(tempfile.mkdtemp(prefix="ojala-serving-"))
    parent = psutil.Process(os.getppid())
    name = f"ojala-serving-{os.getuid()}-{parent.pid}-{parent.create_time():.2f}"
    place = Path(tempfile.gettempdir()) / name
    place.mkdir(mode=0o700, exist_ok=True)
    if place.stat().st_uid != os.getuid():
        raise ValueError(f"{place} belongs to another user: remove it")
    return place


def _taken(file: IO[str]) -> bool:
    """Take the lock of a file, if nobody else has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
