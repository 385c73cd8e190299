"""A candidate in the shadow: a process of its own beside the one that answers, and behind it.

It has one thread, and the lowest priority once it is loaded. It holds one edition from its
beginning to its end, and ends with the process that began it.
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

from ojala.gate.shadow import Compared, compared
from ojala.tables.shards import Columns
from serving.answering import Answering, rehearsed
from serving.edition import Edition

LOADING, ANSWERING = 600.0, 120.0
"""Seconds in which a candidate must have been loaded, and have answered: it waits for others."""

Request = Callable[[Answering], Any]
"""What a candidate is asked by its name: a function of it that can be sent to its process."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a candidate answers to a request by its name; wrong: why not, "" where it does."""

    answer: Any = None
    wrong: str = ""


Told = str | Compared | Reply | None
"""Why a candidate fails; or what it came to, None for queries that it does not know."""


@dataclass(frozen=True, kw_only=True)
class Overheard:
    """A request that was answered, and what it was told.

    edition: that answered it; sources, said: columns, equally long; queries: None for all
    """

    edition: Edition
    sources: Columns
    queries: tuple[str, ...] | None
    said: Columns


class Standing:
    """A candidate's process as the one that answers sees it."""

    def __init__(self, edition: Edition) -> None:
        context = multiprocessing.get_context("spawn")
        self._asks, answers = context.Pipe()
        self._process = context.Process(target=stand, args=(edition, answers), daemon=True)
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

    def ask(self, request: Overheard | Request) -> None:
        """Let it answer a request that was overheard, and compare; or one by its name."""
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


def stand(edition: Edition, asked: Connection) -> None:
    """Load an edition, check it as what is to answer is checked, and compare what comes."""
    os.nice(5)
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with its parent
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        candidate = rehearsed(edition)
        os.nice(19)
        asked.send(None)
        while True:
            request = asked.recv()
            is_overheard = isinstance(request, Overheard)
            asked.send((beside if is_overheard else by_name)(candidate, request))
    except EOFError:
        return
    except Exception as error:  # whatever a broken candidate raises is a reason to refuse it
        asked.send(" ".join(str(error).split()) or type(error).__name__)


def beside(candidate: Answering, overheard: Overheard) -> Compared | None:
    """What a candidate says beside what was said; None for queries that it does not know."""
    predictor = candidate.predictor
    try:
        predictor.check_queries(overheard.queries or ())
    except ValueError:
        return None
    began = time.monotonic()
    said = predictor.predict(overheard.sources, overheard.queries)
    return compared(overheard.said, said, time.monotonic() - began)


def by_name(candidate: Answering, request: Request) -> Reply:
    """What a candidate answers, or what is wrong with the request: that is no fault of its own."""
    try:
        return Reply(answer=request(candidate))
    except ValueError as error:
        return Reply(wrong=str(error))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
