"""Pixels of the sky: HEALPix, nside 64, nested order, as in every table."""

from __future__ import annotations

import numpy as np
from astropy import units as u
from astropy_healpix import HEALPix
from numpy.typing import NDArray

NSIDE = 64


def placed(ra: NDArray[np.floating], dec: NDArray[np.floating]) -> NDArray[np.bool_]:
    """True where there is a position on the sky, degrees: finite and in range.

    Right ascensions run from 0 to 360 or from -180 to 180.
    """
    return np.asarray((ra >= -180) & (ra <= 360) & (dec >= -90) & (dec <= 90))


def healpix(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> NDArray[np.int32]:
    """The pixels of positions in degrees; -1 where there is no position."""
    known = placed(ra, dec)
    pixels = np.full(len(ra), -1, dtype=np.int32)
    grid = HEALPix(nside=NSIDE, order="nested")
    pixels[known] = grid.lonlat_to_healpix(ra[known] * u.deg, dec[known] * u.deg)
    return pixels
