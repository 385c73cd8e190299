"""The truth of the simulated sky: for tests and figures, never for training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ojala.sky.instruments.light import BandLight
from ojala.tables.shards import Columns
from ojala.tables.writing import written_whole


def write_truth(directory: str | Path, healpix: int, sources: Columns, light: BandLight) -> None:
    """Write the sources of a cell: everything that was drawn, and their noiseless band fluxes.

    The fluxes are columns named after the bands, 1e-17 erg/s/cm2/A: all of the light, behind the
    Milky Way's dust. ``targetid`` is 0 without a spectrum; ``tile_id`` and ``number`` are 0 where
    J-PAS did not look or detect. ``ebv`` is a quasar's own dust, ``mw_ebv`` the Milky Way's.
    """
    columns = sources | {
        band: light.flux_lambda[:, position].astype(np.float32)
        for position, band in enumerate(light.bands)
    }
    with written_whole(Path(directory) / f"part-{healpix:05d}.parquet") as partial:
        pq.write_table(pa.table(columns), partial, compression="zstd")


def read_truth(directory: str | Path) -> Columns:
    """The truth of all cells; a number that a class does not have is NaN, or 0 where it is whole.

    Raises ValueError where there is none.
    """
    paths = sorted(Path(directory).glob("part-*.parquet"))
    if not paths:
        raise ValueError(f"{directory}: no truth tables (part-*.parquet) found")
    table = pa.concat_tables([pq.read_table(path) for path in paths], promote_options="default")
    return {name: _filled(table.column(name)) for name in table.column_names}


def _filled(column: pa.ChunkedArray) -> np.ndarray:
    if column.null_count and pa.types.is_floating(column.type):
        column = column.fill_null(float("nan"))
    elif column.null_count:
        column = column.fill_null(pa.scalar(0).cast(column.type))
    return np.asarray(column.to_numpy())
