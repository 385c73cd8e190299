"""Random numbers that follow from a source's seed alone, whatever block it is rendered in.

A counter-based generator: the k-th number of a source is a hash (SplitMix64; Steele, Lea & Flood
2014) of its seed, the stream and k, so that sources can be rendered in any order and any number.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Floats = NDArray[np.floating]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_STREAM = 0xD1B54A32D192ED03


def uniforms(seed: NDArray[np.integer], num: int, stream: int) -> NDArray[np.float64]:
    """Uniform deviates in (0, 1), shape (num_sources, num).

    seed: one integer per source; stream: keeps the uses of one seed independent.
    """
    start = _mix(seed.astype(np.uint64) + np.uint64(stream * _STREAM % 2**64))
    counter = np.arange(1, num + 1, dtype=np.uint64) * _GOLDEN
    bits = _mix(start[:, None] + counter) >> np.uint64(11)
    return (bits.astype(np.float64) + 0.5) * 2.0**-53


def normals(seed: NDArray[np.integer], num: int, stream: int) -> NDArray[np.float64]:
    """Standard normal deviates, shape (num_sources, num)."""
    return np.asarray(ndtri(uniforms(seed, num, stream)), dtype=np.float64)


def _mix(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
