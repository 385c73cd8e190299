"""The arithmetic of an edition apart from the process that reads and writes.

Both are Python: in one process they hold its lock by turns, and their times add up. So the network
goes to a process of its own as soon as requests wait for one another. Until that process is ready,
and where it is none, the Predictor that is here computes: the answers are the same, to the last
bit, and none is lost.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from serving.answering import Answering
from serving.edition import Edition
from serving.standing import Reply, Request, Standing

log = logging.getLogger("bentoml.ojala")

LOOK = 0.2
"""Seconds between two looks at a process that computes."""

RETRY = 10.0
"""Seconds after which a process that has failed is followed by another."""


class Apart:
    """The process that computes, if any: of the edition that was asked last."""

    def __init__(
        self,
        begin: Callable[[Edition], Standing] = Standing,
        retry: float = RETRY,
    ) -> None:
        self._begin, self._retry = begin, retry
        self._edition: Edition | None = None
        self._standing: Standing | None = None
        self._is_ready = False
        self._failed = -float("inf")

    def ask(self, answering: Answering, request: Request, *, is_pressed: bool) -> Any:
        """What a request comes to.

        is_pressed: others wait, so that a process is worth its memory
        Raises ValueError where the request does.
        """
        self._keep_to(answering.edition)
        if is_pressed and self._standing is None:
            self._begin_anew(answering.edition)
        reply = self._reply(self._standing, request) if self._standing is not None else None
        if reply is None:
            return request(answering)
        if reply.wrong:
            raise ValueError(reply.wrong)
        return reply.answer

    def end(self) -> None:
        """Let the process go."""
        standing, self._standing, self._is_ready = self._standing, None, False
        if standing is not None:
            standing.end()

    def _keep_to(self, edition: Edition) -> None:
        if edition != self._edition:
            self.end()
            self._edition, self._failed = edition, -float("inf")

    def _begin_anew(self, edition: Edition) -> None:
        if time.monotonic() - self._failed >= self._retry:
            self._standing = self._begin(edition)

    def _reply(self, standing: Standing, request: Request) -> Reply | None:
        """What a process replies; None where it is not ready yet, or has failed."""
        if not self._is_ready:
            told = standing.told(0)
            self._is_ready = told == (None,)
        if self._is_ready:
            standing.ask(request)
            told = None
            while told is None:
                told = standing.told(LOOK)
        if told is not None and isinstance(said := told[0], Reply):
            return said
        if told is not None and isinstance(said, str):
            self._fail(said)
        return None

    def _fail(self, why: str) -> None:
        log.warning("%s is computed where it is asked for: %s", self._edition, why)
        self.end()
        self._failed = time.monotonic()
