"""Places on the sky: HEALPix pixels in nested order, directions as vectors, angles as chords."""

from __future__ import annotations

import numpy as np
from astropy import units as u
from astropy_healpix import HEALPix
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NSIDE = 64
"""Of the pixels in every table; DESI's own."""


def placed(ra: NDArray[np.floating], dec: NDArray[np.floating]) -> NDArray[np.bool_]:
    """True where there is a position on the sky, (num_positions,): finite and in range.

    ra, dec: degrees, (num_positions,). Right ascensions run from 0 to 360 or from -180 to 180.
    """
    return np.asarray((ra >= -180) & (ra <= 360) & (dec >= -90) & (dec <= 90))


def healpix(ra: Floats, dec: Floats, nside: int = NSIDE) -> NDArray[np.int32]:
    """The pixels of positions, (num_positions,); -1 where there is no position.

    ra, dec: degrees, (num_positions,)
    """
    known = placed(ra, dec)
    pixels = np.full(len(ra), -1, dtype=np.int32)
    grid = HEALPix(nside=nside, order="nested")
    pixels[known] = grid.lonlat_to_healpix(ra[known] * u.deg, dec[known] * u.deg)
    return pixels


def unit_vectors(ra: Floats, dec: Floats) -> Floats:
    """Directions on the sky as vectors, (num_positions, 3).

    ra, dec: degrees, (num_positions,)
    """
    lon, lat = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)


def chord(radius: float) -> float:
    """Length of the chord under an angle of ``radius`` arcsec on the unit sphere."""
    return float(2 * np.sin(np.radians(radius / 3600) / 2))
