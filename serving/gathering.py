"""Requests that wait for the model are answered together, in one batch of the Predictor.

A request alone leaves most of a batch empty: while one batch is computed the next ones gather.
That changes no answer, to the last bit, since an answer of the Predictor does not depend on the
sources beside it. Nothing waits for company: whoever finds the model idle is answered at once.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial

import numpy as np

from ojala.model.shown import Shown
from ojala.tables.shards import Columns
from serving import metrics, settings
from serving.answering import Answering, computed
from serving.apart import Apart

MOST_TOGETHER, PREFERRED_TOGETHER = 512, 256
"""Sources that are answered together: half of what waits, so that the next are read meanwhile, but
at least those that are preferred if there are so many, since small batches cost more each."""

ENOUGH = 64
"""Sources of a batch whose cost is that of its sources: what a batch costs of its own is shared."""

FIRST_GUESS = 0.001
"""Seconds that a source takes, before any was measured."""

Said = tuple[Columns, tuple[str, ...]]
"""The answers about the sources of a request, and notes on what of it was not taken."""


Computed = tuple[Shown, Columns]
"""What the network was shown of a batch, and what it says."""


class Busy(Exception):
    """More sources wait than can be answered soon; seconds: after which to ask again."""

    def __init__(self, num_waiting: int, seconds: int) -> None:
        super().__init__(
            f"{num_waiting} sources are waiting to be answered, ask again in {seconds} seconds"
        )
        self.seconds = seconds


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """A request that waits.

    sources: columns by their released names, equally long; queries: None for all
    """

    answering: Answering
    sources: Columns
    queries: tuple[str, ...] | None
    said: Future[Said] = field(default_factory=Future)

    def __len__(self) -> int:
        return num_sources(self.sources)

    def is_like(self, other: Asked) -> bool:
        """Whether one batch can answer both."""
        return self.answering is other.answering and self.queries == other.queries


class Gathering:
    """What waits for the model of this process, and the thread that asks it.

    now: what a request that begins now is answered with, set by the service
    overhear: told of each request that was answered, and of what it was told
    """

    now: Callable[[], Answering]
    overhear: Callable[[Asked, Columns, bool], None] | None = None

    def __init__(self) -> None:
        self.most_seconds = settings.wait_seconds()
        self._apart = Apart() if settings.apart() else None
        self._waiting: deque[Asked] = deque()
        self._num_unanswered = 0
        self._seconds_each = FIRST_GUESS
        self._changed = threading.Condition()
        self._telling = ThreadPoolExecutor(1, thread_name_prefix="telling")
        self._thread = threading.Thread(target=self._run, name="gathering", daemon=True)
        self._thread.start()

    def ask(self, asked: Asked) -> Future[Said]:
        """The answer to come. Raises Busy where it would not come soon."""
        self.check_soon()
        with self._changed:
            self._waiting.append(asked)
            self._num_unanswered += len(asked)
            self._changed.notify()
        return asked.said

    def end(self) -> None:
        """Compute nowhere else any more."""
        if self._apart is not None:
            self._apart.end()

    def check_soon(self) -> None:
        """Raise Busy where a request that comes now would wait longer than OJALA_WAIT_SECONDS."""
        wait = self._num_unanswered * self._seconds_each
        if wait > self.most_seconds:
            raise Busy(self._num_unanswered, max(1, math.ceil(wait)))

    def _run(self) -> None:
        while True:
            batch = self._next()
            began = time.monotonic()
            alive = [one for one in batch if one.said.set_running_or_notify_cancel()]
            if alive:
                answer(alive, self._compute, self._tell)
            num, taken = sum(map(len, batch)), time.monotonic() - began
            with self._changed:
                self._num_unanswered -= num
                if alive:
                    self._learn(taken / num, num)

    def _compute(self, batch: Sequence[Asked]) -> Computed:
        """What the network says of a batch, in a process of its own where that is faster."""
        if self._apart is None:
            return compute(batch)
        is_pressed = len(batch) > 1 or bool(self._waiting)
        found: Computed = self._apart.ask(
            batch[0].answering, _request(batch), is_pressed=is_pressed
        )
        return found

    def _tell(self, batch: Sequence[Asked], found: Computed, seconds: float) -> None:
        """Let a batch be told what was computed, while the next one is."""
        self._telling.submit(self._tell_and_let_overhear, batch, found, seconds)

    def _tell_and_let_overhear(
        self, batch: Sequence[Asked], found: Computed, seconds: float
    ) -> None:
        tell(batch, found, seconds)
        for one in batch:  # now that everybody has their answer
            if self.overhear is not None and one.said.exception() is None:
                self.overhear(one, one.said.result()[0], bool(self._waiting))

    def _learn(self, seconds_each: float, num: int) -> None:
        """What sources take lately; a small batch tells at most that they are faster."""
        change = seconds_each - self._seconds_each
        if num >= ENOUGH or change < 0:
            self._seconds_each += 0.3 * change

    def _next(self) -> list[Asked]:
        """The first that waits and those that are like it, as many as are answered together."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting)
            most = min(MOST_TOGETHER, max(PREFERRED_TOGETHER, self._num_unanswered // 2))
            taken: list[Asked] = []
            kept: deque[Asked] = deque()
            num = 0
            for one in self._waiting:
                fits = not taken or (one.is_like(taken[0]) and num + len(one) <= most)
                (taken if fits else kept).append(one)
                num += len(one) if fits else 0
            self._waiting = kept
            return taken


@cache
def here() -> Gathering:
    """What gathers in this process: it has one model at a time, and one thread that asks it."""
    return Gathering()


def compute(batch: Sequence[Asked]) -> Computed:
    """What the network says of requests that are alike, in this process."""
    return _request(batch)(batch[0].answering)


def _request(batch: Sequence[Asked]) -> Callable[[Answering], Computed]:
    first = batch[0]
    return partial(
        computed,
        sources=together([one.sources for one in batch]),
        queries=first.queries,
        embeddings=first.answering.watch is not None,
    )


def tell(batch: Sequence[Asked], found: Computed, seconds: float) -> None:
    """Give each request of a batch what was said of its sources; seconds: that it took."""
    try:
        said = _said(batch, *found, seconds)
    except Exception as error:
        for one in batch:
            one.said.set_exception(error)
        return
    for one, own in zip(batch, said, strict=True):
        one.said.set_result(own)


def answer(
    batch: Sequence[Asked],
    compute: Callable[[Sequence[Asked]], Computed] = compute,
    tell: Callable[[Sequence[Asked], Computed, float], None] = tell,
) -> None:
    """Answer requests that are alike; where that fails, each by itself, so that it is told why."""
    began = time.monotonic()
    try:
        found = compute(batch)
    except Exception as error:  # whatever it is, it is told to whoever asked
        if len(batch) > 1:
            for one in batch:
                answer([one], compute, tell)
        else:
            batch[0].said.set_exception(error)
        return
    tell(batch, found, time.monotonic() - began)


def _said(batch: Sequence[Asked], seen: Shown, columns: Columns, seconds: float) -> list[Said]:
    """What to tell each request, once all was counted and watched."""
    first = batch[0].answering
    if first.watch is not None:
        first.watch.see(columns.pop("EMBEDDING"), seen)
    metrics.count(seen, columns, first.model.version)
    ends = np.cumsum([len(one) for one in batch])
    found = []
    for one, end in zip(batch, ends, strict=True):
        metrics.count_request(len(one), seconds)
        own = {name: values[end - len(one) : end] for name, values in columns.items()}
        notes: tuple[str, ...] = ()
        if seen.remarks:  # of somebody's sources
            notes = seen.notes if len(batch) == 1 else first.predictor.shown(one.sources).notes
        found.append((own, notes))
    return found


def together(requests: Sequence[Columns]) -> Columns:
    """Sources of several requests as one table; a column that a request has not is as left out."""
    names = dict.fromkeys(name for columns in requests for name in columns)
    return {
        name: np.concatenate(
            [
                columns[name]
                if name in columns
                else np.full(num_sources(columns), left_out(name), dtype=_kind(name))
                for columns in requests
            ]
        )
        for name in names
    }


def num_sources(columns: Columns) -> int:
    """Sources of a request, which has one column at least."""
    return len(next(iter(columns.values())))


def left_out(name: str) -> float | str:
    """What stands for a value that was not given: an error that is unknown makes none useless."""
    if name == "MORPHTYPE":
        return ""
    return 1.0 if name.endswith("_ERR") else np.nan


def _kind(name: str) -> type:
    return object if name == "MORPHTYPE" else float
