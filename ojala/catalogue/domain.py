"""The domain of training: how far a source's embedding lies from those of held-out sources.

The distance is that to the K_TH nearest of one half of the held-out sources, which is large where
few of them are (Loftsgaarden & Quesenberry 1965); the limit is the one that a stated share of the
other half exceeds: the false-alarm rate. Classes and redshifts lie in sheets and threads, between
which a mean and a covariance see nothing strange. What the flag cannot see is a strange source
that the encoder maps among common ones.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ojala.tables.writing import written_whole

FALSE_ALARMS = 0.01
"""Share of held-out sources that are said to be outside."""

K_TH = 20
"""Of the nearest held-out sources, the one whose distance counts."""

MOST_NEIGHBOURS = 2048
"""That are kept: each takes a product with every embedding that is judged."""

ROWS = 1024
"""Embeddings whose distances are held at a time."""

LEAST_SOURCES = 400
"""Held-out sources that make a domain: some four of each half lie beyond its limit."""


@dataclass(frozen=True, kw_only=True)
class Domain:
    """Where the embeddings of a bundle's held-out sources lie.

    neighbours: embeddings, (num_neighbours, width)
    limit: distance beyond which a source is outside; false_alarms: share of held-out ones that are
    num_sources: that it was measured on; bundle: digest of the bundle whose embeddings they are
    """

    neighbours: NDArray[np.float32]
    limit: float
    false_alarms: float
    num_sources: int
    bundle: str

    def distance(self, embeddings: NDArray[Any]) -> NDArray[np.float32]:
        """Distances of embeddings, (num_sources, width), NaN where they are NaN: (num_sources,).

        ``catalogue.nearest`` says which they are, to more digits, in eight times the time.
        """
        given = embeddings.astype(np.float32)
        parts = [self._distance(given[i : i + ROWS]) for i in range(0, len(given), ROWS)]
        return np.concatenate([np.empty(0, dtype=np.float32), *parts])

    def _distance(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of so few that all their distances can be held."""
        lengths = np.square(self.neighbours).sum(axis=1)
        apart = lengths - 2 * (embeddings @ self.neighbours.T)
        k_th = min(K_TH, len(lengths)) - 1
        squared = np.partition(apart, k_th, axis=1)[:, k_th] + np.square(embeddings).sum(axis=1)
        return np.asarray(np.sqrt(np.maximum(squared, 0)))

    def outside(self, embeddings: NDArray[Any]) -> NDArray[np.bool_]:
        """Which embeddings, (num_sources, width), lie beyond the limit: (num_sources,)."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.distance(embeddings) > self.limit)

    def trust(self, distance: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """1 within the limit, and limit / distance beyond it; both (num_sources,)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.fmin(self.limit / distance.astype(np.float64), 1.0))

    def check(self, digest: str) -> None:
        """Raise ValueError where the embeddings are those of another bundle."""
        if digest != self.bundle:
            raise ValueError(
                f"the training domain is that of bundle {self.bundle[:12]}, and this is "
                f"{digest[:12]}: ojala domain makes one of its own"
            )

    def digest(self) -> str:
        """SHA-256 of what it tells by."""
        parts = (self.neighbours, np.array(self.limit))
        return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()

    def said(self) -> str:
        """What a header says of it."""
        if not np.isfinite(self.limit):
            return f"none: {self.num_sources} held-out sources are too few to judge"
        return f"{self.false_alarms:g} of {self.num_sources} held-out sources lie outside"


def measured(
    embeddings: NDArray[Any], bundle: str, *, false_alarms: float = FALSE_ALARMS
) -> Domain:
    """The domain of held-out sources.

    embeddings: (num_sources, width), rows with NaN left out; bundle: digest
    Raises ValueError for too few sources.
    """
    known = embeddings[np.isfinite(embeddings).all(axis=1)].astype(np.float32)
    if len(known) < LEAST_SOURCES:
        raise ValueError(f"{len(known)} sources with an embedding, expected {LEAST_SOURCES}")
    neighbours, judged = known[0::2], known[1::2]
    found = Domain(
        # In one piece, as safetensors takes an array to be.
        neighbours=neighbours[:: -(-len(neighbours) // MOST_NEIGHBOURS)].copy(),
        limit=np.inf,
        false_alarms=false_alarms,
        num_sources=len(known),
        bundle=bundle,
    )
    limit = float(np.quantile(found.distance(judged), 1 - false_alarms))
    return replace(found, limit=limit)


def everywhere(num_sources: int, width: int, bundle: str) -> Domain:
    """The domain that no embedding, (num_sources, width), is outside of: too few make another."""
    return Domain(
        neighbours=np.zeros((1, width), dtype=np.float32),
        limit=np.inf,
        false_alarms=0.0,
        num_sources=num_sources,
        bundle=bundle,
    )


NUMBERS = {"limit": float, "false_alarms": float, "num_sources": int, "bundle": str}


def write(domain: Domain, path: Path) -> None:
    """Write a domain as safetensors, whole or not at all."""
    told = {name: str(getattr(domain, name)) for name in NUMBERS}
    with written_whole(path) as partial:
        save_file({"neighbours": domain.neighbours}, partial, metadata=told)


def read(path: Path) -> Domain:
    """Open a domain. Raises ValueError naming the file where it is none, or is of an older form."""
    try:
        with safe_open(path, framework="numpy") as file:
            told = file.metadata() or {}
            if "whiten" in list(file.keys()):
                raise ValueError("of before neighbours were kept: ojala domain makes one anew")
            numbers: dict[str, Any] = {name: kind(told[name]) for name, kind in NUMBERS.items()}
            neighbours = file.get_tensor("neighbours")
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: not a training domain ({error})") from None
    return Domain(neighbours=neighbours, **numbers)
