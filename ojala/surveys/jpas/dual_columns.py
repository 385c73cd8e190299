"""The bands of a dual-mode table, one value per band: ratios to i, the total i flux, MAG_i.

For who has such a table as columns already. Keys are not asked for: a source is its row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ojala.physics.jpas_filters import I_BAND, NARROW, over_i
from ojala.surveys.jpas.dual_mode import SHAPE, Detections, detections
from ojala.tables.catalogues import Catalogue
from ojala.tables.columns import masked_of, meaning
from ojala.tables.files import header_of
from ojala.tables.shards import Columns, column
from ojala.vocabulary.bands import narrow_bands, reference_band

ARRAYS = re.compile(rf"(flux|mag)_{SHAPE}")
KEYS = ("tile_id", "number", "alpha_j2000", "delta_j2000")
ROWS_PER_BLOCK = 20_000


def is_dual(names: Sequence[str]) -> bool:
    """Whether columns of these names, in any case, hold all filters in one array."""
    return any(ARRAYS.fullmatch(name.strip().lower()) for name in names)


def dual_columns(table: pa.Table, path: Path) -> Columns:
    """Narrow bands over i, MAG_i and AUTO_iSDSS with errors of a dual-mode table, (num_rows,) each.

    path: where the table was read, for messages
    Errors are 1 sigma. What is not detected, has a flag of UNUSABLE_FLAGS or a mask is NaN.
    Raises ValueError as ``read_dual`` does, and for the first row whose array has another length.
    """
    blocks = [_columns(block) for block in detections(_opened(table, path), ROWS_PER_BLOCK)]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _columns(block: Detections) -> Columns:
    if np.any(block.faults != ""):
        row = int(np.argmax(block.faults != ""))
        raise ValueError(f"{block.path}: row {block.first_row + row + 1}: {block.faults[row]}")
    ratio, ratio_err = over_i(
        block.flux[:, NARROW],
        block.flux_err[:, NARROW],
        block.flux[:, I_BAND],
        block.flux_err[:, I_BAND],
    )
    columns: Columns = {
        "AUTO_iSDSS": block.i_flux,
        reference_band().token: block.mag_i,
        f"{reference_band().token}_ERR": block.mag_i_err,
    }
    for place, band in enumerate(narrow_bands()):
        columns[band.token] = ratio[:, place]
        columns[f"{band.token}_ERR"] = ratio_err[:, place]
    return columns


def _opened(table: pa.Table, path: Path) -> Catalogue:
    """A table in memory as an opened catalogue, whose keys are the numbers of its rows."""
    names: dict[str, str] = {}
    for name in table.column_names:
        if names.setdefault(name.lower(), name) != name:
            twice = f"{names[name.lower()]} and {name}: case does not count"
            raise ValueError(f"{path}: column {name.lower()} is there twice ({twice})")
    units = {field.name.lower(): meaning(field).get("unit", "") for field in table.schema}
    return Catalogue(
        path=path,
        names=names | {key: key for key in KEYS},
        units=units,
        num_rows=len(table),
        read=lambda wanted, rows: _blocks(table, wanted, rows),
        header=header_of(table),
    )


def _blocks(table: pa.Table, wanted: Sequence[str], rows_per_block: int) -> Iterator[Columns]:
    for start in range(0, max(len(table), 1), rows_per_block):
        rows = table.slice(start, rows_per_block)
        keys = {key: np.arange(start, start + len(rows)) for key in KEYS}
        yield {**_cells(rows, [name for name in wanted if name not in keys]), **keys}


def _cells(rows: pa.Table, names: Sequence[str]) -> Mapping[str, NDArray[Any]]:
    """Columns as numpy: a matrix where cells are lists of one length."""
    cells = {}
    for name in names:
        is_matrix = pa.types.is_fixed_size_list(rows.schema.field(name).type)
        if is_matrix and rows[name].null_count == 0:
            cells[name] = np.ma.filled(masked_of(rows[name]).astype(np.float64), np.nan)
        else:
            cells[name] = column(rows, name)
    return cells
