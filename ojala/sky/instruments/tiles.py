"""The J-PAS tiles of a cell: their depths, seeing, zero-points and what was observed at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ojala.sky.footprint import tiles_of
from ojala.sky.instruments.depths import jpas_depths

Floats = NDArray[np.float64]

TRAYS = ("T1", "T2", "T3", "T4", "T5")

SHARED_SCATTER = 0.6
"""Share of the scatter of depth and seeing that a tray's filters have in common: one night."""

LOST_BAND_SHARE = 0.05
"""Share of tiles in which one to three single filters failed."""


@dataclass(frozen=True, kw_only=True)
class Tiles:
    """Four tiles; arrays (4, 57) over the filters in the order of the archive's arrays.

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

    missing_tray_share: share of tiles without one of the trays T1 ... T4. The i band (T5), on which
    sources are detected, is always there.
    """
    table = jpas_depths()
    tile_id = tiles_of(healpix)
    shape = (len(tile_id), len(table.name))
    tray = np.searchsorted(TRAYS, table.tray)
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
    night = rng.standard_normal((shape[0], len(TRAYS)))[:, tray]
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
    lost_tray = rng.integers(0, len(TRAYS) - 1, shape[0])
    observed[is_short] = (tray != lost_tray[:, None])[is_short]
    loses_bands = rng.random(shape[0]) < LOST_BAND_SHARE
    for tile in np.flatnonzero(loses_bands):
        observed[tile, rng.choice(shape[1] - 1, rng.integers(1, 4), replace=False)] = False
    return observed
