"""The arithmetic of an edition apart from the process that reads and writes.

Both are Python: in one process they hold its lock by turns, and their times add up. So the network
goes to a process of its own as soon as requests wait for one another. Until that process is ready,
and where it is none, the Predictor that is here computes: the answers are the same, to the last
bit, and none is lost.
"""

from __future__ import annotations

import logging
import math
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

    def __init__(self, begin: Callable[[Edition], Standing] = Standing) -> None:
        self._begin = begin
        self._edition: Edition | None = None
        self._standing: Standing | None = None
        self._is_ready = False
        self._not_before = -math.inf

    def ask(self, answering: Answering, request: Request, *, is_pressed: bool) -> Any:
        """What a request comes to.

        is_pressed: others wait, so that a process is worth its memory
        Raises ValueError where the request does.
        """
        self._keep_to(answering.edition)
        if is_pressed and self._standing is None:
            self._begin_anew(answering.edition)
        reply = None
        if self._standing is not None and self._is_ready_as(answering, self._standing):
            reply = self._reply(self._standing, request)
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
            self._edition, self._not_before = edition, -math.inf

    def _begin_anew(self, edition: Edition) -> None:
        if time.monotonic() >= self._not_before:
            self._standing = self._begin(edition)

    def _is_ready_as(self, answering: Answering, standing: Standing) -> bool:
        """Whether a process has loaded what answers here: a directory may hold another by now."""
        if self._is_ready:
            return True
        told = standing.told(0)
        if told is not None and isinstance(why := told[0], str):
            self._fail(why, RETRY)
        elif told is not None:
            held = self._reply(standing, digests)
            self._is_ready = held is not None and held.answer == digests(answering)
            if held is not None and not self._is_ready:
                self._fail("its files are others by now", math.inf)
        return self._is_ready

    def _reply(self, standing: Standing, request: Request) -> Reply | None:
        """What a process that is ready replies; None where it has failed."""
        standing.ask(request)
        told = None
        while told is None:
            told = standing.told(LOOK)
        (said,) = told
        if isinstance(said, Reply):
            return said
        self._fail(said or "it began anew", RETRY)
        return None

    def _fail(self, why: str, retry: float) -> None:
        log.warning("%s is computed where it is asked for: %s", self._edition, why)
        self.end()
        self._not_before = time.monotonic() + retry


def digests(answering: Answering) -> tuple[str, ...]:
    """Of the bundle and of the heads beside it."""
    return (answering.model.digest, *(head.digest for head in answering.heads))
