"""Requests that ask for the candidate by its name, and wait for it in one process."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from typing import Any

from serving.standing import Reply, Request, Standing, Told

MOST_NAMED = 16
"""Requests that wait, beyond which others are refused: the candidate is behind all else."""


class NotStanding(Exception):
    """There is no candidate that could be asked, and why not."""


class TooMany(Exception):
    """More wait for the candidate than it answers soon."""


class Named:
    """Requests by name, the first first, and what each of them is told."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Request, Future[Any]]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def ask(self, request: Request) -> Future[Any]:
        """The answer to come. Raises TooMany where it would not come soon."""
        if len(self) >= MOST_NAMED:
            raise TooMany(f"{len(self)} requests wait for the candidate, ask again")
        said: Future[Any] = Future()
        self._waiting.append((request, said))
        return said

    def refuse(self, why: str) -> None:
        """Tell all that wait why nobody answers them."""
        while self._waiting:
            _, said = self._waiting.popleft()
            if said.set_running_or_notify_cancel():
                said.set_exception(NotStanding(why))

    def answer(self, standing: Standing, seconds: float) -> tuple[Told] | None:
        """Let a candidate answer the first that waits; what it said, if that was no answer.

        seconds: between two looks at whether it has
        """
        request, said = self._waiting.popleft()
        if not said.set_running_or_notify_cancel():  # nobody waits for it any more
            return None
        try:
            standing.ask(request)
            while (told := standing.told(seconds)) is None:
                pass
        except Exception as error:
            said.set_exception(error)
            raise
        (reply,) = told
        if not isinstance(reply, Reply):
            said.set_exception(NotStanding(f"the candidate failed: {reply}"))
            return told
        if reply.wrong:
            said.set_exception(ValueError(reply.wrong))
        else:
            said.set_result(reply.answer)
        return None
