"""Has the jobs done, one after another, each in a process of its own beside those that answer.

Every process of a server has a foreman; the one that holds the lock of the directory is at work.
The process of a job ends with its foreman, by a pipe that breaks. Whoever takes over goes on from
the shards that are finished: after the death of a process, and after a restart of the server.
"""

from __future__ import annotations

import fcntl
import logging
import os
import subprocess
import sys
import threading
from typing import IO

from serving.jobs import FAILED, Job, Jobs

log = logging.getLogger("bentoml.ojala")

LOOK = 0.2
"""Seconds between two looks."""


class Foreman:
    """The thread that has the jobs of a directory done, where no other process does."""

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs
        self._lock: IO[str] | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="foreman", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop the job that is being done; it goes on where another foreman is."""
        self._ended.set()
        self._thread.join(timeout=10)
        if self._lock is not None:
            self._lock.close()

    def _run(self) -> None:
        while not self._ended.wait(LOOK):
            try:
                if self._is_at_work():
                    self.jobs.remove_old()
                    job = self.jobs.next()
                    if job is not None:
                        self._have_done(job)
            except Exception:  # a disk that is full, say: the next look may find it otherwise
                log.exception("jobs")

    def _is_at_work(self) -> bool:
        """Whether this process is the one, which it stays until it ends."""
        if self._lock is None:
            file = (self.jobs.directory / "foreman.lock").open("a")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                return False
            self._lock = file
        return True

    def _have_done(self, job: Job) -> None:
        """See a job to its end, or to that of this foreman."""
        place = self.jobs.place(job.name)
        command = [sys.executable, "-m", "serving.job_process", str(place)]
        # In a Bento this process alone knows where its code lies.
        known = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with subprocess.Popen(command, stdin=subprocess.PIPE, env=known) as process:
            while process.poll() is None:
                if self._ended.wait(LOOK) or self.jobs.ended(job) is not None:
                    process.kill()
                    process.wait()
        if self._ended.is_set():
            return
        self.jobs.end(job, FAILED, (_death(process.returncode),))  # unless it said how it ended
        self.jobs.tidy(job)


def _death(code: int) -> str:
    how = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
    return f"the process that answered it {how}; the log of the server may say more"
