"""The domain of training: how far a source's embedding lies from those of held-out sources.

    distance^2 = (e - mean)^T C^-1 (e - mean),    C the covariance of embeddings, shrunk

The mean and C are those of one half of held-out sources; the limit is the distance that a stated
share of the other half exceeds: the false-alarm rate. What the flag cannot see is a strange source
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

SHRINKAGE = 0.01
"""Of the covariance towards a multiple of the identity: some directions hardly vary."""

LEAST_SOURCES = 400
"""Held-out sources that make a domain: some four of each half lie beyond its limit."""


@dataclass(frozen=True, kw_only=True)
class Domain:
    """Where the embeddings of a bundle's held-out sources lie.

    mean: (width,); whiten: (width, width), the distance is the length of ``(e - mean) @ whiten``
    limit: distance beyond which a source is outside; false_alarms: share of held-out ones that are
    num_sources: that it was measured on; bundle: digest of the bundle whose embeddings they are
    """

    mean: NDArray[np.float64]
    whiten: NDArray[np.float64]
    limit: float
    false_alarms: float
    num_sources: int
    bundle: str

    def distance(self, embeddings: NDArray[Any]) -> NDArray[np.float64]:
        """Distances of embeddings, (num_sources, width), NaN where they are NaN: (num_sources,)."""
        return np.asarray(np.linalg.norm((embeddings - self.mean) @ self.whiten, axis=1))

    def outside(self, embeddings: NDArray[Any]) -> NDArray[np.bool_]:
        """Which embeddings, (num_sources, width), lie beyond the limit: (num_sources,)."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.distance(embeddings) > self.limit)

    def check(self, digest: str) -> None:
        """Raise ValueError where the embeddings are those of another bundle."""
        if digest != self.bundle:
            raise ValueError(
                f"the training domain is that of bundle {self.bundle[:12]}, and this is "
                f"{digest[:12]}: ojala domain makes one of its own"
            )

    def digest(self) -> str:
        """SHA-256 of what it tells by."""
        parts = (self.mean, self.whiten, np.array(self.limit))
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
    known = embeddings[np.isfinite(embeddings).all(axis=1)].astype(np.float64)
    if len(known) < LEAST_SOURCES:
        raise ValueError(f"{len(known)} sources with an embedding, expected {LEAST_SOURCES}")
    fitted, judged = known[0::2], known[1::2]
    mean, covariance = fitted.mean(axis=0), np.cov(fitted, rowvar=False)
    width = len(mean)
    plain = np.trace(covariance) / width * np.eye(width)
    values, vectors = np.linalg.eigh((1 - SHRINKAGE) * covariance + SHRINKAGE * plain)
    whiten = vectors / np.sqrt(np.maximum(values, np.finfo(float).tiny))
    found = Domain(
        mean=mean,
        whiten=whiten,
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
        mean=np.zeros(width),
        whiten=np.eye(width),
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
        save_file({"mean": domain.mean, "whiten": domain.whiten}, partial, metadata=told)


def read(path: Path) -> Domain:
    """Open a domain. Raises ValueError naming the file where it is none."""
    try:
        with safe_open(path, framework="numpy") as file:
            told = file.metadata() or {}
            numbers: dict[str, Any] = {name: kind(told[name]) for name, kind in NUMBERS.items()}
            tensors = {name: file.get_tensor(name) for name in ("mean", "whiten")}
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: not a training domain ({error})") from None
    return Domain(**tensors, **numbers)
