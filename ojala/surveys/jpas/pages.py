"""J-PAS dual-mode tables fetched from the archive: whole pages, resumed where they stopped.

A table is fetched tile by tile, large tiles in ranges of ``number``, so the pages are the same
whenever they are asked for. Each page is a Parquet file that is whole or not there; the
directory of pages is a dual-mode table for ``surveys.jpas.read_dual``.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.table import Table
from tqdm import tqdm

from ojala.physics.jpas_filters import APERTURES, VALUE_AND_ERROR, Form
from ojala.surveys.jpas.tap import Archive
from ojala.tables.writing import written_whole

TABLES = {"mag": "jpas.MagABDualObj", "flux": "jpas.FLambdaDualObj"}


@dataclass(frozen=True, kw_only=True)
class Page:
    """A range of one tile's sources, first and last ``number`` included."""

    tile_id: int
    first: int
    last: int

    @property
    def file_name(self) -> str:
        """The name of the page's file; names sort as pages do."""
        return f"tile-{self.tile_id:06d}-{self.first:08d}.parquet"


def columns_of(form: Form) -> list[str]:
    """The columns that are fetched: keys, positions, flags, and two apertures."""
    kinds = VALUE_AND_ERROR[form]
    photometry = [kind.format(aperture) for aperture in APERTURES[:2] for kind in kinds]
    keys = ["tile_id", "number", "alpha_j2000", "delta_j2000", "class_star"]
    return [*keys, *photometry, "flags", "mask_flags"]


def fetch(
    archive: Archive,
    directory: str | Path,
    *,
    form: Form = "mag",
    table: str | None = None,
    where: str = "",
    rows_per_page: int = 20_000,
) -> int:
    """Fetch a dual-mode table into a directory of pages; returns the number of sources.

    where: an ADQL condition on the sources, e.g. "MAG_ERR_AUTO[jpas::iSDSS] < 0.1"

    Pages that are there already are not fetched again. Raises ValueError as ``Archive.query``
    does, where the directory holds pages of another request, and where a page does not hold as
    many sources as the archive counts.
    """
    request = {"url": archive.url, "table": table or TABLES[form], "form": form, "where": where}
    directory = Path(directory)
    tiles = _plan(archive, directory, request | {"rows_per_page": rows_per_page})
    num_sources = sum(tile["num_rows"] for tile in tiles)
    with tqdm(total=num_sources, unit="source", disable=not sys.stderr.isatty()) as bar:
        for tile in tiles:
            found = 0
            for page in pages_of(tile, rows_per_page):
                path = directory / page.file_name
                if not path.exists():
                    _write_page(archive.query(_page_query(request, page)), path)
                num_rows = pq.read_metadata(path).num_rows
                found += num_rows
                bar.update(num_rows)
            if found != tile["num_rows"]:
                raise ValueError(
                    f"{directory}: tile {tile['tile_id']} has {found} sources in its pages, the "
                    f"archive counted {tile['num_rows']}: remove tile-{tile['tile_id']:06d}-* and "
                    "fetch again"
                )
    return num_sources


def pages_of(tile: dict[str, int], rows_per_page: int) -> list[Page]:
    """Ranges of ``number`` of about ``rows_per_page`` sources that together cover a tile."""
    first, last = tile["first_number"], tile["last_number"]
    num_pages = max(1, -(-tile["num_rows"] // rows_per_page))
    width = -(-(last - first + 1) // num_pages)
    return [
        Page(tile_id=tile["tile_id"], first=start, last=min(start + width - 1, last))
        for start in range(first, last + 1, width)
    ]


def _plan(archive: Archive, directory: Path, request: dict[str, Any]) -> list[dict[str, int]]:
    """What each tile holds, asked once and kept beside the pages."""
    path = directory / "plan.json"
    if path.exists():
        plan = json.loads(path.read_text())
        if plan["request"] != request:
            raise ValueError(f"{path}: the pages in this directory are of another request")
        return list(plan["tiles"])
    condition = f" WHERE {request['where']}" if request["where"] else ""
    counted = archive.query(
        "SELECT tile_id, COUNT(*) AS num_rows, MIN(number) AS first_number, "
        f"MAX(number) AS last_number FROM {request['table']}{condition} GROUP BY tile_id"
    )
    names = ("tile_id", "num_rows", "first_number", "last_number")
    tiles = [{name: int(row[name]) for name in names} for row in counted]
    tiles.sort(key=lambda tile: tile["tile_id"])
    with written_whole(path) as partial:
        partial.write_text(json.dumps({"request": request, "tiles": tiles}, indent=1))
    return tiles


def _page_query(request: dict[str, Any], page: Page) -> str:
    condition = f" AND ({request['where']})" if request["where"] else ""
    return (
        f"SELECT {', '.join(columns_of(request['form']))} FROM {request['table']} "
        f"WHERE tile_id = {page.tile_id} AND number BETWEEN {page.first} AND {page.last}{condition}"
    )


def _write_page(rows: Table, path: Path) -> None:
    """Write a page in order of ``number``, whatever order the archive answered in."""
    rows.sort("number")
    arrays = {name: _arrow(rows[name]) for name in rows.colnames}
    fields = [
        pa.field(name, array.type, metadata={"unit": str(rows[name].unit or "")})
        for name, array in arrays.items()
    ]
    with written_whole(path) as partial:
        table = pa.table(list(arrays.values()), schema=pa.schema(fields))
        pq.write_table(table, partial, compression="zstd")


def _arrow(column: Any) -> pa.Array:
    """A column as Arrow: lists for arrays, NaN or null for what is masked."""
    if np.ma.isMaskedArray(column) and column.dtype.kind == "f":
        column = column.filled(np.nan)
    if column.ndim == 2:
        flat = np.ascontiguousarray(np.ma.getdata(column)).ravel()
        return pa.FixedSizeListArray.from_arrays(_native(flat), column.shape[1])
    if column.dtype == object:  # arrays of any length, or text
        return pa.array([_cell(value) for value in column])
    return pa.array(column.tolist()) if column.dtype.kind in "US" else _native(column)


def _cell(value: Any) -> Any:
    """A cell as a list where it is an array: None for what is masked."""
    return np.ma.asarray(value).tolist() if np.ndim(value) else value


def _native(values: Any) -> pa.Array:
    array = np.ma.getdata(values)
    hidden = np.ma.getmaskarray(values) if np.ma.isMaskedArray(values) else None
    return pa.array(array.astype(array.dtype.newbyteorder("=")), mask=hidden)
