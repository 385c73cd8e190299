"""Where the two surveys of the simulated sky look: cells, places, tiles and reddening.

A cell is a HEALPix pixel of nside 64 (nested), 0.84 square degrees. The surveys meet around
CENTRE: the cells next to it are seen by both, those further west by DESI alone, further east by
J-PAS alone. The northern and the southern Legacy Surveys meet there too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy_healpix import HEALPix
from numpy.typing import NDArray

from ojala.surveys.legacy import in_north
from ojala.tables.pixels import NSIDE

Floats = NDArray[np.float64]

TILE_NSIDE = 128
"""A J-PAS tile is a quarter of a cell, 0.21 square degrees: one detector of its camera."""

CENTRE = (200.0, 32.0)
"""Right ascension and declination (degrees) of the cells that both surveys see."""

CELLS = HEALPix(nside=NSIDE, order="nested")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A cell and what is seen in it.

    healpix: pixel of nside 64, nested
    num_desi: sources with a DESI spectrum
    num_field: sources that J-PAS sees beside DESI's; None where J-PAS does not look
    """

    healpix: int
    num_desi: int
    num_field: int | None


def lay_out(
    *, num_desi: int, num_jpas: int, num_both: int, desi_per_cell: int, jpas_per_cell: int
) -> list[Cell]:
    """The cells that hold the wanted numbers of sources, ordered by pixel.

    num_both of the DESI sources lie where J-PAS looks, and are among its num_jpas sources.

    Raises ValueError where the numbers contradict each other or the sky is too small.
    """
    cells_both = -(-num_both // desi_per_cell)
    cells_desi = -(-(num_desi - num_both) // desi_per_cell)
    cells_jpas = max(-(-num_jpas // jpas_per_cell) - cells_both, 0)
    both, west, east = _pixels(cells_both, cells_desi, cells_jpas)
    desi = _even(num_both, cells_both) + [0] * cells_jpas
    field = [
        total - targets
        for total, targets in zip(_even(num_jpas, cells_both + cells_jpas), desi, strict=True)
    ]
    if any(number < 0 for number in field):
        raise ValueError(
            f"num_jpas is {num_jpas}, too few to hold num_both = {num_both} DESI sources evenly"
        )
    seen_by_jpas = zip(both + east, desi, field, strict=True)
    cells = [Cell(healpix=pixel, num_desi=n, num_field=m) for pixel, n, m in seen_by_jpas]
    by_desi = zip(west, _even(num_desi - num_both, cells_desi), strict=True)
    cells += [Cell(healpix=pixel, num_desi=n, num_field=None) for pixel, n in by_desi]
    cells = [cell for cell in cells if cell.num_desi or cell.num_field]
    return sorted(cells, key=lambda cell: cell.healpix)


def places(rng: np.random.Generator, num_sources: int, healpix: int) -> tuple[Floats, Floats]:
    """Right ascension and declination, degrees, uniform over a cell."""
    across, along = rng.random((2, num_sources))
    lon, lat = CELLS.healpix_to_lonlat(np.full(num_sources, healpix), across, along)
    return lon.to_value(u.deg), lat.to_value(u.deg)


def tile_of(ra: Floats, dec: Floats) -> NDArray[np.int64]:
    """The J-PAS tile of positions in degrees.

    ra, dec, and the tiles: (num_sources,)
    """
    tiles = HEALPix(nside=TILE_NSIDE, order="nested")
    return np.asarray(tiles.lonlat_to_healpix(ra * u.deg, dec * u.deg))


def tiles_of(healpix: int) -> NDArray[np.int64]:
    """The four J-PAS tiles of a cell."""
    return 4 * healpix + np.arange(4)


def photsys(ra: Floats, dec: Floats) -> NDArray[np.str_]:
    """Whose the Legacy photometry is: "N" for BASS and MzLS, "S" for DECam.

    ra, dec: degrees, (num_sources,)
    """
    return np.where(in_north(ra, dec), "N", "S")


def reddening(rng: np.random.Generator) -> float:
    """E(B-V) of a cell, mag, of the SFD map: that of high Galactic latitudes, median 0.03."""
    return float(np.clip(rng.lognormal(np.log(0.03), 0.4), 0.005, 0.3))


def _pixels(num_both: int, num_west: int, num_east: int) -> tuple[list[int], list[int], list[int]]:
    """The nearest pixels to CENTRE: seen by both, then west and east of them."""
    pixels = np.arange(CELLS.npix)
    lon, lat = CELLS.healpix_to_lonlat(pixels)
    cells = SkyCoord(lon, lat)
    nearest = np.argsort(cells.separation(SkyCoord(*CENTRE, unit="deg")), kind="stable")
    both, others = nearest[:num_both], nearest[num_both:]
    is_west = (lon.to_value(u.deg)[others] - CENTRE[0]) % 360 > 180
    west, east = others[is_west][:num_west], others[~is_west][:num_east]
    if len(west) < num_west or len(east) < num_east or len(both) < num_both:
        raise ValueError(
            f"{num_both + num_west + num_east} cells do not fit on the sky: more sources per cell "
            "are needed"
        )
    return both.tolist(), west.tolist(), east.tolist()


def _even(total: int, parts: int) -> list[int]:
    """``total`` split into whole numbers that differ by one at most."""
    return [total // parts + (part < total % parts) for part in range(parts)]
