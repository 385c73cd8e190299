"""Split conformal prediction: limits that hold what they state, whatever the network is worth.

A score says how badly a true value fits what was stated. Of n held-out sources that were no part of
the training, the k-th smallest score with k = ceil((n + 1) coverage) is not exceeded by a further
source of the same population with at least that probability (Vovk et al. 2005; Lei et al. 2018).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def limit(scores: NDArray[Any], coverage: float) -> float:
    """The score that a share ``coverage`` of further sources does not exceed.

    scores: of held-out sources, (num_sources,), without NaN
    Infinite where so few sources can promise nothing: 8 for a coverage of 90 %.
    """
    rank = math.ceil((len(scores) + 1) * coverage)
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else math.inf


def limits(
    scores: NDArray[Any], group: NDArray[np.intp], num_groups: int, coverage: float
) -> Floats:
    """The limit of each group of sources on its own, (num_groups,): each holds what is stated.

    scores, group: (num_sources,)
    """
    return np.array([limit(scores[group == number], coverage) for number in range(num_groups)])


def beyond(value: Floats, low: Floats, middle: Floats, high: Floats) -> Floats:
    """Distance of values from the middle of an interval, in units of its half on that side.

    1 at either end; all (num_sources,). A half of no width counts as one of 1e-6.
    """
    half = np.where(value < middle, middle - low, high - middle)
    return np.asarray(np.abs(value - middle) / np.maximum(half, 1e-6))


def stretched(
    low: Floats, middle: Floats, high: Floats, *, factor: Floats
) -> tuple[Floats, Floats]:
    """The interval whose ends lie at ``factor`` in the units of ``beyond``; all (num_sources,)."""
    below, above = (np.maximum(half, 1e-6) for half in (middle - low, high - middle))
    return middle - factor * below, middle + factor * above
