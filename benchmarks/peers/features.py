"""What the peers are shown of a source: narrow-band ratios, magnitudes, colours.

Numbers per source, NaN where missing; ``Filled`` makes them whole and of unit width for the peers
that can do with neither gaps nor scales.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ojala.tables.shards import CATEGORICAL, Columns
from ojala.vocabulary.bands import broad_bands, narrow_bands
from ojala.vocabulary.quantities import observations

Floats = NDArray[np.float64]

NARROW = tuple(band.token for band in narrow_bands())
BROAD = tuple(band.token for band in broad_bands())
COLOURS = (
    ("MAG_G", "MAG_R"),
    ("MAG_R", "MAG_i"),
    ("MAG_i", "MAG_Z"),
    ("MAG_Z", "MAG_W1"),
    ("MAG_W1", "MAG_W2"),
    ("MAG_G", "MAG_Z"),
    ("MAG_R", "MAG_W1"),
)
SOFTENING = 0.2
"""Ratio below which asinh of a band's flux over that of i is linear: noise stays noise."""

WIDEST = 6.0
"""Widths from the median at which a filled feature is cut: one wild band is not the distance."""


def observed(columns: Columns, given: Iterable[str] = ()) -> Columns:
    """What a survey observes of the sources, without labels, and the columns ``given`` besides.

    A value whose error is not positive is missing.
    """
    seen: Columns = {}
    for token in observations():
        if token in CATEGORICAL:
            seen[token] = columns[token]
            continue
        error = columns[f"{token}_ERR"]
        seen[token] = np.where(error > 0, columns[token], np.nan)
        seen[f"{token}_ERR"] = error
    return seen | {name: columns[name] for name in given}


def ratios(columns: Columns) -> Floats:
    """The asinh of the narrow bands' fluxes over that of i, (num_sources, 54)."""
    flux = np.column_stack([columns[token] for token in NARROW]).astype(np.float64)
    return np.arcsinh(flux / SOFTENING)


def matrix(columns: Columns) -> Floats:
    """Every feature, (num_sources, num_features), NaN where missing.

    Ratios, their first and second differences along wavelength (which show lines and breaks to a
    tree, whose splits see one number at a time), magnitudes, colours, and MORPHTYPE's code.
    """
    narrow = ratios(columns)
    middle = narrow[:, 1:-1] - 0.5 * (narrow[:, :-2] + narrow[:, 2:])
    morphtype = np.asarray(columns["MORPHTYPE"], dtype=np.float64)[:, None]
    return np.hstack([narrow, np.diff(narrow, axis=1), middle, _broad(columns), morphtype])


def photometry(columns: Columns) -> Floats:
    """Ratios, colours and i alone, (num_sources, 62): a space in which distances mean something."""
    broad = _broad(columns)
    i_band = BROAD.index("MAG_i")
    return np.hstack([ratios(columns), broad[:, len(BROAD) :], broad[:, [i_band]]])


def _broad(columns: Columns) -> Floats:
    """Six magnitudes, then the colours."""
    magnitudes = [columns[token] for token in BROAD]
    colours = [columns[blue] - columns[red] for blue, red in COLOURS]
    return np.column_stack(magnitudes + colours).astype(np.float64)


class Filled:
    """Features without gaps, each of zero median and unit width over the sources it was made from.

    A missing narrow band is interpolated between its neighbours, anything else is the median.
    """

    def __init__(self, features: Floats) -> None:
        whole = interpolated(features)
        self.median = np.nanmedian(whole, axis=0)
        width = 1.4826 * np.nanmedian(np.abs(whole - self.median), axis=0)
        self.width = np.where(width > 0, width, 1.0)

    def __call__(self, features: Floats) -> Floats:
        """Features of other sources in the same scale."""
        scaled = (interpolated(features) - self.median) / self.width
        return np.nan_to_num(np.clip(scaled, -WIDEST, WIDEST), nan=0.0)


def interpolated(features: Floats) -> Floats:
    """Features whose first 54, the narrow bands, have their gaps filled along wavelength."""
    whole = features.copy()
    band = np.arange(len(NARROW))
    for row in np.flatnonzero(np.isnan(features[:, : len(NARROW)]).any(axis=1)):
        flux = features[row, : len(NARROW)]
        seen = np.isfinite(flux)
        if seen.any():
            whole[row, : len(NARROW)] = np.interp(band, band[seen], flux[seen])
    return whole
