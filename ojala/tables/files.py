"""Tables from anyone: Parquet, CSV, ECSV, FITS and VOTable files, packed or not.

The one place that reads someone's table into columns with their exact types, and the one that
writes it back. What is understood: docs/tables.md.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial as bound
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ojala.tables.columns import meaning, with_meanings
from ojala.tables.formats import csv_tables, fits_tables, votables
from ojala.tables.formats.ecsv_tables import read_ecsv, write_ecsv
from ojala.tables.formats.limits import untold
from ojala.tables.formats.unpacked import is_packed, opened, pack
from ojala.tables.units import known_unit
from ojala.tables.writing import written_whole

FORMATS = {
    ".parquet": "Parquet",
    ".pq": "Parquet",
    ".csv": "CSV",
    ".ecsv": "ECSV",
    ".fits": "FITS",
    ".fit": "FITS",
    ".vot": "VOTable",
    ".votable": "VOTable",
    ".xml": "VOTable",
}
"""Format of a table by the suffix of its name."""

PACKED = ".gz"
"""Of files that are written packed."""

UNPACKED = (PACKED, ".bz2", ".xz")
"""Of files that are read packed."""

HEADER = b"ojala.header"
"""Metadata of an Arrow table: the header of the file that it came from, as JSON."""


@dataclass(frozen=True, kw_only=True)
class OpenTable:
    """An opened table: what its columns are called and mean, and how to read them.

    num_rows: None where only reading tells (CSV)
    header: cards of a FITS table, INFO of a VOTable, meta of an ECSV
    blocks: the chosen columns in blocks of about so many rows
    """

    path: Path
    names: list[str]
    meanings: dict[str, dict[str, str]]
    num_rows: int | None
    blocks: Callable[[Sequence[str], int], Iterator[pa.Table]]
    header: dict[str, Any] = field(default_factory=dict)


def table_format(path: Path, packings: Sequence[str] = (PACKED,)) -> str:
    """The format that a file's name tells, in any case. Raises ValueError where it tells none."""
    packed = path.suffix.lower() in packings
    suffix = Path(path.stem).suffix.lower() if packed else path.suffix.lower()
    if suffix not in FORMATS:
        raise ValueError(f"{path}: expected a name that ends in one of {', '.join(FORMATS)}")
    if packed and FORMATS[suffix] == "Parquet":
        raise ValueError(f"{path}: Parquet packs itself, expected a name without {PACKED}")
    return FORMATS[suffix]


def open_table(path: str | Path) -> OpenTable:
    """Open the table of a file; its format is told by its first bytes.

    Raises ValueError with one sentence that names the file and what is wrong with it.
    """
    path = Path(path)
    if not path.exists():
        raise ValueError(f"{path}: no such table")
    with one_sentence(path):
        with opened(path) as file:
            head = file.read(4096)
        if not head:
            raise ValueError("the file is empty")
        table = _opener(path, head)(path)
        check_names(table.names)
        return table


def _opener(path: Path, head: bytes) -> Callable[[Path], OpenTable]:
    if head.startswith(b"SIMPLE"):
        return _open_fits
    if head.startswith(b"PAR1"):
        return _open_parquet
    text = head.lstrip(b"\xef\xbb\xbf \r\n\t")
    if text.startswith(b"<") and b"VOTABLE" in head.upper():
        return _open_votable
    if text.startswith(b"# %ECSV"):
        return _open_ecsv
    if (told := table_format(path, UNPACKED)) != "CSV":
        raise ValueError(f"it does not begin as a table of {told}")
    return _open_csv


def read_table_file(path: str | Path, columns: Sequence[str] | None = None) -> pa.Table:
    """The table of a file, or some columns of it, with exact types, nulls and meanings.

    Raises ValueError with one sentence that names the file and what is wrong with it.
    """
    table = open_table(path)
    names = table.names if columns is None else list(columns)
    for name in names:
        if name not in table.names:
            raise ValueError(f"{path}: column {name!r} is missing")
    with one_sentence(table.path):
        whole = pa.concat_tables(list(table.blocks(names, table.num_rows or 1)))
        if table.num_rows is None:  # CSV: a type is that of the whole column
            typed = [csv_tables.typed(whole.column(name)) for name in names]
            whole = pa.table(typed, names=names)
        return with_header(with_meanings(whole, table.meanings), table.header)


@contextmanager
def one_sentence(path: Path) -> Iterator[None]:
    """Whatever a reader of someone's file raises, as a ValueError that names the file."""
    try:
        yield
    except Exception as error:
        said = " ".join(str(error).split()) or type(error).__name__
        if said.startswith(f"{path}: "):
            raise ValueError(said) from None
        raise ValueError(f"{path}: not a readable table ({said})") from None


def header_of(table: pa.Table) -> dict[str, Any]:
    """The header that a table was read with: FITS cards, INFO of a VOTable, meta of an ECSV."""
    return dict(json.loads((table.schema.metadata or {}).get(HEADER, b"{}")))


def with_header(table: pa.Table, header: dict[str, Any]) -> pa.Table:
    """A table with another header."""
    metadata = dict(table.schema.metadata or {})
    metadata.pop(HEADER, None)
    if header:
        metadata[HEADER] = json.dumps(header, default=str).encode()
    return table.replace_schema_metadata(metadata)


def check_names(names: Sequence[str]) -> None:
    """Raise ValueError for a column that is there twice: which one would be meant?"""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"column {twice[0]!r} is there twice")


def check_writable(table: pa.Table, path: Path, more: Sequence[str] = ()) -> None:
    """Raise ValueError for the first column that the format of ``path`` cannot hold.

    more: names of columns that are to come
    """
    file_format = table_format(path)
    for name, why in untold(table, file_format, more):
        raise ValueError(
            f"{path}: {file_format} cannot hold column {name}: {why}; leave it out or write "
            "another format, as Parquet (.parquet)"
        )


def write_table_file(table: pa.Table, path: Path) -> None:
    """Write a table in the format of the path's suffix, whole or not at all.

    Raises ValueError naming the file and the column that the format cannot hold.
    """
    check_writable(table, path)
    with written_whole(path) as partial:
        if path.suffix.lower() != PACKED:
            _write(table, table_format(path), partial)
            return
        plain = partial.with_name(f"{partial.name}.plain")
        try:
            _write(table, table_format(path), plain)
            pack(plain, partial)
        finally:
            plain.unlink(missing_ok=True)


def _write(table: pa.Table, file_format: str, path: Path) -> None:
    header = header_of(table)
    if file_format == "Parquet":
        pq.write_table(table, path)
    elif file_format == "CSV":
        csv_tables.write_csv(table, path)
    elif file_format == "ECSV":
        write_ecsv(table, header, path)
    elif file_format == "FITS":
        fits_tables.write_fits(table, header, path)
    else:
        votables.write_votable(table, header, path)


def _open_parquet(path: Path) -> OpenTable:
    stored = pq.ParquetFile(pa.BufferReader(opened(path).read()) if is_packed(path) else path)

    def blocks(names: Sequence[str], rows: int) -> Iterator[pa.Table]:
        check_names(list(stored.schema_arrow.names))
        if rows >= stored.metadata.num_rows:
            yield stored.read(columns=list(names))
            return
        for batch in stored.iter_batches(batch_size=rows, columns=list(names)):
            yield pa.Table.from_batches([batch])

    schema = stored.schema_arrow
    return OpenTable(
        path=path,
        names=list(schema.names),
        meanings={one.name: _parquet_meaning(one) for one in schema},
        num_rows=stored.metadata.num_rows,
        blocks=blocks,
        header=json.loads((schema.metadata or {}).get(HEADER, b"{}")),
    )


def _parquet_meaning(one: pa.Field) -> dict[str, str]:
    said = meaning(one)
    if "unit" in said:
        said["unit"] = known_unit(said["unit"])[0]
    return said


def _open_fits(path: Path) -> OpenTable:
    table = fits_tables.open_table(path)
    return OpenTable(
        path=path,
        names=fits_tables.names_of(table),
        meanings=fits_tables.meanings_of(table),
        num_rows=int(table.header["NAXIS2"]),
        blocks=bound(fits_tables.read_fits, table),
        header=fits_tables.header_of(table),
    )


def _open_votable(path: Path) -> OpenTable:
    element = votables.open_votable(path)
    check_names(votables.names_of(element))
    return OpenTable(
        path=path,
        names=votables.names_of(element),
        meanings=votables.meanings_of(element),
        num_rows=len(element.array),
        blocks=bound(_slices, votables.read_votable(element)),
        header=votables.header_of(element),
    )


def _open_ecsv(path: Path) -> OpenTable:
    table, meanings, header = read_ecsv(path)
    return OpenTable(
        path=path,
        names=table.column_names,
        meanings=meanings,
        num_rows=len(table),
        blocks=bound(_slices, table),
        header=header,
    )


def _open_csv(path: Path) -> OpenTable:
    head = csv_tables.read_head(path)

    def blocks(names: Sequence[str], rows: int) -> Iterator[pa.Table]:
        return csv_tables.read_csv(path, head, names)

    return OpenTable(path=path, names=head.names, meanings={}, num_rows=None, blocks=blocks)


def _slices(table: pa.Table, names: Sequence[str], rows: int) -> Iterator[pa.Table]:
    for start in range(0, max(len(table), 1), max(rows, 1)):
        yield table.select(list(names)).slice(start, rows)
