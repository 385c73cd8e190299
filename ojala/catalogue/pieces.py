"""A catalogue in pieces of rows, each of which can be read without the others.

Parquet files and shards and FITS tables are read by rows where they lie. Any other table is first
written as Parquet (``staged``): a CSV file by blocks, the rest whole.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ojala.tables.columns import with_meanings
from ojala.tables.files import OpenTable, one_sentence, open_table, with_header
from ojala.tables.formats import csv_tables, fits_tables
from ojala.tables.formats.unpacked import is_packed
from ojala.tables.shards import COMPRESSION, read_table, shard_paths
from ojala.tables.writing import written_whole

ROWS = 20_000
"""Of a piece: with its answers some 40 MB."""

BUFFER = 1 << 17
"""Bytes of a Parquet column that are read at a time; without it a whole row group is."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Rows of a file.

    path: of the file as the user named it; stored: where its rows are read from
    first: the first row, from 0; before: rows of the catalogue before that one
    """

    path: Path
    stored: Path
    first: int
    num_rows: int
    before: int


@dataclass(frozen=True)
class _Rows:
    """Some rows of a FITS table, as far as ``fits_tables.read_fits`` asks."""

    columns: Any
    data: Any


def planned(path: Path, place: Path, rows: int = ROWS) -> list[Piece]:
    """The pieces of a catalogue in the order of its rows; one of no rows where it has none.

    place: an existing directory for a table that has to be staged
    Raises ValueError naming the file that is missing or no readable table, or whose columns are
    not those of the shards before it.
    """
    if not path.exists():
        raise ValueError(f"{path}: no such catalogue")
    pieces: list[Piece] = []
    expected, before = None, 0
    for shard in shard_paths(path):
        stored = shard.resolve() if is_read_by_rows(shard) else staged(shard, place)
        table = open_table(stored)
        if _is_parquet(stored):
            expected = _same(path, shard, pq.read_schema(stored), expected)
        num_rows = table.num_rows or 0
        pieces += [
            Piece(
                path=shard,
                stored=stored,
                first=first,
                num_rows=min(rows, num_rows - first),
                before=before + first,
            )
            for first in range(0, num_rows, rows)
        ]
        last = Piece(path=shard, stored=stored, first=0, num_rows=0, before=0)
        before += num_rows
    return pieces or [last]


def is_read_by_rows(path: Path) -> bool:
    """Whether rows of a table can be read where it lies: Parquet and FITS, not packed."""
    if is_packed(path):
        return False
    with path.open("rb") as file:
        return file.read(6).startswith((b"PAR1", b"SIMPLE"))


def read_piece(piece: Piece) -> pa.Table:
    """The rows of a piece, with exact types, meanings and the header of the file.

    Raises ValueError naming the file and what is wrong with it.
    """
    table = open_table(piece.stored)
    with one_sentence(piece.path):
        rows = pa.concat_tables(_rows_of(table, piece))
        if len(rows) != piece.num_rows:
            raise ValueError(f"it has changed: row {piece.first + len(rows) + 1} is missing")
        return with_header(with_meanings(rows, table.meanings), table.header)


@contextmanager
def told_of(path: Path, first: int = 0) -> Iterator[None]:
    """Let a ValueError of the block name the file, and count rows from its first.

    first: how many rows of the file come before those that the block sees
    """
    try:
        yield
    except ValueError as error:
        said = re.sub(r"\brow (\d+)\b", lambda row: f"row {int(row[1]) + first}", str(error))
        raise ValueError(f"{path}: {said}") from None


def staged(path: Path, place: Path) -> Path:
    """A table as a Parquet file of the directory ``place``, with its meanings and its header."""
    stored = place / f"{path.name}.parquet"
    table = open_table(path)
    with written_whole(stored) as partial:
        if table.num_rows is None:
            _stage_csv(table, partial)
        else:
            pq.write_table(read_table(path), partial, compression=COMPRESSION)
    return stored


def _stage_csv(table: OpenTable, path: Path) -> None:
    """A CSV file as Parquet, first as text, then every column in the type of all its cells."""
    with tempfile.TemporaryDirectory(dir=path.parent) as place:
        text = Path(place) / "text.parquet"
        schema = pa.schema([(name, pa.string()) for name in table.names])
        with pq.ParquetWriter(text, schema, compression=COMPRESSION) as writer:
            for block in _blocks(table):
                writer.write_table(block)
        columns = [Path(place) / f"{number}.parquet" for number in range(len(table.names))]
        for name, column in zip(table.names, columns, strict=True):
            with one_sentence(table.path):
                typed = csv_tables.typed(pq.read_table(text, columns=[name])[name])
            pq.write_table(pa.table({name: typed}), column, row_group_size=ROWS)
        _side_by_side(columns, path)


def _blocks(table: OpenTable) -> Iterator[pa.Table]:
    """A table block by block; what it raises is the reader's, not of whoever writes the blocks."""
    with one_sentence(table.path):
        yield from table.blocks(table.names, ROWS)


def _side_by_side(columns: Sequence[Path], path: Path) -> None:
    """Parquet files of a column each, of the same rows, as one."""
    opened = [pq.ParquetFile(column) for column in columns]
    schema = pa.schema([one.schema_arrow.field(0) for one in opened])
    with pq.ParquetWriter(path, schema, compression=COMPRESSION) as writer:
        for group in range(opened[0].num_row_groups):
            arrays = [one.read_row_group(group).column(0) for one in opened]
            writer.write_table(pa.table(arrays, schema=schema))


def _same(path: Path, shard: Path, schema: pa.Schema, expected: pa.Schema | None) -> pa.Schema:
    """The columns of a shard. Raises ValueError where they are not those of the shards before."""
    if expected is None or schema.equals(expected):
        return schema
    types = [dict(zip(one.names, one.types, strict=True)) for one in (schema, expected)]
    for name in (*expected.names, *schema.names):
        here, there = (one.get(name, "missing") for one in types)
        if here != there:
            raise ValueError(
                f"{path}: its shards do not have the same columns "
                f"({name} is {here} in {shard.name}, {there} before)"
            )
    raise ValueError(
        f"{path}: its shards do not have the same columns (those of {shard.name} are in another "
        "order than before)"
    )


def _rows_of(table: OpenTable, piece: Piece) -> Iterator[pa.Table]:
    if not _is_parquet(table.path):
        found = fits_tables.open_table(table.path)
        rows = _Rows(found.columns, found.data[piece.first : piece.first + piece.num_rows])
        yield from fits_tables.read_fits(rows, table.names, max(piece.num_rows, 1))
        return
    stored = pq.ParquetFile(table.path, buffer_size=BUFFER)
    ends = np.cumsum([stored.metadata.row_group(n).num_rows for n in range(stored.num_row_groups)])
    last = piece.first + piece.num_rows
    groups = np.flatnonzero((ends > piece.first) & (np.r_[0, ends[:-1]] < last))
    yield pa.Table.from_batches([], stored.schema_arrow)
    row = int(ends[groups[0] - 1]) if len(groups) and groups[0] else 0
    for batch in stored.iter_batches(ROWS, row_groups=groups.tolist()) if len(groups) else ():
        yield pa.Table.from_batches([batch[max(piece.first - row, 0) : max(last - row, 0)]])
        row += len(batch)
        if row >= last:
            return


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"
