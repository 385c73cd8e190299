"""FITS files as surveys write them, read so that every fault is one sentence.

Headers are astropy's business; a table's bytes are mapped as they lie on disk and only the
columns asked for are touched, since a DESI table has some 80 of them and up to 10^7 rows.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from ojala.shards import Columns

Rows = NDArray[np.intp] | slice
"""Which rows to read: positions, or a slice."""

Formats = Mapping[str, tuple[str, str | None]]
"""FITS format and unit of a table's columns by name."""

_BYTES = {"L": "i1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_TEXT = {
    *("MORPHTYPE", "OBJTYPE", "PHOTSYS", "PROGRAM", "RR_SPECTYPE", "SPECTYPE", "SUBTYPE", "SURVEY"),
}
"""Columns of DESI's tables that hold text; in all others that are read there is one number."""

_ROWS_AT_ONCE = 65_536
_OTHERS = {"X": 1, "C": 8, "M": 16, "P": 8, "Q": 16}  # widths of formats that are never read


@contextmanager
def opened(path: str | Path) -> Iterator[fits.HDUList]:
    """The HDUs of a FITS file, images mapped.

    Raises ValueError where the file is absent or is not FITS.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    if path.stat().st_size % 2880:
        raise ValueError(f"{path}: not a FITS file, or cut off: not whole blocks of 2880 bytes")
    try:
        hdus = fits.open(
            path, memmap=True, do_not_scale_image_data=True, disable_image_compression=True
        )
    except OSError as error:
        raise ValueError(f"{path}: not a FITS file ({_first_line(error)})") from None
    with hdus:
        yield hdus


def named(hdus: fits.HDUList, path: str | Path, name: str) -> Any:
    """The HDU of that name.

    Raises ValueError where it is missing, or where the file ends before it does.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is wrong is said once, below
        try:
            hdu = hdus[name]
        except KeyError:
            raise ValueError(f"{path}: HDU {name} is missing") from None
        except (OSError, TypeError, ValueError, fits.VerifyError) as error:
            raise ValueError(f"{path}: HDU {name} cannot be read ({_first_line(error)})") from None
    _check_length(hdu, path, name)
    return hdu


def read_columns(
    hdu: Any,
    path: str | Path,
    names: Sequence[str],
    *,
    optional: Sequence[str] = (),
    rows: Rows | None = None,
) -> Columns:
    """Columns of a binary table in the machine's byte order, text as str without padding.

    optional: columns that are left out where the table lacks them.

    Raises ValueError naming the file, the HDU and the column that is missing, or that holds text
    or arrays in place of numbers.
    """
    cards = dict(hdu.header)
    where = f"{path}: HDU {hdu.name}"
    layout = _row_layout(cards, where)
    fields = layout.names or ()
    absent = [name for name in names if name not in fields]
    if absent:
        raise ValueError(f"{where} lacks column {absent[0]}")
    table = _mapped(path, layout, hdu.fileinfo()["datLoc"], cards["NAXIS2"])
    wanted = [*names, *(name for name in optional if name in fields)]
    for name in wanted:
        _check_cell(layout[name], name, where)
    picked = np.arange(len(table))[slice(None) if rows is None else rows]
    # Row blocks: each page of a table wider than memory is visited once, not once per column.
    blocks = [picked[i : i + _ROWS_AT_ONCE] for i in range(0, len(picked), _ROWS_AT_ONCE)]
    pieces = [{name: table[name][block] for name in wanted} for block in blocks or [picked]]
    place = {name: i for i, name in enumerate(fields, start=1)}
    return {
        name: _native(
            np.concatenate([piece[name] for piece in pieces]),
            str(cards[f"TFORM{place[name]}"]),
            cards.get(f"TZERO{place[name]}", 0),
        )
        for name in wanted
    }


def column_names(hdu: Any) -> list[str]:
    """Names of a binary table's columns, in order."""
    return _names(dict(hdu.header))


def check_unit(hdu: Any, path: str | Path, expected: str) -> None:
    """Raise ValueError unless the image's BUNIT is ``expected``, in any of its spellings."""
    found = str(hdu.header.get("BUNIT", ""))
    if _spelling(found) != _spelling(expected):
        raise ValueError(f"{path}: HDU {hdu.name} has BUNIT {found!r}, expected {expected!r}")


def table_hdu(name: str, formats: Formats, columns: Columns) -> fits.BinTableHDU:
    """A binary table with the columns of ``formats`` that ``columns`` holds, in that order.

    Raises ValueError for a column that ``formats`` does not know.
    """
    unknown = sorted(set(columns) - set(formats))
    if unknown:
        raise ValueError(f"column {unknown[0]} is not part of the table {name}")
    return fits.BinTableHDU.from_columns(
        [
            fits.Column(column, kind, unit=unit, array=np.asarray(columns[column]))
            for column, (kind, unit) in formats.items()
            if column in columns
        ],
        name=name,
    )


def _names(cards: Mapping[str, Any]) -> list[str]:
    return [str(cards[f"TTYPE{i}"]).strip() for i in range(1, cards["TFIELDS"] + 1)]


def _row_layout(cards: Mapping[str, Any], where: str) -> np.dtype[Any]:
    """The bytes of one row, as the TFORM cards state them."""
    if cards.get("XTENSION") != "BINTABLE":
        raise ValueError(f"{where} is not a binary table")
    fields: list[tuple[str, Any]] = []
    for i, name in enumerate(_names(cards), start=1):
        found = re.match(r"(\d*)([LXBIJKAEDCMPQ])", str(cards[f"TFORM{i}"]).strip())
        if found is None:
            raise ValueError(f"{where}, column {name}: TFORM is not FITS's")
        fields.append((name, _cell(int(found[1] or 1), found[2])))
    layout = np.dtype(fields)
    if layout.itemsize != cards["NAXIS1"]:
        raise ValueError(f"{where}: rows are not as wide as their columns")
    return layout


def _mapped(
    path: str | Path, layout: np.dtype[Any], offset: int, num_rows: int
) -> NDArray[np.void]:
    if num_rows == 0:  # nothing cannot be mapped
        return np.empty(0, layout)
    return np.memmap(path, dtype=layout, mode="r", offset=offset, shape=num_rows)


def _cell(repeat: int, kind: str) -> Any:
    if kind == "A":
        return f"S{repeat}"
    if kind == "X":
        return f"V{-(-repeat // 8)}"
    base = _BYTES.get(kind, f"V{_OTHERS.get(kind, 0)}")
    return base if repeat == 1 else (base, (repeat,))


def _check_cell(cell: np.dtype[Any], name: str, where: str) -> None:
    if cell.shape:
        raise ValueError(f"{where}, column {name} holds several values in a row")
    if (cell.kind == "S") != (name in _TEXT):
        expected = "text" if name in _TEXT else "numbers"
        raise ValueError(f"{where}, column {name} does not hold {expected}")


def _native(values: NDArray[Any], form: str, zero: float) -> NDArray[Any]:
    if values.dtype.kind == "S":
        return np.char.strip(np.asarray(values).astype("U"))
    if form.strip().endswith("L"):
        return np.asarray(values == ord("T"))
    native = np.array(values, dtype=values.dtype.newbyteorder("="))
    return native if zero == 0 else native + zero


def _check_length(hdu: Any, path: str | Path, name: str) -> None:
    """The bytes that the header announces are in the file."""
    where = hdu.fileinfo()
    if where["datLoc"] + where["datSpan"] > Path(path).stat().st_size:
        raise ValueError(f"{path}: the file is cut off within HDU {name}")


def _spelling(unit: str) -> str:
    """A unit without the signs in which DESI's spellings differ."""
    return re.sub(r"[\s()*^]|\*\*", "", unit.replace("/", " ").replace("-", "")).lower()


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
