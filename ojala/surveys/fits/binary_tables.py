"""Binary tables of FITS files, read as the physical values that they stand for.

A table's bytes are mapped as they lie on disk and only the columns asked for are touched: a DESI
table has some 80 of them and up to 10^7 rows, and astropy's own records take 3 (all rows) to 20
times (few rows) as long. What a stored number means (TSCAL, TZERO, TNULL) is as astropy has it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ojala.surveys.fits.images import stored_in
from ojala.tables.shards import Columns

Rows = NDArray[np.intp] | slice
"""Which rows to read: positions, or a slice."""

IDS = ("TARGETID",)
"""Columns that name sources: 64-bit whole numbers, never rounded."""

_BYTES = {"L": "i1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_TEXT = {
    *("MORPHTYPE", "OBJTYPE", "PHOTSYS", "PROGRAM", "RR_SPECTYPE", "SPECTYPE", "SUBTYPE", "SURVEY"),
}
"""Columns of DESI's tables that hold text; in all others that are read there is one number."""

_ROWS_AT_ONCE = 65_536
_OTHERS = {"X": 1, "C": 8, "M": 16, "P": 8, "Q": 16}  # widths of formats that are never read
_SIGN_BIT = 2**63


@dataclass(frozen=True, kw_only=True)
class Stored:
    """How a column is stored: its cell, and what turns a stored number into the physical one."""

    name: str
    cell: np.dtype[Any]
    logical: bool
    scale: float
    zero: int | float
    null: int | None


def read_columns(
    hdu: Any, path: object, names: Sequence[str], *, rows: Rows | None = None
) -> Columns:
    """Columns of a binary table by name (in any case), text as str without padding.

    Whole numbers are of the machine's byte order and signed; they become real ones where some
    are undefined (TNULL), which are then NaN.
    rows: their numbers, (num_rows,), a mask of all, or a slice; every row by default

    Raises ValueError naming the file, the HDU and the column that is missing, or there twice, or
    that holds text or arrays in place of numbers, or ids that are not whole numbers of 64 bits.
    """
    where = f"{path}: HDU {hdu.name}"
    cards = dict(hdu.header)
    columns = _columns(cards, where)
    layout = np.dtype([(str(i), column.cell) for i, column in enumerate(columns)])
    if layout.itemsize != cards["NAXIS1"]:
        raise ValueError(f"{where}: rows are not as wide as their columns")
    wanted = {name: _place(columns, name, where) for name in names}
    for name, place in wanted.items():
        _check_cell(columns[place], name, where)
    table = _mapped(hdu, layout, cards["NAXIS2"])
    picked = np.arange(len(table))[slice(None) if rows is None else rows]
    # Row blocks: each page of a table wider than memory is visited once, not once per column.
    blocks = [picked[i : i + _ROWS_AT_ONCE] for i in range(0, len(picked), _ROWS_AT_ONCE)]
    pieces = [{n: table[str(i)][block] for n, i in wanted.items()} for block in blocks or [picked]]
    return {
        name: _physical(
            np.concatenate([piece[name] for piece in pieces]),
            columns[place],
            f"{where}, column {name}",
        )
        for name, place in wanted.items()
    }


def column_names(hdu: Any) -> list[str]:
    """Names of a binary table's columns, in order."""
    return [str(hdu.header[f"TTYPE{i}"]).strip() for i in range(1, hdu.header["TFIELDS"] + 1)]


def _columns(cards: Mapping[str, Any], where: str) -> list[Stored]:
    """The columns of a table, as the cards state them."""
    if cards.get("XTENSION") != "BINTABLE":
        raise ValueError(f"{where} is not a binary table")
    if cards.get("ZTABLE", False):
        raise ValueError(f"{where} is a packed table (ZTABLE), unpack the file by funpack")
    columns = []
    for i in range(1, cards["TFIELDS"] + 1):
        name = str(cards.get(f"TTYPE{i}", "")).strip()
        found = re.match(r"(\d*)([LXBIJKAEDCMPQ])", str(cards[f"TFORM{i}"]).strip())
        if found is None:
            raise ValueError(f"{where}, column {name}: TFORM is not FITS's")
        columns.append(
            Stored(
                name=name,
                cell=np.dtype(_cell(int(found[1] or 1), found[2])),
                logical=found[2] == "L",
                scale=cards.get(f"TSCAL{i}", 1),
                zero=cards.get(f"TZERO{i}", 0),
                null=cards.get(f"TNULL{i}"),
            )
        )
    return columns


def _cell(repeat: int, kind: str) -> Any:
    if kind == "A":
        return f"S{repeat}"
    if kind == "X":
        return f"V{-(-repeat // 8)}"
    base = _BYTES.get(kind, f"V{_OTHERS.get(kind, 0)}")
    return base if repeat == 1 else (base, (repeat,))


def _place(columns: Sequence[Stored], name: str, where: str) -> int:
    """Which column has that name; one that is spelt alike to the letter comes first."""
    exact = [i for i, column in enumerate(columns) if column.name == name]
    found = exact or [i for i, column in enumerate(columns) if column.name.upper() == name.upper()]
    if len(found) != 1:
        raise ValueError(
            f"{where} " + (f"has column {name} twice" if found else f"lacks column {name}")
        )
    return found[0]


def _check_cell(column: Stored, name: str, where: str) -> None:
    cell = column.cell
    if cell.shape:
        raise ValueError(f"{where}, column {name} holds several values in a row")
    if (cell.kind == "S") != (name in _TEXT) or cell.kind == "V":
        expected = "text" if name in _TEXT else "numbers"
        raise ValueError(f"{where}, column {name} does not hold {expected}")
    whole = cell.kind in "iu" and column.scale == 1 and column.zero == int(column.zero)
    if name in IDS and not whole:
        raise ValueError(f"{where}, column {name} does not hold whole numbers, as ids are")


def _mapped(hdu: Any, layout: np.dtype[Any], num_rows: int) -> NDArray[np.void]:
    if num_rows == 0:  # nothing cannot be mapped
        return np.empty(0, layout)
    offset = hdu.fileinfo()["datLoc"]
    return np.memmap(stored_in(hdu), dtype=layout, mode="r", offset=offset, shape=num_rows)


def _physical(stored: NDArray[Any], column: Stored, where: str) -> NDArray[Any]:
    """What the stored values of a column stand for."""
    if stored.dtype.kind == "S":
        return np.char.strip(np.char.decode(stored, "utf-8", "replace"), " \0")
    if column.logical:
        return np.asarray(stored == ord("T"))
    native = np.array(stored, dtype=stored.dtype.newbyteorder("="))
    if native.dtype.kind == "f":
        return (
            native if (column.scale, column.zero) == (1, 0) else native * column.scale + column.zero
        )
    undefined = native == column.null if column.null is not None else np.zeros(1, bool)
    if undefined.any() and column.name.upper() in IDS:
        raise ValueError(f"{where}, row {int(np.argmax(undefined)) + 1} is undefined (TNULL)")
    values = _whole(native, column, where)
    return np.where(undefined, np.nan, values) if undefined.any() else values


def _whole(native: NDArray[Any], column: Stored, where: str) -> NDArray[Any]:
    """Whole numbers with their scale and zero-point."""
    if column.scale != 1 or column.zero != int(column.zero):
        return native * np.float64(column.scale) + column.zero
    if column.zero == 0:
        return native if native.dtype.kind == "i" else native.astype(np.int16)
    if native.dtype.itemsize == 8 and int(column.zero) == _SIGN_BIT:
        if np.any(native >= 0):
            row = int(np.argmax(native >= 0))
            raise ValueError(
                f"{where}, row {row + 1} is {int(native[row]) + _SIGN_BIT}, "
                "expected less than 2**63"
            )
        return native ^ np.int64(-_SIGN_BIT)
    return native.astype(np.int64) + int(column.zero)
