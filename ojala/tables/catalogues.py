"""Catalogue files in the formats that archives give out, read in blocks of rows.

FITS tables, Parquet and CSV are read in row ranges, so memory does not grow with the file;
VOTable, an XML format, is read whole. Column names are case-insensitive: lower case here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ojala.tables.array_cells import number, rectangle, single
from ojala.tables.columns import masked_of
from ojala.tables.files import FORMATS, UNPACKED, OpenTable, one_sentence, open_table
from ojala.tables.formats.csv_tables import typed
from ojala.tables.shards import Columns, column

SUFFIXES = tuple(f"{suffix}{packed}" for suffix in FORMATS for packed in ("", *UNPACKED))
"""Files of a directory that are taken for catalogues."""


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """An opened catalogue: what its columns are called, and how to read ranges of rows.

    names: lower-case name -> name in the file; units: lower-case name -> unit string
    num_rows: number of rows, None where only reading tells (CSV)
    header: cards of a FITS table; empty for other formats
    """

    path: Path
    names: dict[str, str]
    units: dict[str, str]
    num_rows: int | None
    read: Callable[[Sequence[str], int], Iterator[Columns]]
    header: Mapping[str, Any] = field(default_factory=dict)

    def blocks(
        self,
        scalars: Sequence[str],
        arrays: Sequence[str] = (),
        *,
        elements: Sequence[str] = (),
        rows_per_block: int = 20_000,
    ) -> Iterator[tuple[int, Columns, Columns]]:
        """Blocks of rows, each with the row number of its first, and the lengths of its arrays.

        scalars, arrays: lower-case names of columns; an array may be stored as one column, as
            text such as "[1.2 3.4 ...]", or as one column per element, ``<array>_<element>``
            (elements without a column are NaN). Its shape is (rows, elements); a row whose
            array is null (length 0) or of another length is NaN, for the caller to look at.

        Raises ValueError naming the file and the column (and row) that is missing or wrong.
        """
        stored = {name: self._stored(name, elements) for name in arrays}
        wanted = list(scalars) + [part for parts in stored.values() for part in parts]
        for name in scalars:
            if name not in self.names:
                raise ValueError(f"{self.path}: column {name} is missing")
        first_row = 0
        for block in self._readable([self.names[name] for name in wanted], rows_per_block):
            columns = {name: self._scalar(name, block) for name in scalars}
            lengths: Columns = {}
            for name, parts in stored.items():
                columns[name], lengths[name] = self._array(name, parts, block, elements, first_row)
            yield first_row, columns, lengths
            first_row += len(next(iter(columns.values())))

    def _readable(self, names: Sequence[str], rows_per_block: int) -> Iterator[Columns]:
        blocks = self.read(names, rows_per_block)
        while True:
            with one_sentence(self.path):
                block = next(blocks, None)
            if block is None:
                return
            yield block

    def _stored(self, name: str, elements: Sequence[str]) -> list[str]:
        """The columns that hold an array: itself, or one per element."""
        if name in self.names:
            return [name]
        parts = [f"{name}_{element}".lower() for element in elements]
        parts = [part for part in parts if part in self.names]
        if not parts:
            raise ValueError(f"{self.path}: column {name} is missing")
        return parts

    def _scalar(self, name: str, block: Columns) -> NDArray[Any]:
        return single(block[self.names[name]], f"{self.path}: column {name}")

    def _array(
        self,
        name: str,
        parts: Sequence[str],
        block: Columns,
        elements: Sequence[str],
        first_row: int,
    ) -> tuple[NDArray[Any], NDArray[np.intp]]:
        if list(parts) != [name]:
            num_rows = len(block[self.names[parts[0]]])
            array = np.full((num_rows, len(elements)), np.nan)
            for position, element in enumerate(elements):
                part = f"{name}_{element}".lower()
                if part in parts:
                    array[:, position] = number(block[self.names[part]])
            return array, np.full(num_rows, len(elements))
        where = f"{self.path}: column {name}"
        return rectangle(block[self.names[name]], len(elements), where, first_row)


def catalogue_paths(path: str | Path) -> list[Path]:
    """The catalogue file itself, or the catalogue files of a directory in order of name.

    Raises ValueError where there are none.
    """
    path = Path(path)
    if path.is_file():
        return [path]
    found = sorted(
        entry
        for entry in (path.iterdir() if path.is_dir() else ())
        if entry.name.lower().endswith(SUFFIXES) and not entry.name.startswith(".")
    )
    if not found:
        raise ValueError(f"{path}: no catalogue found, expected files *{', *'.join(SUFFIXES)}")
    return found


def open_catalogue(path: str | Path) -> Catalogue:
    """Open a catalogue; its format is told by its first bytes.

    Raises ValueError for a file that is absent, truncated, or of another format, and for a column
    that is there twice, whatever the case of its letters.
    """
    table = open_table(path)
    names: dict[str, str] = {}
    for name in table.names:
        if name.lower() in names:
            twice = f"{names[name.lower()]} and {name}: case does not count"
            raise ValueError(f"{path}: column {name.lower()} is there twice ({twice})")
        names[name.lower()] = name
    return Catalogue(
        path=table.path,
        names=names,
        units={name.lower(): table.meanings.get(name, {}).get("unit", "") for name in table.names},
        num_rows=table.num_rows,
        read=lambda names, rows: _read(table, names, rows),
        header=table.header,
    )


def _read(table: OpenTable, names: Sequence[str], rows_per_block: int) -> Iterator[Columns]:
    for block in table.blocks(list(dict.fromkeys(names)), rows_per_block):
        for start in range(0, max(len(block), 1), rows_per_block):
            rows = block.slice(start, rows_per_block)
            yield {name: _cells(rows, name) for name in rows.column_names}


def _cells(rows: pa.Table, name: str) -> NDArray[Any]:
    """A column of a block as numpy: a matrix where its cells are lists of one length."""
    kind = rows.schema.field(name).type
    if pa.types.is_string(kind):
        rows = pa.table({name: typed(rows[name])})
    elif pa.types.is_fixed_size_list(kind) and rows[name].null_count == 0:
        matrix = masked_of(rows[name])
        masked = np.ma.isMaskedArray(matrix)
        return np.ma.filled(matrix.astype(np.float64), np.nan) if masked else np.asarray(matrix)
    return column(rows, name)
