"""CSV, read with the types that its cells certainly have and text where that is in doubt."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from ojala.tables.columns import as_text, flat, is_time
from ojala.tables.formats.unpacked import opened

DELIMITERS = (",", ";", "\t")

MISSING = ("nan", "null", "none", "na", "n/a", "--")
"""Words, in any case, that stand for a missing number."""

BLOCK = 1 << 24
"""Bytes that are read at a time; a row must fit."""

_WHOLE = "^-?(0|[1-9][0-9]*)$"
_NUMBER = r"^[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?$|^[-+]?(?i:inf|infinity)$"
_TELLING = r"\.|[eE][-+]|(?i)inf"
"""What writers of floating-point numbers leave: a point or the sign of an exponent."""
_MANY_DIGITS = r"^[-+]?[0-9]{16}"
_DIGITS = "[0-9]"


@dataclass(frozen=True)
class Head:
    """What stands before the rows: names of the columns, lines above the rows, the delimiter."""

    names: list[str]
    num_lines: int
    delimiter: str


def read_head(path: Path) -> Head:
    """The header of a CSV file; lines above it that begin with # are comments.

    A last such line that names the columns is the header, where what follows is numbers.
    Raises ValueError for a file that holds nothing else.
    """
    comments: list[str] = []
    with opened(path) as file:
        for raw in file:
            line = raw.decode("utf-8-sig" if not comments else "utf-8", errors="replace")
            if line.strip() and not line.startswith("#"):
                break
            comments.append(line)
        else:
            raise ValueError("there is no header")
    if "\ufffd" in line:
        raise ValueError("its header is not UTF-8: save it as UTF-8")
    header, num_lines = line, len(comments) + 1
    above = comments[-1].lstrip("#") if comments and comments[-1].startswith("#") else ""
    if _names_columns(above, line):
        header, num_lines = above, len(comments)
    delimiter = max(DELIMITERS, key=header.count)
    return Head([name.strip() for name in _cells(header, delimiter)], num_lines, delimiter)


def _names_columns(above: str, first: str) -> bool:
    delimiter = max(DELIMITERS, key=first.count)
    names, cells = _cells(above, delimiter), _cells(first, delimiter)
    numbers = [cell for cell in cells if re.match(_NUMBER, cell.strip())]
    named = [name for name in names if re.match(_NUMBER, name.strip())]
    return len(names) == len(cells) > 1 and bool(numbers) and not named


def _cells(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line.strip("\r\n")], delimiter=delimiter), [])


def read_csv(path: Path, head: Head, names: Sequence[str]) -> Iterator[pa.Table]:
    """The chosen columns of a CSV file as text, an empty cell null, in blocks of rows.

    Raises ValueError naming the row (the first below the header is 1) that has more or fewer
    cells than the header, and the column that is not UTF-8.
    """
    odd: list[str] = []
    with opened(path) as file:
        try:
            yield from (pa.Table.from_batches([b]) for b in _batches(file, head, names, odd))
        except pa.ArrowInvalid as error:
            if odd:
                raise ValueError(odd[0]) from None
            raise ValueError(_said(error, head)) from None


def _batches(file: BinaryIO, head: Head, names: Sequence[str], odd: list[str]) -> Any:
    def refuse(row: Any) -> str:
        place = "" if row.number is None else f" {row.number - head.num_lines}"
        odd.append(f"row{place} has {row.actual_columns} cells, the header {row.expected_columns}")
        return "error"

    return arrow_csv.open_csv(
        file,
        arrow_csv.ReadOptions(
            column_names=head.names, skip_rows=head.num_lines, block_size=BLOCK, use_threads=False
        ),
        arrow_csv.ParseOptions(
            delimiter=head.delimiter,
            newlines_in_values=True,
            ignore_empty_lines=len(head.names) > 1,
            invalid_row_handler=refuse,
        ),
        arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            include_columns=list(names),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _said(error: Exception, head: Head) -> str:
    said = str(error)
    column = re.search(r"column #(\d+).*UTF8", said)
    if column:
        return f"column {head.names[int(column[1])]} holds text that is not UTF-8"
    return said


def typed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of text as numbers, where printing them says the same.

    Whole numbers stay exact, up to 64 bits, with nulls. Text is kept where a number would not give
    it back: 0012, +5, 1e5 (a name as much as a number), longer integers, or 2241.1 beside 2241.10.
    """
    known = pc.drop_null(column)
    if len(known) == 0:
        return pa.chunked_array([pa.nulls(len(column))])
    words = pc.utf8_trim_whitespace(column)
    missing = pc.is_in(pc.utf8_lower(words), pa.array(["", *MISSING]))
    told = pc.drop_null(pc.if_else(missing, None, words))
    if len(told) == 0:
        return pc.cast(pc.if_else(pc.equal(pc.utf8_lower(words), "nan"), "nan", None), "float64")
    if _all(told, "^(True|False)$"):
        return pc.equal(pc.if_else(missing, None, words), "True")
    numbers = pc.if_else(missing, None, words)
    if _all(told, _WHOLE):
        return _whole(numbers) or column
    return column if not _all(told, _NUMBER) else _floating(words, told, column)


def _all(words: Any, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(words, pattern)).as_py())


def _any(words: Any, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(words, pattern)).as_py())


def _whole(words: Any) -> Any:
    for kind in ("int64", "uint64"):
        try:
            return pc.cast(words, kind)
        except pa.ArrowInvalid:
            continue
    return None


def _floating(words: Any, told: Any, column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not _any(told, _TELLING) or _any(told, _MANY_DIGITS):
        return column
    values = pc.cast(told, "float64")
    written = pa.table({"text": pc.replace_substring_regex(told, r"^\+", ""), "value": values})
    written = written.filter(pc.not_equal(values, 0))
    if pc.count_distinct(written["text"]).as_py() != pc.count_distinct(written["value"]).as_py():
        return column
    lower = pc.utf8_lower(words)
    empty = pc.is_in(lower, pa.array(["", *(word for word in MISSING if word != "nan")]))
    return pc.cast(pc.if_else(empty, None, words), "float64")


def write_csv(table: pa.Table, path: Path) -> None:
    """Write a table as CSV: null is an empty cell, empty text is "" in quotes."""
    arrays = [_printed(flat(table.column(name))) for name in table.column_names]
    arrow_csv.write_csv(
        pa.table(arrays, names=table.column_names),
        path,
        arrow_csv.WriteOptions(quoting_style="needed"),
    )


def _printed(array: pa.Array) -> pa.Array:
    if pa.types.is_boolean(array.type):
        return pc.if_else(array, "True", "False")
    if is_time(array.type):
        return as_text(array)
    if pa.types.is_decimal(array.type):
        return array.cast(pa.string())
    if pa.types.is_null(array.type):
        return array.cast(pa.string())
    return array
