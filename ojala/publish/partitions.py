"""Sources in HEALPix pixels that hold about as many each, and who lies near a pixel's edge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from astropy import units as u
from astropy_healpix import HEALPix
from numpy.typing import NDArray
from scipy.spatial import KDTree

from ojala.tables.pixels import chord, unit_vectors

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

FINEST = 29
"""Order of the pixels that sources are sorted by; 0.4 milliarcsec."""

DEEPEST = 12
"""Order beyond which no pixel is split: an arcminute."""

DIRECTIONS = 32
"""About a source, in which a pixel's edge is looked for."""


class Pixel(NamedTuple):
    """A nested HEALPix pixel."""

    order: int
    number: int


def finest_pixels(ra: Floats, dec: Floats) -> Numbers:
    """Pixels of order FINEST; ra, dec: degrees, all (num_sources,)."""
    return _at(ra, dec, FINEST)


def partitions(finest: Numbers, most: int) -> Iterator[tuple[Pixel, slice]]:
    """Pixels that hold at most so many sources (as far as DEEPEST), and their rows.

    finest: of ``finest_pixels``, sorted, (num_sources,)
    """
    ends = np.searchsorted(finest, np.arange(13) << (2 * FINEST))
    for number in range(12):
        yield from _split(finest, Pixel(0, number), int(ends[number]), int(ends[number + 1]), most)


def _split(
    finest: Numbers, pixel: Pixel, first: int, last: int, most: int
) -> Iterator[tuple[Pixel, slice]]:
    if last == first:
        return
    if last - first <= most or pixel.order == DEEPEST:
        yield pixel, slice(first, last)
        return
    order = pixel.order + 1
    children = np.arange(4 * pixel.number, 4 * pixel.number + 5) << (2 * (FINEST - order))
    ends = np.searchsorted(finest, children)
    for place in range(4):
        child = Pixel(order, 4 * pixel.number + place)
        yield from _split(finest, child, int(ends[place]), int(ends[place + 1]), most)


def margins(
    ra: Floats, dec: Floats, pixels: list[Pixel], finest: Numbers, threshold: float
) -> dict[Pixel, Numbers]:
    """Rows that lie outside of a pixel and within the threshold of it, by pixel.

    ra, dec: degrees; finest: of ``finest_pixels``; all (num_sources,); threshold: arcsec
    Corners of a polygon about the circle round a source tell which edges it crosses; who is near a
    pixel's own corner is looked for there. A row may lie 0.5 % beyond the threshold.
    """
    found: dict[Pixel, list[Numbers]] = {pixel: [] for pixel in pixels}
    rows = np.arange(len(ra))
    vectors = unit_vectors(ra, dec)
    for around in _polygon(vectors, ra, threshold):
        seen = _of_vectors(around)
        for order in sorted({pixel.order for pixel in pixels}):
            numbers, own = seen >> 2 * (FINEST - order), finest >> 2 * (FINEST - order)
            crossed = rows[numbers != own]
            for pixel_number in np.unique(numbers[crossed]).tolist():
                pixel = Pixel(order, pixel_number)
                if pixel in found:
                    found[pixel].append(crossed[numbers[crossed] == pixel_number])
    tree = KDTree(vectors)
    for pixel in pixels:
        near = tree.query_ball_point(_corners(pixel), chord(threshold))
        found[pixel] += [np.array(part, dtype=np.int64) for part in near]
    return {pixel: _outside(pixel, parts, finest) for pixel, parts in found.items()}


def _outside(pixel: Pixel, parts: list[Numbers], finest: Numbers) -> Numbers:
    rows = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *parts]))
    return np.asarray(rows[finest[rows] >> 2 * (FINEST - pixel.order) != pixel.number])


def _polygon(vectors: Floats, ra: Floats, threshold: float) -> Iterator[Floats]:
    """Corners about each source of a polygon that encloses the circle of the threshold."""
    lon = np.radians(ra)
    east = np.stack([-np.sin(lon), np.cos(lon), np.zeros_like(lon)], axis=1)
    north = np.cross(vectors, east)
    reach = np.tan(np.radians(threshold / 3600)) / np.cos(np.pi / DIRECTIONS)
    for angle in np.arange(DIRECTIONS) * 2 * np.pi / DIRECTIONS:
        yield vectors + reach * (np.cos(angle) * north + np.sin(angle) * east)


def _of_vectors(vectors: Floats) -> Numbers:
    ra = np.degrees(np.arctan2(vectors[:, 1], vectors[:, 0]))
    dec = np.degrees(np.arctan2(vectors[:, 2], np.hypot(vectors[:, 0], vectors[:, 1])))
    return _at(ra, dec, FINEST)


def _corners(pixel: Pixel) -> Floats:
    grid = HEALPix(nside=2**pixel.order, order="nested")
    lon, lat = grid.boundaries_lonlat([pixel.number], step=1)
    return unit_vectors(lon.to_value(u.deg)[0], lat.to_value(u.deg)[0])


def _at(ra: Floats, dec: Floats, order: int) -> Numbers:
    grid: Any = HEALPix(nside=2**order, order="nested")
    return np.asarray(grid.lonlat_to_healpix(ra * u.deg, dec * u.deg), dtype=np.int64)
