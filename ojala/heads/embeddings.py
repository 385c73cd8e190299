"""Embeddings of sources, computed once: what every head of a bundle is trained on."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ojala.model.predictor import Predictor
from ojala.model.shown import Catalogue
from ojala.tables.writing import written_whole

Array = NDArray[np.floating[Any]]


def embeddings(predictor: Predictor, catalogue: Catalogue, kept: str | Path) -> Array:
    """Embeddings of the sources, (num_sources, width) float32, from a file in ``kept`` if there.

    The file's name is a digest of bundle and photometry, as the network sees it: another column of
    the catalogue changes nothing, another value, order or bundle does. An unreadable file is made
    anew; all of them may be deleted at any time.
    """
    path = Path(kept) / f"{key(predictor, catalogue)}.npy"
    found = _read(path)
    if found is None:
        found = predictor.embed(catalogue)
        with written_whole(path) as partial:
            np.save(partial, found)
    return found


def key(predictor: Predictor, catalogue: Catalogue) -> str:
    """SHA-256 of what the embeddings follow from: bundle, photometry, precision and device."""
    values = predictor.shown(catalogue).values
    values[np.isnan(values)] = np.nan  # one bit pattern for all that is missing
    arithmetic = f"{predictor.precision} {predictor.device.type}"
    whole = hashlib.sha256(f"{predictor.bundle.digest} {arithmetic} {values.shape}\n".encode())
    whole.update(np.ascontiguousarray(values).data)
    return whole.hexdigest()


def _read(path: Path) -> Array | None:
    try:
        found: Array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found
