"""FITS tables: physical values with their nulls and meanings, in ranges of rows."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from astropy import units as u
from astropy.io import fits
from numpy.typing import NDArray

from ojala.tables.columns import arrow_of, flat, masked_of, meaning
from ojala.tables.formats.unpacked import is_packed
from ojala.tables.units import described_for_fits, known_unit, standard_text

NO_SOURCES = ("LDAC_IMHEAD",)
"""Tables of SExtractor's FITS_LDAC that hold the header of an image, not sources."""

STRUCTURE = re.compile(
    r"XTENSION|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|TFIELDS|THEAP|EXTNAME|CHECKSUM|DATASUM|END|LONGSTRN|"
    r"T(TYPE|FORM|UNIT|NULL|SCAL|ZERO|DISP|DIM|BCOL|COMM|UCD)\d+|COMMENT|HISTORY|"
)
"""Cards of a table's header that tell its layout, or free text."""

CARD_LETTERS = 80

FORMS = {
    "b1": "L",
    "u1": "B",
    "i2": "I",
    "i4": "J",
    "i8": "K",
    "f4": "E",
    "f8": "D",
    "c8": "C",
    "c16": "M",
}
_WIDER = {"i1": "i2", "f2": "f4"}  # FITS has none of this width


def open_table(path: Path) -> Any:
    """The table of sources of a FITS file.

    Raises ValueError for a file without a table, with several, with one that fpack compressed,
    or one that ends too early.
    """
    with warnings.catch_warnings():
        # Truncation is told below by the sizes, units outside the standard by whoever needs them.
        warnings.simplefilter("ignore")
        hdus = fits.open(path, memmap=not is_packed(path), character_as_bytes=True)
        tables = [
            hdu
            for hdu in hdus
            if isinstance(hdu, fits.BinTableHDU | fits.TableHDU) and hdu.name not in NO_SOURCES
        ]
    if any(hdu.header.get("ZTABLE") for hdu in tables):
        raise ValueError("its table is compressed by fpack: funpack it first")
    if not tables:
        raise ValueError("no table found in this FITS file")
    if len(tables) > 1:
        names = ", ".join(hdu.name or f"number {n}" for n, hdu in enumerate(tables, start=1))
        raise ValueError(
            f"it holds {len(tables)} tables ({names}): write the one into its own file"
        )
    table, place = tables[0], tables[0].fileinfo()
    num_bytes = table.header["NAXIS1"] * table.header["NAXIS2"]
    if not is_packed(path) and place["datLoc"] + num_bytes > path.stat().st_size:
        raise ValueError(
            f"the file is truncated, its table should have {table.header['NAXIS2']} rows"
        )
    return table


def names_of(table: Any) -> list[str]:
    """Names of the columns, one that has none by its position."""
    return [column.name for column in table.columns]


def meanings_of(table: Any) -> dict[str, dict[str, str]]:
    """Unit and description of each column."""
    found = {}
    for number, column in enumerate(table.columns, start=1):
        unit, description = known_unit(
            (column.unit or "").strip(), str(table.header.get(f"TCOMM{number}", ""))
        )
        ucd = str(table.header.get(f"TUCD{number}", ""))
        said = {"unit": unit, "description": description, "ucd": ucd}
        found[column.name] = {name: text for name, text in said.items() if text}
    return found


def header_of(table: Any) -> dict[str, Any]:
    """Cards of a table's header beside those that tell its layout."""
    return {
        card.keyword: card.value
        for card in table.header.cards
        if not STRUCTURE.fullmatch(card.keyword) and not isinstance(card.value, fits.card.Undefined)
    }


def read_fits(table: Any, names: Sequence[str], rows_per_block: int) -> Iterator[pa.Table]:
    """The chosen columns in blocks of rows."""
    columns = {column.name: column for column in table.columns}
    for start in range(0, max(len(table.data), 1), rows_per_block):
        rows = table.data[start : start + rows_per_block]
        yield pa.table([_arrow(rows, columns[name]) for name in names], names=list(names))


def _arrow(rows: Any, column: Any) -> pa.Array:
    if isinstance(column.format, str) and re.match(r"\d*[PQ]", column.format):
        cells = np.empty(len(rows), dtype=object)
        for row, value in enumerate(rows[column.name]):
            cells[row] = np.asarray(value)
        return arrow_of(cells)
    values = np.asarray(rows[column.name])
    if values.dtype.kind in "SU":
        return _text(arrow_of(values))
    hidden = _hidden(rows, column, values)
    return arrow_of(values if hidden is None else np.ma.array(values, mask=hidden))


def _hidden(rows: Any, column: Any, values: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Where nothing is stored: TNULL of whole numbers, a byte 0 of a boolean."""
    if values.dtype.kind == "b" and str(column.format).endswith("L"):
        stored = rows.view(np.ndarray)[column.name]
        return np.asarray(stored == 0) if np.any(stored == 0) else None
    if column.null is None or values.dtype.kind not in "iu":
        return None
    null = int(column.null) + int(column.bzero or 0)
    return np.asarray(values == null)


def _text(array: pa.Array) -> pa.Array:
    """Text without what FITS pads it with: blanks, and whatever follows a NUL."""
    if pa.types.is_fixed_size_list(array.type):
        return pa.FixedSizeListArray.from_arrays(_text(array.flatten()), array.type.list_size)
    if pc.any(pc.match_substring(array, "\0")).as_py():
        array = pc.replace_substring_regex(array, r"(?s)\x00.*", "")
    return pc.utf8_rtrim(array, characters=" ")


def write_fits(table: pa.Table, header: Mapping[str, Any], path: Path) -> None:
    """Write a table that FITS can hold (``untold`` finds nothing) with the cards of a header."""
    columns = [_column(field, flat(table[field.name])) for field in table.schema]
    hdu = fits.BinTableHDU.from_columns(columns)
    for number, field in enumerate(table.schema, start=1):
        said = meaning(field)
        text = described_for_fits(said.get("description", ""), said.get("unit", ""))
        if text:
            hdu.header[f"TCOMM{number}"] = _ascii(text)
        if "ucd" in said:
            hdu.header[f"TUCD{number}"] = said["ucd"]
    for keyword, value in header.items():
        if _is_card(keyword, value):
            hdu.header[keyword] = _ascii(value) if isinstance(value, str) else value
    tell_long_text(hdu.header)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)


def tell_long_text(header: Any) -> None:
    """Say in a header that texts go on in CONTINUE cards, where one does (fitsverify asks it)."""
    if any(isinstance(card.value, str) and len(card.image) > CARD_LETTERS for card in header.cards):
        header["LONGSTRN"] = ("OGIP 1.0", "long texts go on in CONTINUE")


def _is_card(keyword: str, value: Any) -> bool:
    plain = isinstance(value, str | int | float | bool) and value == value
    return plain and re.fullmatch(r"[A-Z0-9_-]{1,8}", keyword) is not None


def _ascii(text: str) -> str:
    kept = text.encode("ascii", errors="replace").decode()
    return "".join(letter if letter.isprintable() else " " for letter in kept)


def _column(field: pa.Field, array: pa.Array) -> fits.Column:
    values = masked_of(array)
    hidden = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else None
    values = np.ma.getdata(values)
    unit = _unit(meaning(field).get("unit", "")) or None
    made: dict[str, Any] = {"name": field.name, "unit": unit}
    if values.dtype.kind == "O":
        return fits.Column(array=values, format=_variable(values), **made)
    values = values.astype(_WIDER.get(values.dtype.str[1:], values.dtype), copy=False)
    if values.dtype.kind == "U":
        values = np.char.encode(values, "ascii") if values.size else values.astype("S1")
        shape = values.shape[1:]
        if shape:
            made["dim"] = f"({','.join(map(str, (values.dtype.itemsize, *shape[::-1])))})"
        width = max(values.dtype.itemsize, 1) * int(np.prod(shape, dtype=int))
        return fits.Column(array=values, format=f"{width}A", **made)
    if hidden is not None and values.dtype.kind == "f":
        values, hidden = np.where(hidden, np.nan, values).astype(values.dtype), None
    if values.dtype.kind == "u" and values.dtype.itemsize > 1:
        made["bzero"] = 2 ** (8 * values.dtype.itemsize - 1)
    if hidden is not None:
        null = unused(values, hidden)
        values = np.where(hidden, values.dtype.type(null), values)
        made["null"] = null - made.get("bzero", 0)
    count = int(np.prod(values.shape[1:], dtype=int)) if values.ndim > 1 else 1
    if values.ndim > 2:
        made["dim"] = f"({','.join(map(str, values.shape[:0:-1]))})"
    form = FORMS[
        values.dtype.str[1:].replace("u", "i") if "bzero" in made else values.dtype.str[1:]
    ]
    return fits.Column(array=values, format=f"{count if values.ndim > 1 else ''}{form}", **made)


def unused(values: NDArray[Any], hidden: NDArray[np.bool_]) -> int:
    """A whole number that stands for null: the least of the type, or the next that is not used.

    values: whole numbers, (num_rows,); hidden: which of them are null, of the same shape
    Raises ValueError where every number of the type is used.
    """
    bounds = np.iinfo(values.dtype)
    used = np.unique(values[~hidden])
    gaps = np.flatnonzero(used != bounds.min + np.arange(len(used)).astype(used.dtype))
    null = bounds.min + (int(gaps[0]) if len(gaps) else len(used))
    if null > bounds.max:
        raise ValueError("no number is left that could stand for null")
    return int(null)


def _unit(text: str) -> str:
    """A unit as it came where FITS understands it, else as FITS spells it."""
    try:
        if "dex" not in text:
            u.Unit(text, format="fits")
            return text
    except ValueError:
        pass
    return standard_text(text)


def _variable(values: NDArray[Any]) -> str:
    """The format of a column of arrays of several lengths."""
    kinds = {np.asarray(value).dtype for value in values if np.size(value)}
    kind = np.result_type(*kinds) if kinds else np.dtype("f8")
    return f"P{FORMS[_WIDER.get(kind.str[1:], kind.str[1:])]}()"
