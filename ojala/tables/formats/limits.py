"""What a format cannot hold: said by the name of the column, before anything is made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ojala.tables.columns import flat, is_complex, is_list, is_number, is_text, is_time, masked_of

CONTROLS = r"[\x00-\x08\x0b\x0c\x0e-\x1f]"
"""Characters that XML has no way to write."""

INT64 = 2**63 - 1


def untold(
    table: pa.Table, file_format: str, more: Sequence[str] = ()
) -> Iterator[tuple[str, str]]:
    """Columns that a format cannot hold, each with the reason; more: names of those to come."""
    yield from _names([*table.column_names, *more], file_format)
    for name in table.column_names:
        why = _FAULTS[file_format](flat_or_none(table[name]))
        if why:
            yield name, why


def flat_or_none(column: pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """A column in one piece, or as it is where its type cannot be looked up."""
    try:
        return flat(column)
    except pa.ArrowException:
        return column


def _names(names: Sequence[str], file_format: str) -> Iterator[tuple[str, str]]:
    if file_format != "FITS":
        return
    seen: dict[str, str] = {}
    for name in names:
        if not name.isascii() or not name.isprintable():
            yield name, "a name in FITS is ASCII"
        if name.lower() in seen:
            yield name, f"in FITS its name is that of {seen[name.lower()]}, case does not count"
        seen[name.lower()] = name


def _parquet(array: Any) -> str | None:
    try:
        pq.write_table(pa.table({"column": array.slice(0, 1)}), pa.BufferOutputStream())
    except pa.ArrowException:
        return f"its type is {array.type}"
    return None


def _csv(array: Any) -> str | None:
    kind = array.type
    if is_number(kind) or is_text(kind) or is_time(kind):
        return None
    return None if pa.types.is_decimal(kind) or pa.types.is_null(kind) else _type(kind)


def _ecsv(array: Any) -> str | None:
    kind = array.type
    if is_list(kind):
        return _list(array)
    if is_text(kind):
        return _row_of(array, r"^\s|\s$", "blanks at the ends of a text are lost there")
    known = is_number(kind) or is_text(kind) or is_time(kind) or is_complex(kind)
    return None if known or pa.types.is_null(kind) else _type(kind)


def _fits(array: Any) -> str | None:
    kind = array.type
    if pa.types.is_boolean(kind) and array.null_count:
        return "a boolean has no null there that all readers know"
    if is_text(kind):
        return _row_of(array, r"[^\x20-\x7e]", "text there is printable ASCII")
    if is_list(kind):
        return _list(array)
    if pa.types.is_integer(kind) and array.null_count and _is_full(array):
        return "every number of its type is used, and none is left for null"
    return _ecsv(array)


def _votable(array: Any) -> str | None:
    kind = array.type
    if is_text(kind):
        return _row_of(array, CONTROLS, "XML has no such character")
    if kind == pa.uint64() and array.null_count < len(array) and pc.max(array).as_py() > INT64:
        return "a whole number there is at most 9223372036854775807"
    if is_list(kind):
        if is_list(kind.value_type) or not is_number(kind.value_type):
            return _type(kind)
        return _list(array)
    return _ecsv(array)


def _list(array: Any) -> str | None:
    """Lists of numbers are held, as long as a null in them or of them can be told."""
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    inner = array.flatten()
    if is_list(inner.type):
        fixed = pa.types.is_fixed_size_list(array.type) and pa.types.is_fixed_size_list(inner.type)
        return _list(inner) if fixed and not array.null_count else _type(array.type)
    if not is_number(inner.type) and not is_text(inner.type):
        return _type(array.type)
    if array.null_count or inner.null_count:
        return "a list that is null, or holds nulls, has no place there"
    if is_text(inner.type) and masked_of(array).dtype.kind == "O":
        return _type(array.type)
    if is_text(inner.type):
        return _row_of(inner, r"[^\x20-\x7e]", "text in lists is printable ASCII")
    return None


def _row_of(array: Any, pattern: str, why: str) -> str | None:
    wrong = pc.fill_null(pc.match_substring_regex(array, pattern), False)
    if not pc.any(wrong).as_py():
        return None
    row = int(np.argmax(wrong.to_numpy(zero_copy_only=False)))
    return f"row {row + 1} is {array[row].as_py()!r}, {why}"


def _is_full(array: Any) -> bool:
    bits = array.type.bit_width
    return bits <= 16 and bool(pc.count_distinct(array).as_py() >= 2**bits)


def _type(kind: pa.DataType) -> str:
    return f"its type is {kind}"


_FAULTS = {"Parquet": _parquet, "CSV": _csv, "ECSV": _ecsv, "FITS": _fits, "VOTable": _votable}
