"""Catalogue files in the formats that archives give out, read in blocks of rows.

FITS tables, Parquet and CSV are read in row ranges, so memory does not grow with the file;
VOTable, an XML format, is read whole. Column names are case-insensitive: lower case here.
"""

from __future__ import annotations

import gzip
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io import fits
from astropy.table import Table
from numpy.typing import NDArray

from ojala.shards import Columns
from ojala.surveys.cells import number, rectangle, single

SUFFIXES = (".fits", ".fit", ".fits.gz", ".vot", ".vot.gz", ".xml", ".csv", ".csv.gz", ".parquet")
"""Files of a directory that are taken for catalogues."""

FITS_SUFFIXES = (".fits", ".fit", ".fits.gz", ".fit.gz")
"""Files that are not read as CSV, whatever they hold."""


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
        try:
            yield from self.read(names, rows_per_block)
        except _UNREADABLE as error:
            raise ValueError(f"{self.path}: {_unreadable(error)}") from None

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

    Raises ValueError for a file that is absent, truncated, or of another format.
    """
    path = Path(path)
    try:
        head = _first_bytes(path)
        if head.startswith(b"SIMPLE"):
            return _open_fits(path)
        if head.startswith(b"PAR1"):
            return _open_parquet(path)
        if head.lstrip().startswith(b"<") and b"VOTABLE" in head.upper():
            return _open_votable(path)
        if path.name.lower().endswith(FITS_SUFFIXES):
            raise ValueError(f"{path}: not a FITS file, expected it to begin with SIMPLE")
        return _open_csv(path)
    except _UNREADABLE as error:
        raise ValueError(f"{path}: {_unreadable(error)}") from None


_UNREADABLE = (
    OSError,
    EOFError,
    zlib.error,
    pa.ArrowInvalid,
    pd.errors.ParserError,
    pd.errors.EmptyDataError,
    UnicodeDecodeError,
)


def _unreadable(error: Exception) -> str:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return f"not a readable FITS, VOTable, CSV or Parquet table ({reason})"


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as raw:
        head = raw.read(2048)
    if head.startswith(b"\x1f\x8b"):
        with gzip.open(path) as packed:
            head = packed.read(2048)
    if not head:
        raise EOFError("the file is empty")
    return head


def _open_fits(path: Path) -> Catalogue:
    with warnings.catch_warnings():
        # Truncation is told below by the sizes, units outside the standard by whoever needs them.
        warnings.simplefilter("ignore")
        opened = fits.open(path, memmap=True)
        tables = [hdu for hdu in opened if isinstance(hdu, fits.BinTableHDU)]
    if not tables:
        raise ValueError(f"{path}: no binary table in this FITS file")
    table = tables[0]
    num_rows = int(table.header["NAXIS2"])
    place = table.fileinfo()
    packed = path.name.lower().endswith(".gz")
    if not packed and place["datLoc"] + table.header["NAXIS1"] * num_rows > path.stat().st_size:
        raise ValueError(f"{path}: the file is truncated, its table should have {num_rows} rows")

    def read(names: Sequence[str], rows_per_block: int) -> Iterator[Columns]:
        for start in range(0, num_rows, rows_per_block):
            rows = table.data[start : start + rows_per_block]
            yield {name: _native(rows[name]) for name in names}

    columns = table.columns
    return Catalogue(
        path=path,
        names={name.lower(): name for name in columns.names},
        units={column.name.lower(): column.unit or "" for column in columns},
        num_rows=num_rows,
        read=read,
        header=table.header,
    )


def _open_parquet(path: Path) -> Catalogue:
    opened = pq.ParquetFile(path)
    fields = {field.name: field.metadata or {} for field in opened.schema_arrow}

    def read(names: Sequence[str], rows_per_block: int) -> Iterator[Columns]:
        for batch in opened.iter_batches(batch_size=rows_per_block, columns=list(names)):
            yield {name: _of_arrow(batch.column(name)) for name in names}

    return Catalogue(
        path=path,
        names={name.lower(): name for name in fields},
        units={name.lower(): fields[name].get(b"unit", b"").decode() for name in fields},
        num_rows=opened.metadata.num_rows,
        read=read,
    )


def _open_votable(path: Path) -> Catalogue:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            table = Table.read(path, format="votable")
        except (ValueError, IndexError) as error:
            raise OSError(str(error)) from None

    def read(names: Sequence[str], rows_per_block: int) -> Iterator[Columns]:
        for start in range(0, len(table), rows_per_block):
            rows = table[start : start + rows_per_block]
            yield {name: _unmasked(rows[name]) for name in names}

    return Catalogue(
        path=path,
        names={name.lower(): name for name in table.colnames},
        units={name.lower(): str(table[name].unit or "") for name in table.colnames},
        num_rows=len(table),
        read=read,
    )


def _open_csv(path: Path) -> Catalogue:
    opener: Any = gzip.open if path.name.lower().endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8") as lines:
        comments = 0  # the archive writes its query above the header
        while lines.readline().startswith("#"):
            comments += 1
    header = pd.read_csv(path, skiprows=comments, nrows=0)

    def read(names: Sequence[str], rows_per_block: int) -> Iterator[Columns]:
        chunks = pd.read_csv(path, skiprows=comments, usecols=list(names), chunksize=rows_per_block)
        for chunk in chunks:
            yield {name: chunk[name].to_numpy() for name in names}

    return Catalogue(
        path=path,
        names={str(name).strip().lower(): str(name) for name in header.columns},
        units={},
        num_rows=None,
        read=read,
    )


def _native(values: NDArray[Any]) -> NDArray[Any]:
    """A copy in the machine's byte order."""
    array = np.asarray(values)
    return array.astype(array.dtype.newbyteorder("="))


def _unmasked(column: Any) -> NDArray[Any]:
    """A table column as an array; masked numbers are NaN."""
    if not np.ma.isMaskedArray(column):
        return np.asarray(column)
    if column.dtype.kind in "iu" and np.any(np.ma.getmaskarray(column)):
        column = column.astype(np.float64)
    return np.asarray(column.filled(np.nan if column.dtype.kind == "f" else None))


def _of_arrow(column: pa.Array) -> NDArray[Any]:
    """An Arrow column as an array; lists of equal length become rows of a matrix."""
    if pa.types.is_fixed_size_list(column.type):
        flat = column.flatten().to_numpy(zero_copy_only=False)
        if column.null_count == 0:
            return np.asarray(flat.reshape(len(column), column.type.list_size))
    return np.asarray(column.to_numpy(zero_copy_only=False))
