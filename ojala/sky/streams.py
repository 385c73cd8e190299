"""Random numbers of the simulated sky: one generator per cell and purpose.

A cell's numbers follow from the seed, its pixel and the purpose alone, so that the sky is the
same whatever the order in which cells are made, and on any number of processes.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What random numbers are for. A member's value is part of the seed: never renumber."""

    MIX = 1
    PLACES = 2
    REDDENING = 3
    LEGACY = 4
    FIBRES = 5
    PIXELS = 6
    REDSHIFTS = 7
    LABELS = 8
    TILES = 9
    JPAS = 10
    ORDER = 11
    SKY_FIBRES = 12
    BLENDS = 13
    FIELD_MIX = 14
    FAULTS = 15
    POPULATION = 100
    """Sample number n of the population has the stream POPULATION + n."""


def generator(seed: int, healpix: int, stream: int) -> np.random.Generator:
    """The generator of a cell (nside 64, nested) for one purpose."""
    return np.random.default_rng(np.random.SeedSequence([seed, healpix, int(stream)]))
