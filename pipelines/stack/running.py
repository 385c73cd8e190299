"""Processes that are begun in their order, looked after, and gone when the stack ends."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from pipelines.stack.on_loopback import Process

PATIENCE = 300.0
"""Seconds within which a process must be well; the first start of MLflow makes its tables."""

LAST_TO_BE_WELL = "service"
"""It ends, and is begun anew, until a version is registered."""

GRACE = 20.0
"""Seconds that a process has to end after SIGTERM."""

SHORTEST_PAUSE, LONGEST_PAUSE = 5.0, 60.0
"""Seconds between two beginnings of what ends; each pause is twice the one before."""

SET_PARENT_DEATH_SIGNAL, SET_CHILD_SUBREAPER = 1, 36
"""Of Linux's prctl: what is told when a parent dies, and who becomes the parent of orphans."""


class Running:
    """The processes of a stack that live."""

    def __init__(
        self, processes: Sequence[Process], place: Path, environment: Mapping[str, str]
    ) -> None:
        self.processes = {process.name: process for process in processes}
        self.environment = environment
        self.logs = place / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.alive: dict[str, subprocess.Popen[bytes]] = {}
        self.pauses: dict[str, float] = {}
        self.not_before: dict[str, float] = {}
        _prctl(SET_CHILD_SUBREAPER, 1)

    def begin_all(self) -> None:
        """Begin each as soon as what it comes after is well; wait until all but the service are.

        Raises ValueError where one ends, or is not well in time.
        """
        for name, process in self.processes.items():
            for other in process.after:
                for each in self.processes:
                    if each == other or each.startswith(f"{other}-"):
                        self.wait(each)
            self.begin(name)
        for name in set(self.processes) - {LAST_TO_BE_WELL}:
            self.wait(name)

    def begin(self, name: str) -> None:
        """Begin one; what it says is added to logs/NAME.log."""
        process = self.processes[name]
        with (self.logs / f"{name}.log").open("ab") as log:
            self.alive[name] = subprocess.Popen(
                process.command,
                env={**self.environment, **process.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                user=process.user,
                cwd="/" if process.user else None,
                start_new_session=True,
                preexec_fn=_ends_with_parent,
            )

    def is_well(self, name: str) -> bool:
        """Whether one does its work; one that is done has done it."""
        process, alive = self.processes[name], self.alive[name]
        if not process.restarts:
            return alive.poll() == 0
        if alive.poll() is not None:
            return False
        own = {**self.environment, **process.environment}
        asked = subprocess.run(process.check or ("true",), env=own, capture_output=True)
        return asked.returncode == 0

    def wait(self, name: str, patience: float = PATIENCE) -> None:
        """Wait until one is well. Raises ValueError where it ended, or is not well in time."""
        end = time.monotonic() + patience
        while not self.is_well(name):
            ended = self.alive[name].poll()
            if ended is not None or time.monotonic() > end:
                why = "is not well" if ended is None else f"ended with {ended}"
                raise ValueError(f"{name} {why}: {self._last_words(name)}")
            time.sleep(0.3)

    def tend(self) -> list[str]:
        """Begin anew what ended and should not have, seldom if it does so often; its names."""
        now = time.monotonic()
        gone = [
            name
            for name, alive in self.alive.items()
            if alive.poll() is not None
            and self.processes[name].restarts
            and now > self.not_before.get(name, 0.0)
        ]
        for name in gone:
            self.pauses[name] = min(2 * self.pauses.get(name, SHORTEST_PAUSE), LONGEST_PAUSE)
            self.not_before[name] = now + self.pauses[name]
            self.begin(name)
        return gone

    def stop(self, name: str) -> None:
        """End one and what it began."""
        alive = self.alive.pop(name)
        if alive.poll() is None:
            _end([psutil.Process(alive.pid)], self.processes[name].stops_by)
        alive.wait()

    def stop_all(self) -> None:
        """End all, the last first, and whatever they left behind."""
        for name in reversed(list(self.alive)):
            self.stop(name)
        _end(psutil.Process().children())

    def _last_words(self, name: str) -> str:
        path = self.logs / f"{name}.log"
        lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
        return f"{lines[-1].strip() if lines else 'it said nothing'} ({path})"


def _end(processes: Sequence[psutil.Process], how: int = signal.SIGTERM) -> None:
    """Ask processes to end; after a while make them, and all that they began."""
    family = [*processes]
    for one in processes:
        family += _children(one)
        _signal(one, how)
    _, stubborn = psutil.wait_procs(family, timeout=GRACE)
    for one in stubborn:
        _signal(one, signal.SIGKILL)
    psutil.wait_procs(stubborn, timeout=GRACE)


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        found: list[psutil.Process] = process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return found


def _signal(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def _prctl(option: int, value: int) -> None:
    """Linux alone has it: elsewhere orphans are not ours."""
    if os.uname().sysname == "Linux":
        ctypes.CDLL(None).prctl(option, value)


def _ends_with_parent() -> None:
    _prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
