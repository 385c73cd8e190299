"""Large tables that are answered in the background: what is known of each, as files of a directory.

    ID/job.json         what was asked, by whom, and which version answers; never changed
    ID/table.csv        the table, by its format
    ID/progress.json    how many of its sources are answered
    ID/shards/          the answers so far, whole or not there (ojala.catalogue.job)
    ID/answers.csv      the result
    ID/ended.json       what became of it; who writes it first decides

All processes of a server share the directory, and a server that begins later goes on with it.
BentoML's own tasks are not used: their store is one SQLite file of the user that every server which
begins deletes, they know no progress and cannot be cancelled, and where a worker dies they are "in
progress" for ever.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from serving import edition
from serving.edition import Edition

WAITING, RUNNING = "waiting", "running"
DONE, FAILED, CANCELLED = "done", "failed", "cancelled"

KEPT_SECONDS = 24 * 3600
"""For which a job is kept after it has ended."""

NAME = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, kw_only=True)
class Job:
    """What was asked, and what answers.

    name: by which it is asked for; owner: the name of a key, "" where nobody shows one
    suffix: of the table's file; queries: None for all
    model: as answers name it; heads: digests of those that answer
    submitted: seconds since 1970
    """

    name: str
    owner: str
    suffix: str
    media_type: str
    queries: tuple[str, ...] | None
    num_sources: int
    edition: Edition
    model: dict[str, str]
    heads: tuple[str, ...]
    submitted: float


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How many sources are answered, and how many in a second since the job went on last."""

    sources_done: int = 0
    sources_per_second: float = 0.0


@dataclass(frozen=True, kw_only=True)
class End:
    """What became of a job; told: why it failed, or notes on its table; at: seconds since 1970."""

    state: str
    told: tuple[str, ...] = ()
    at: float = 0.0


class Jobs:
    """The jobs of a directory."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory = directory

    def place(self, name: str) -> Path:
        """The directory of a job."""
        return self.directory / name

    def table(self, job: Job) -> Path:
        """Its table."""
        return self.place(job.name) / f"table{job.suffix}"

    def result(self, job: Job) -> Path:
        """Its answers."""
        return self.place(job.name) / f"answers{job.suffix}"

    def begin(self) -> tuple[str, Path]:
        """The name of a job to come, and a directory for its table, which is not one yet."""
        name = uuid.uuid4().hex
        place = self.directory / f"{name}.partial"
        place.mkdir()
        return name, place

    def submit(self, job: Job, place: Path) -> None:
        """Let the job whose table lies in ``place`` wait for its turn."""
        (place / "job.json").write_text(json.dumps(asdict(job)))
        place.rename(self.place(job.name))

    def find(self, name: str) -> Job | None:
        """The job of a name, None where there is none."""
        found = _read(self.place(name) / "job.json") if NAME.fullmatch(name) else None
        if found is None:
            return None
        return Job(
            **found
            | {
                "edition": edition.of(found["edition"]),
                "queries": None if found["queries"] is None else tuple(found["queries"]),
                "heads": tuple(found["heads"]),
            }
        )

    def all(self) -> list[Job]:
        """Every job, the first that was submitted first."""
        found = (self.find(path.name) for path in self.directory.iterdir())
        return sorted(filter(None, found), key=lambda job: (job.submitted, job.name))

    def of(self, owner: str) -> list[Job]:
        """The jobs of a key."""
        return [job for job in self.all() if job.owner == owner]

    def progress(self, job: Job) -> Progress | None:
        """How far a job is; None before it has begun."""
        found = _read(self.place(job.name) / "progress.json")
        return Progress(**found) if found else None

    def note(self, job: Job, progress: Progress) -> None:
        """Write down how far a job is."""
        path = self.place(job.name) / "progress.json"
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(asdict(progress)))
        partial.replace(path)

    def ended(self, job: Job) -> End | None:
        """What became of a job; None while it waits or runs."""
        found = _read(self.place(job.name) / "ended.json")
        return End(**found | {"told": tuple(found["told"])}) if found else None

    def state(self, job: Job) -> str:
        """Whether it waits, runs, or what became of it."""
        end = self.ended(job)
        if end is not None:
            return end.state
        return RUNNING if self.progress(job) else WAITING

    def end(self, job: Job, state: str, told: tuple[str, ...] = ()) -> bool:
        """Say what became of a job, unless that was said; whether it is this that is true now."""
        path = self.place(job.name) / "ended.json"
        partial = path.with_suffix(f".{uuid.uuid4().hex}")
        try:
            partial.write_text(json.dumps(asdict(End(state=state, told=told, at=time.time()))))
            os.link(partial, path)  # unlike a rename it fails where there is one
        except FileExistsError:
            return False
        finally:
            partial.unlink(missing_ok=True)
        return True

    def next(self) -> Job | None:
        """The job whose turn it is."""
        return next((job for job in self.all() if self.ended(job) is None), None)

    def tidy(self, job: Job) -> None:
        """Take away what an ended job needs no longer."""
        kept = {"job.json", "ended.json", "progress.json", self.result(job).name}
        for path in self.place(job.name).iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name not in kept:
                path.unlink(missing_ok=True)

    def remove(self, job: Job) -> None:
        """Take a job away."""
        shutil.rmtree(self.place(job.name), ignore_errors=True)

    def remove_old(self) -> None:
        """Take away what ended long ago, and tables that never became a job."""
        before = time.time() - KEPT_SECONDS
        for job, end in self._ends():
            if end.at < before:
                self.remove(job)
        for place in self.directory.glob("*.partial"):
            if place.stat().st_mtime < before:
                shutil.rmtree(place, ignore_errors=True)

    def _ends(self) -> Iterator[tuple[Job, End]]:
        for job in self.all():
            end = self.ended(job)
            if end is not None:
                yield job, end


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found
