"""An edition in a process of its own, beside the one that answers.

It is asked by one thread, for one thing after another. It holds its edition from its beginning to
its end, and ends with the process that began it.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import torch

from serving.answering import Answering, rehearsed
from serving.edition import Edition

LOADING, ANSWERING = 600.0, 120.0
"""Seconds in which an edition must have been loaded, and have answered: it waits for others."""

Request = Callable[[Answering], Any]
"""What a process is asked: a function of what it holds that can be sent to it."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a request came to; wrong: why it came to nothing, "" where it did."""

    answer: Any = None
    wrong: str = ""


Told = str | Reply | None
"""Why a process fails; or what it replies, None once when it has loaded its edition."""


class Standing:
    """A process as the one that asks it sees it.

    is_behind: it has one thread, and runs where nobody else wants the processor
    """

    def __init__(self, edition: Edition, *, is_behind: bool = False) -> None:
        context = multiprocessing.get_context("spawn")
        threads = 1 if is_behind else torch.get_num_threads()
        self._asks, answers = context.Pipe()
        self._process = context.Process(
            target=stand, args=(edition, answers, threads, is_behind), daemon=True
        )
        self._process.start()
        answers.close()
        self._wait(LOADING)

    def told(self, seconds: float) -> tuple[Told] | None:
        """What it says next, None where that is nothing within some seconds.

        It is a failure where it has died, or has been silent for too long.
        """
        try:
            if self._asks.poll(seconds):
                return (self._asks.recv(),)
        except (EOFError, OSError):
            return ("its process has died",)
        late = time.monotonic() > self._due
        return (f"it said nothing for {self._patience:.0f} seconds",) if late else None

    def ask(self, request: Request) -> None:
        """Let it answer a request."""
        self._wait(ANSWERING)
        with contextlib.suppress(OSError):  # told() says that it died
            self._asks.send(request)

    def _wait(self, patience: float) -> None:
        self._patience, self._due = patience, time.monotonic() + patience

    def end(self) -> None:
        """Stand no longer, at once."""
        self._process.kill()
        self._process.join()
        self._asks.close()


def behind(edition: Edition) -> Standing:
    """A process that is behind all others."""
    return Standing(edition, is_behind=True)


def stand(edition: Edition, asked: Connection, threads: int, is_behind: bool) -> None:
    """Load an edition, check it as what is to answer is checked, and reply to what comes."""
    torch.set_num_threads(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with its parent
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.pop("OJALA_REFERENCE", None)  # who asks watches for drift
    try:
        if is_behind:
            os.nice(5)
        answering = rehearsed(edition)
        if is_behind:
            os.nice(14)
        asked.send(None)
        while True:
            asked.send(replied(answering, asked.recv()))
    except EOFError:
        return
    except Exception as error:  # whatever it is, who asks goes on without this process
        asked.send(" ".join(str(error).split()) or type(error).__name__)


def replied(answering: Answering, request: Request) -> Reply:
    """What a request comes to, or what is wrong with it: that is no fault of who answers."""
    try:
        return Reply(answer=request(answering))
    except ValueError as error:
        return Reply(wrong=str(error))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
