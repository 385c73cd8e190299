"""The columns of a catalogue that p(z) is read into, of whichever kind the network answers with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from ojala.measures.redshift_modes import modes
from ojala.measures.redshift_pdf import ONE_SIGMA, Floats, RedshiftPdf
from ojala.tables.shards import Columns

LEVELS = {"68": ONE_SIGMA, "90": 0.90, "95": 0.95}
"""Probability of the equal-tailed intervals, by their name."""

ENDS = [0.5 + side * level / 2 for level in LEVELS.values() for side in (-1, 1)]
"""Probability below each end of them."""

SECOND = "_MODE_2"
"""Ends the name of the second mode, NaN where there is none."""

SUFFIXES = (
    *("", "_ERR", "_MEDIAN", "_MEAN"),
    *(f"_{end}{name}" for name in LEVELS for end in ("LOW", "HIGH")),
    *(SECOND, f"{SECOND}_WEIGHT"),
)
"""What is added to a token for each number of ``summary``, in that order."""


def summary(pdf: RedshiftPdf) -> Floats:
    """What a catalogue says of p(z), (num_sources, len(SUFFIXES)).

    The redshift itself is the mode, and its error the half-width about it that holds 68 %.
    """
    found = modes(pdf)
    median, *ends = pdf.quantile(np.array([[0.5], *([end] for end in ENDS)]))
    centre = (found.first, pdf.spread_about(found.first), median, pdf.mean())
    return np.stack([*centre, *ends, found.second, found.second_weight], axis=1)


def gaussian_summary(z: NDArray[Any], sigma: NDArray[Any]) -> Floats:
    """The same of Gaussians of mean ``z`` and 1 ``sigma``, (num_sources,): a column per suffix."""
    ends = [z + sign * ndtri(0.5 + p / 2) * sigma for p in LEVELS.values() for sign in (-1, 1)]
    known = np.isfinite(z)
    none, no_weight = np.full(len(z), np.nan), np.where(known, 0.0, np.nan)
    return np.stack([z, sigma, z, z, *ends, none, no_weight], axis=1)


def named(token: str, numbers: NDArray[np.floating]) -> Columns:
    """Numbers of a summary as columns of one redshift, float32.

    numbers: (num_sources, num_suffixes), in the order of SUFFIXES
    """
    of_each = numbers.astype(np.float32).T
    return {f"{token}{suffix}": of for suffix, of in zip(SUFFIXES, of_each, strict=True)}
