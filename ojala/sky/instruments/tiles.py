"""The J-PAS tiles of a cell: their depths, seeing, zero-points and what was observed at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ojala.sky.footprint import tiles_of
from ojala.sky.instruments.depths import jpas_depths

Floats = NDArray[np.float64]

SHARED_SCATTER = 0.6
"""Share of the scatter of depth and seeing that a tray's filters have in common: one night."""

LOST_BAND_SHARE = 0.05
"""Share of tiles in which one to three single filters failed."""


def trays() -> list[str]:
    """Names of the trays of filters, that of the reference last: T1 ... T5 of J-PAS."""
    of_filters = jpas_depths().tray.tolist()
    return [*sorted(set(of_filters) - {of_filters[-1]}), of_filters[-1]]


def tray_of_filters() -> NDArray[np.int64]:
    """The place of each filter's tray among ``trays``, (num_filters,)."""
    return np.array([trays().index(tray) for tray in jpas_depths().tray])


@dataclass(frozen=True, kw_only=True)
class Tiles:
    """Four tiles; arrays (4, num_filters) over the filters in the order of the archive's arrays.

    tile_id: shape (4,); depth: AB magnitude at 5 sigma in 3 arcsec; seeing: FWHM, arcsec
    zero_point: error of the zero-point in units of its 1 sigma; observed: False where there is
    no image
    """

    tile_id: NDArray[np.int64]
    depth: Floats
    seeing: Floats
    zero_point: Floats
    observed: NDArray[np.bool_]


def draw_tiles(rng: np.random.Generator, healpix: int, missing_tray_share: float) -> Tiles:
    """The tiles of a cell.

    missing_tray_share: share of tiles without one of the trays beside that of the reference
        (i), on which sources are detected: it is always there
    """
    table = jpas_depths()
    tile_id = tiles_of(healpix)
    shape = (len(tile_id), len(table.name))
    tray = tray_of_filters()
    worse = _scatter(rng, shape, tray)
    seeing = table.seeing * np.exp(_scatter(rng, shape, tray) * table.seeing_scatter / table.seeing)
    return Tiles(
        tile_id=tile_id,
        depth=table.depth - worse * np.clip(table.depth_scatter, 0.1, 0.3),
        seeing=np.clip(seeing, 0.7, 2.5),
        zero_point=rng.standard_normal(shape),
        observed=_observed(rng, shape, tray, missing_tray_share),
    )


def _scatter(rng: np.random.Generator, shape: tuple[int, int], tray: NDArray[np.int64]) -> Floats:
    """Standard normal deviates, correlated among the filters of a tray."""
    night = rng.standard_normal((shape[0], len(trays())))[:, tray]
    own = rng.standard_normal(shape)
    return np.asarray(np.sqrt(SHARED_SCATTER) * night + np.sqrt(1 - SHARED_SCATTER) * own)


def _observed(
    rng: np.random.Generator,
    shape: tuple[int, int],
    tray: NDArray[np.int64],
    missing_tray_share: float,
) -> NDArray[np.bool_]:
    observed = np.ones(shape, dtype=bool)
    is_short = rng.random(shape[0]) < missing_tray_share
    lost_tray = rng.integers(0, max(len(trays()) - 1, 1), shape[0])
    observed[is_short] = (tray != lost_tray[:, None])[is_short]
    observed[:, -1] = True
    loses_bands = rng.random(shape[0]) < LOST_BAND_SHARE
    most = shape[1] - 1
    for tile in np.flatnonzero(loses_bands):
        observed[tile, rng.choice(most, min(int(rng.integers(1, 4)), most), replace=False)] = False
    return observed
