"""Whether what is asked for drifts away from a reference: OJALA_REFERENCE (docs/service.md).

The reference is a table of sources, which ``ojala reference`` draws. Each version that is to answer
embeds them itself, so that a promotion needs no other file.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ojala.catalogue import domain
from ojala.catalogue.drift import Window, measured
from ojala.model.predictor import Predictor
from ojala.model.shown import Shown
from ojala.tables.files import read_table_file
from ojala.tables.shards import numbers
from ojala.vocabulary.bands import bands
from ojala.vocabulary.quantities import vocabulary
from serving import metrics, settings

BANDS = tuple(band.token for band in bands())
MOST_SOURCES = 20_000
"""Of a reference: every version embeds them before it answers, in seconds."""


PAUSE = 1.0
"""Seconds between two judgements of a window."""


class Watch:
    """What a version was asked about lately, beside the reference; its methods may meet."""

    def __init__(self, window: Window, training: domain.Domain) -> None:
        self.window, self.training = window, training
        self._alone = threading.Lock()
        self._told = -float("inf")

    def see(self, embeddings: NDArray[Any], sources: Shown) -> None:
        """Take the sources of a request in, and tell the metrics; embeddings: (num, width)."""
        known = sources.answered
        if not known.any():
            return
        metrics.sources_outside.inc(int(self.training.outside(embeddings[known]).sum()))
        with self._alone:
            self.window.add(embeddings[known], _bands(sources)[known])
            if time.monotonic() - self._told >= PAUSE:
                self._told = time.monotonic()
                metrics.tell_drift(self.window.told(), len(self.window))


def watch(predictor: Predictor) -> Watch | None:
    """The watch of a version, None where OJALA_REFERENCE names no file.

    Raises ValueError naming the file where it is no reference.
    """
    name = os.environ.get("OJALA_REFERENCE")
    if not name:
        return None
    path = Path(name)
    if not path.is_file():
        raise ValueError(f"{path}: there is no such reference; ojala reference makes one")
    table = read_table_file(path)
    if len(table) > MOST_SOURCES:
        raise ValueError(
            f"{path}: {len(table)} sources, expected {MOST_SOURCES} at most: ojala reference "
            "draws some"
        )
    try:
        shown = predictor.shown(table)
        embeddings = predictor.embed(shown)
        has_weights = "weight" in table.column_names
        weights = numbers(table["weight"].to_numpy(), "weight") if has_weights else None
        window = Window(measured(embeddings, _bands(shown), weights), settings.drift_window())
        return Watch(window, domain.measured(embeddings, predictor.bundle.digest))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _bands(sources: Shown) -> NDArray[np.float32]:
    """Scaled values of the bands, (num_sources, num_bands)."""
    return sources.values[:, [vocabulary().index(token) for token in BANDS]]
