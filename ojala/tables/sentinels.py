"""What a number in a catalogue cannot be: marks of a missing value, and the limits of light.

Each value is judged by itself, never by its catalogue: an answer does not depend on the sources
that are asked about with it. docs/tables.md ("Sentinels") says the same in words.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

MAGNITUDES = (5.0, 35.0)
"""AB magnitudes lie between: J-PAS saturates at 13 or so, and 35 is 1e-5 of a 5 sigma detection."""

RATIOS = (-50.0, 50.0)
"""f_lambda over that of i lies between: the hottest star has (7700 / 3780)^4 = 17 in J0378, and a
line of 5000 Angstrom in a band of 145 adds 34; below 0 there is noise alone."""

TYPICAL_RATIO = (0.01, 20.0)
"""The median of a source's ratios lies between; of real ones it is 0.15 ... 2.5."""

ENOUGH_BANDS = 10
"""Fewer bands may all lie where a red source has no light, and say nothing of the lower limit."""

NINES = np.array([99, 99.9, 99.99, 99.999, 999, 999.9, 9999, 99999, 999999])
"""What surveys write where they have no value, with either sign."""

NINES_BETWEEN = np.outer(NINES, [1 - 1e-6, 1 + 1e-6]).ravel()
"""Where each of them begins and ends, as float32 or a few decimals of text have it."""

HUGE = 1e10
"""No flux, magnitude or error is as large, in any unit that is read; 1e20 and 1e30 are marks."""


def is_mark(values: Floats) -> NDArray[np.bool_]:
    """True for nines, +-inf and numbers beyond HUGE; False for NaN, any shape."""
    size = np.abs(np.asarray(values, dtype=np.float64))
    nines = np.searchsorted(NINES_BETWEEN, size) % 2 == 1
    return np.asarray(nines | (size > HUGE))


def without_marks(values: Floats) -> Floats:
    """The values as float64, NaN where one is a mark, any shape."""
    return np.where(is_mark(values), np.nan, np.asarray(values, dtype=np.float64))


def within(values: Floats, limits: tuple[float, float]) -> NDArray[np.bool_]:
    """True for values between the limits, False for NaN, any shape."""
    return np.asarray((values >= limits[0]) & (values <= limits[1]))


def are_ratios(ratios: Floats) -> NDArray[np.bool_]:
    """True for sources whose narrow bands can be ratios to i, by the median of their own bands.

    ratios: (num_sources, num_bands), NaN and marks where not observed. A source without bands, and
    one whose few bands are all faint, passes: (num_sources,).
    """
    size = np.abs(without_marks(ratios))
    num_bands = np.isfinite(size).sum(axis=1)
    middle = row_median(size)
    too_low = (middle < TYPICAL_RATIO[0]) & (num_bands >= ENOUGH_BANDS)
    return np.asarray(~(too_low | (middle > TYPICAL_RATIO[1])))


def row_median(values: Floats) -> Floats:
    """The median of each row of (num_sources, num_bands), NaN for a row without a value."""
    middle = np.full(len(values), np.nan)
    known = np.isfinite(values).any(axis=1)
    if known.any():
        middle[known] = np.nanmedian(values[known], axis=1)
    return middle
