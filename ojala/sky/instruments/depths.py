"""Depth, seeing and zero-point error of every J-PAS filter: ``data/jpas_depth.ecsv``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ojala.vocabulary.directory import survey_table
from ojala.vocabulary.filters import DEPTHS

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Depths:
    """Columns of the table; arrays over the filters, in the order of the archive's arrays.

    wave, fwhm: Angstrom; tray: of the filters observed together, "T1" ... "T5"
    depth, depth_scatter: AB magnitude of 5 sigma in 3 arcsec, and its scatter between tiles
    zpt_err: error of the zero-point, mag; exposure: seconds
    seeing, seeing_scatter: FWHM, arcsec
    """

    name: tuple[str, ...]
    tray: NDArray[np.str_]
    wave: Floats
    fwhm: Floats
    depth: Floats
    depth_scatter: Floats
    zpt_err: Floats
    seeing: Floats
    seeing_scatter: Floats
    exposure: Floats

    def position(self, name: str) -> int:
        """Place of a filter in the arrays."""
        return self.name.index(name)


@cache
def jpas_depths() -> Depths:
    """The survey's table. Raises ValueError naming it where it is missing."""
    table = survey_table(DEPTHS)
    numbers = {
        name: np.asarray(table[name], dtype=np.float64)
        for name in Depths.__dataclass_fields__
        if name not in ("name", "tray")
    }
    return Depths(
        name=tuple(map(str, table["name"])), tray=np.asarray(table["tray"], dtype=str), **numbers
    )
