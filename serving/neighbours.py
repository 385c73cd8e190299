"""The sources of the served catalogue as the model that answers embeds them: /similar.

Vectors of two bundles cannot be compared. So each bundle that answers embeds the catalogue itself,
once for all processes of the server and beside what goes on answering; a request that comes before
that is done is refused. The bundle before is kept, for a rollback.
"""

from __future__ import annotations

import fcntl
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ojala.catalogue.nearest import nearest
from ojala.model.predictor import Predictor
from ojala.tables.writing import written_whole
from serving.answering import Answering
from serving.schemas import Neighbour

log = logging.getLogger("bentoml.ojala")

MOST = 1_000_000
"""Sources of a catalogue that is embedded: with a width of 128 their vectors have half a GB."""

ROWS = 2_000
"""Sources that are embedded at a time: between them a server that is told to end does."""

LOOK = 0.5
"""Seconds between two looks at which bundle answers."""

NUM_KEPT = 2

TOLD = ("source_id", "ra", "dec", "CLASS", "Z_GAL", "Z_QSO")
"""Columns of the catalogue that are told of a neighbour, where it has them."""


class NotReady(Exception):
    """The catalogue has not been embedded by the bundle that answers."""


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """Sources of the catalogue that a bundle could embed.

    bundle: its digest; vectors: (num, width) float32; rows: of the catalogue, (num,)
    """

    bundle: str
    vectors: NDArray[np.float32]
    rows: NDArray[np.int64]


class Neighbourhood:
    """The catalogue as the bundles that answered lately embed it, and the thread that asks them.

    place: a directory that the processes of the server share; now: what answers
    made_by: digest of the bundle that the catalogue's own answers are of, if it says so
    """

    def __init__(self, catalogue: pa.Table, place: Path, now: Callable[[], Answering]) -> None:
        self.catalogue, self.place, self._now = catalogue, place, now
        made_by = (catalogue.schema.metadata or {}).get(b"bundle_digest")
        self.made_by = made_by.decode() if made_by else None
        self._held: dict[str, Embedded] = {}
        self._faults: dict[str, str] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="neighbourhood", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Embed no further."""
        self._ended.set()
        self._thread.join(timeout=5)

    def nearest(
        self, answering: Answering, vectors: NDArray[np.float32], num: int
    ) -> list[list[Neighbour]]:
        """The sources nearest to vectors, (num_sources, width), of the bundle that answers.

        Raises NotReady where the catalogue has not been embedded by that very bundle.
        """
        digest = answering.predictor.bundle.digest
        found = self._held.get(digest)
        if found is None:
            raise NotReady(self._why(answering, digest))
        assert found.bundle == digest
        rows, distances = nearest(found.vectors, vectors, num)
        return [
            self._told(found.rows[near], apart) for near, apart in zip(rows, distances, strict=True)
        ]

    def _why(self, answering: Answering, digest: str) -> str:
        version = f"version {answering.model.version}"
        if digest in self._faults:
            return f"{version} cannot embed the catalogue: {self._faults[digest]}"
        return f"{version} has not embedded the catalogue yet, ask again in a while"

    def _told(self, rows: NDArray[np.int64], distances: NDArray[np.float64]) -> list[Neighbour]:
        names = [name for name in TOLD if name in self.catalogue.column_names]
        sources = self.catalogue.select(names).take(rows).to_pylist()
        return [
            Neighbour(distance=float(apart), **{name: _plain(value) for name, value in one.items()})
            for one, apart in zip(sources, distances, strict=True)
        ]

    def _run(self) -> None:
        while not self._ended.wait(LOOK):
            try:
                self._prepare(self._now().predictor)
            except Exception:  # nobody holds what answers, for a moment: the next look will tell
                log.exception("neighbours")

    def _prepare(self, predictor: Predictor) -> None:
        """Hold the catalogue as this bundle embeds it, and as the one before did."""
        digest = predictor.bundle.digest
        if digest in self._held or digest in self._faults:
            return
        try:
            found = self._shared(predictor)
        except ValueError as error:
            self._faults[digest] = str(error)
            return
        if found is not None:
            kept = [*self._held.items()][-(NUM_KEPT - 1) :]
            self._held = dict([*kept, (digest, found)])

    def _shared(self, predictor: Predictor) -> Embedded | None:
        """Embedded by whichever process comes first; None where the server ends meanwhile."""
        digest = predictor.bundle.digest
        self.place.mkdir(parents=True, exist_ok=True)
        vectors, rows = (self.place / f"{digest}.{what}.npy" for what in ("vectors", "rows"))
        with (self.place / f"{digest}.lock").open("a") as alone:
            fcntl.flock(alone, fcntl.LOCK_EX)
            if not vectors.exists():  # it is written last
                made = _embedded(predictor, self.catalogue, self._ended)
                if made is None:
                    return None
                known = np.isfinite(made).all(axis=1)
                _save(rows, np.flatnonzero(known))
                _save(vectors, made[known])
        # mapped: the processes share the memory. "c": torch wants arrays that may be written to.
        return Embedded(bundle=digest, vectors=np.load(vectors, mmap_mode="c"), rows=np.load(rows))


def _embedded(
    predictor: Predictor, catalogue: pa.Table, ended: threading.Event
) -> NDArray[np.float32] | None:
    """Vectors of a catalogue, NaN for a source without an answer, (num_rows, width).

    None where that was ended. Raises ValueError for a catalogue that is too large, one without
    an observation that is understood, and one of which no source has an answer.
    """
    if len(catalogue) > MOST:
        raise ValueError(f"it has {len(catalogue)} sources, expected {MOST} at most")
    parts = []
    for first in range(0, len(catalogue), ROWS):
        if ended.is_set():
            return None
        parts.append(predictor.embed(catalogue.slice(first, ROWS)))
    vectors = np.concatenate(parts)
    if not np.isfinite(vectors).all(axis=1).any():
        raise ValueError("none of its sources can be answered about")
    return vectors


def _save(path: Path, values: NDArray[Any]) -> None:
    with written_whole(path) as partial, partial.open("wb") as file:
        np.save(file, values)


def _plain(value: Any) -> Any:
    """A value of the catalogue, None for NaN and for a text that says nothing."""
    return None if value == "" or value != value else value
