"""How far a score could have come out otherwise, had other sources been observed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ojala.measures.metrics import balanced

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

SHARE = 0.68
"""Share of the draws that an interval holds, symmetric in rank."""


def drawn(
    statistic: Callable[[Rows], Any], num_sources: int, *, num_draws: int, seed: int
) -> Floats:
    """A statistic of sources drawn with replacement, (num_draws, ...).

    statistic: a number or an array of numbers, of the sources in the given rows
    """
    rng = np.random.default_rng(seed)
    rows = (rng.integers(0, num_sources, num_sources) for _ in range(num_draws))
    return np.array([statistic(draw) for draw in rows], dtype=np.float64)


def drawn_classes(counts: NDArray[Any], *, num_draws: int, seed: int) -> dict[str, Floats]:
    """Completeness, purity and F1 of each class, (num_draws, num_classes) each.

    counts: confusion matrix, rows true. Sources are drawn within their true class, whose number
    is given: to draw the n sources of a class is to draw its row from a multinomial.
    """
    rng = np.random.default_rng(seed)
    matrices = np.zeros((num_draws, *counts.shape))
    for code, row in enumerate(counts):
        if row.sum() > 0:
            matrices[:, code] = rng.multinomial(int(row.sum()), row / row.sum(), num_draws)
    measures = [balanced(matrix) for matrix in matrices]
    return {
        name: np.array([measure[name] for measure in measures])
        for name in ("completeness", "purity", "f1")
    }


def interval(draws: Floats, share: float = SHARE) -> tuple[Floats, Floats]:
    """Lower and upper end of what that share of the draws gave, over the first axis.

    Draws that are not finite are left out; NaN where none are.

    draws: (num_draws, ...); the ends have the shape of one draw, (...,)
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        low, high = np.nanquantile(draws, [(1 - share) / 2, (1 + share) / 2], axis=0)
    return low, high
