"""Which columns of a survey's table are which of OJALA's, and what their marks mean.

Two marks are told apart. A band that was not observed says nothing and is left out. A source that
was looked for and not found is fainter than the limit: a flux of zero, or a magnitude at the limit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LIMIT_ERROR = 1.0
"""Error in mag of a magnitude that is a limit: it is positive, for the value counts as observed."""


@dataclass(frozen=True, kw_only=True)
class SurveyColumns:
    """The bands of a survey's table.

    bands: its columns; errors: those of their 1 sigma, "" for none
    names: what OJALA calls each band (docs/tables.md): MAG_i, J0660, ...; "" for one that it lacks
    nondetected, nonobserved: marks, of which either may be NaN
    limits: magnitudes that a source that was not detected is fainter than, by column
    Raises ValueError for lists of different lengths, a name twice, and marks that are the same.
    """

    bands: Sequence[str]
    errors: Sequence[str]
    names: Sequence[str]
    nondetected: float
    nonobserved: float
    limits: Mapping[str, float]

    def __post_init__(self) -> None:
        if not len(self.bands) == len(self.errors) == len(self.names):
            raise ValueError(
                f"bands, err_bands and names hold {len(self.bands)}, {len(self.errors)} and "
                f"{len(self.names)} entries, expected as many of each"
            )
        used = [name for name in self.names if name]
        twice = sorted({name for name in used if used.count(name) > 1})
        if twice:
            raise ValueError(f"names: {twice[0]} is given to two bands")
        if is_mark(np.array([self.nondetected]), self.nonobserved).any():
            raise ValueError(
                f"nondetect_val and nonobserved_val are both {self.nondetected}: a source that "
                "was not detected could not be told from a band that was not observed"
            )

    def needed(self) -> list[str]:
        """Every column that is read."""
        rows = zip(self.bands, self.errors, self.names, strict=True)
        return [column for *columns, name in rows if name for column in columns if column]

    def catalogue(self, table: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float64]]:
        """The bands of a table by the names that a Predictor understands, NaN where not observed.

        table: columns of shape (num_sources,)
        Raises ValueError for a magnitude that was not detected in a band without a limit.
        """
        found = {}
        for band, error, name in zip(self.bands, self.errors, self.names, strict=True):
            if not name:
                continue
            value = np.array(table[band], dtype=np.float64)
            faint = is_mark(value, self.nondetected)
            value[is_mark(value, self.nonobserved)] = np.nan
            value[faint] = self._faintest(band, name) if faint.any() else 0.0
            found[name] = value
            if error:
                sigma = np.array(table[error], dtype=np.float64)
                sigma[faint] = LIMIT_ERROR
                found[f"{name}_ERR"] = sigma
        return found

    def _faintest(self, band: str, name: str) -> float:
        """What stands for a source that was not detected."""
        if not is_magnitude(name):
            return 0.0
        if band not in self.limits:
            raise ValueError(
                f"column {band}: sources were not detected in it, and mag_limits does not say "
                "which magnitude they are fainter than"
            )
        return float(self.limits[band])


def is_magnitude(name: str) -> bool:
    """Whether a band of this name holds magnitudes, and not flux, of which there may be none."""
    return "mag" in re.split("[^a-z]+", name.lower())


def is_mark(values: NDArray[np.float64], mark: float) -> NDArray[np.bool_]:
    """Where the values are a mark, which may be NaN, any shape."""
    return np.isnan(values) if np.isnan(mark) else np.isclose(values, mark, rtol=1e-6, atol=0)
