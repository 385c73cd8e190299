"""Columns of tables between Arrow, which holds every type exactly, and numpy, which astropy wants.

A column's meaning (unit, description, ucd) is the metadata of its Arrow field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

MEANINGS = ("unit", "description", "ucd")

COMPLEX = ("re", "im")
"""Fields of a complex number, for which Arrow has no type."""


def arrow_of(values: Any) -> pa.Array:
    """A column of numpy or astropy, masked or not: masked is null, several values are a list."""
    data, mask = np.ma.getdata(values), None
    if isinstance(values, np.ma.MaskedArray) or hasattr(values, "mask"):
        mask = np.ma.getmaskarray(np.ma.asarray(values))
    data = np.asarray(data)
    if data.ndim > 1:
        flat = data.reshape(-1)
        array = arrow_of(flat if mask is None else np.ma.array(flat, mask=mask.reshape(-1)))
        for size in data.shape[:0:-1]:
            array = pa.FixedSizeListArray.from_arrays(array, size)
        return array
    if data.dtype.kind == "O":
        return _of_objects(data, mask)
    if data.dtype.kind == "c":
        parts = [pa.array(np.ascontiguousarray(part)) for part in (data.real, data.imag)]
        return pa.StructArray.from_arrays(parts, names=COMPLEX, mask=_mask(mask))
    if data.dtype.kind == "S":
        return text_of_bytes(pa.array(data, pa.binary(), mask=mask))
    if data.dtype.kind == "U":
        return pa.array(data.astype(object), pa.string(), mask=mask)
    return pa.array(data.astype(data.dtype.newbyteorder("="), copy=False), mask=mask)


def _mask(mask: NDArray[np.bool_] | None) -> pa.Array | None:
    return None if mask is None else pa.array(mask)


def _of_objects(data: NDArray[Any], mask: NDArray[np.bool_] | None) -> pa.Array:
    """Text, or lists of different length."""
    hidden = np.zeros(len(data), dtype=bool) if mask is None else mask
    cells = [
        None if hide or value is np.ma.masked else value
        for value, hide in zip(data, hidden, strict=True)
    ]
    arrays = [np.asarray(cell) for cell in cells if isinstance(cell, np.ndarray)]
    if not arrays:
        return pa.array([c.decode("latin-1") if isinstance(c, bytes) else c for c in cells])
    kinds = {array.dtype for array in arrays if array.size} or {arrays[0].dtype}
    kind = pa.string() if {k.kind for k in kinds} & set("OUS") else None
    kind = kind or pa.from_numpy_dtype(np.result_type(*kinds).newbyteorder("="))
    for _ in range(max(array.ndim for array in arrays)):
        kind = pa.list_(kind)
    return pa.array([None if cell is None else cell.tolist() for cell in cells], kind)


def text_of_bytes(array: pa.Array) -> pa.Array:
    """Bytes as text: UTF-8, else Latin-1, which older files of observatories are written in."""
    try:
        return array.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([_decoded(value) for value in array.to_pylist()], pa.string())


def _decoded(value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def flat(column: Any) -> pa.Array:
    """A column in one piece, its dictionary looked up."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    return array


def masked_of(column: Any) -> Any:
    """A column as numpy, masked where it has nulls: text is "" there, times are ISO 8601 text.

    Lists of one length are a matrix; lists of several lengths an object array of arrays.
    """
    array = flat(column)
    kind = array.type
    if is_text(kind) or pa.types.is_null(kind) or is_time(kind):
        words = [word or "" for word in as_text(array).to_pylist()]
        return np.array(words, dtype=str if words else "U1")
    if is_complex(kind):
        real, imaginary = (np.asarray(masked_of(part)) for part in array.flatten())
        return real + 1j * imaginary
    if is_list(kind):
        return _matrix(array)
    if pa.types.is_decimal(kind):
        array = array.cast(pa.string())
    if array.null_count == 0:
        return array.to_numpy(zero_copy_only=False)
    blank: Any = False if pa.types.is_boolean(kind) else 0
    values = array.fill_null(blank).to_numpy(zero_copy_only=False)
    return np.ma.array(values, mask=pc.is_null(array).to_numpy(zero_copy_only=False))


def _matrix(array: pa.Array) -> Any:
    lengths = set(pc.unique(pc.list_value_length(array)).to_pylist())
    if len(lengths) == 1 and None not in lengths:
        inner = masked_of(array.flatten())
        if inner.dtype.kind != "O":
            return inner.reshape((len(array), *lengths, *inner.shape[1:]))
    cells = np.empty(len(array), dtype=object)
    for row in range(len(array)):
        cell = array[row].values
        cells[row] = np.asarray(masked_of(cell) if cell is not None else [])
    return cells


def as_text(array: pa.Array) -> pa.Array:
    """Text of a column of text or times (ISO 8601, as FITS and DALI write them)."""
    kind = array.type
    if pa.types.is_timestamp(kind):
        zone = "Z" if kind.tz else ""
        return pa.array(
            [None if t is None else f"{t}{zone}" for t in _datetimes(array)], pa.string()
        )
    return array.cast(pa.string())


def _datetimes(array: pa.Array) -> list[str | None]:
    plain = array.cast(pa.timestamp(array.type.unit)) if array.type.tz else array
    values = plain.to_numpy(zero_copy_only=False)
    return [None if np.isnat(value) else str(value) for value in values]


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is text."""
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def is_time(kind: pa.DataType) -> bool:
    """Whether a type is a point in time."""
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_time(kind))


def is_complex(kind: pa.DataType) -> bool:
    """Whether a type is that of a complex number."""
    return pa.types.is_struct(kind) and tuple(field.name for field in kind) == COMPLEX


def is_list(kind: pa.DataType) -> bool:
    """Whether a type is a list, of fixed length or not."""
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def is_number(kind: pa.DataType) -> bool:
    """Whether a type is one of numbers that every format has, or a boolean."""
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    )


def meaning(field: pa.Field) -> dict[str, str]:
    """Unit, description and ucd of a column, as far as they are known."""
    said = {key.decode(): text.decode() for key, text in (field.metadata or {}).items()}
    return {name: said[name] for name in MEANINGS if said.get(name)}


def with_meanings(table: pa.Table, meanings: Mapping[str, Mapping[str, str]]) -> pa.Table:
    """A table whose columns carry their unit, description and ucd."""
    fields = [
        field.with_metadata({**(field.metadata or {}), **meanings[field.name]})
        if meanings.get(field.name)
        else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields, metadata=table.schema.metadata))
