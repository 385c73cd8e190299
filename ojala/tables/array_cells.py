"""Cells of a catalogue that hold arrays: as matrices, as lists, or as text."""

from __future__ import annotations

import re
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray


def rectangle(
    values: NDArray[Any], num_elements: int, where: str, first_row: int
) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Rows as a matrix, whether they are that already, sequences, or text of numbers.

    where: file and column, for messages; first_row: how many rows of the file come before
        the first value; messages count from 1
    Returns the matrix, (num_rows, num_elements), and how many elements each row has (0: null);
    a row of another number is NaN.
    Raises ValueError for text that is not numbers, and for cells that hold matrices.
    """
    if values.ndim > 2:
        raise ValueError(f"{where} holds arrays of {values.ndim - 1} dimensions, expected one")
    if values.ndim == 2:
        lengths = np.full(len(values), values.shape[1])
        if values.shape[1] == num_elements:
            return values, lengths
        return np.full((len(values), num_elements), np.nan), lengths
    rows = [_row(value, f"{where}, row {first_row + k + 1}") for k, value in enumerate(values)]
    matrix = np.full((len(rows), num_elements), np.nan)
    for k, row in enumerate(rows):
        if len(row) == num_elements:
            matrix[k] = row
    return matrix, np.array([len(row) for row in rows], dtype=np.intp)


def single(values: NDArray[Any], where: str) -> NDArray[Any]:
    """A column of one value in a row, also where each comes as an array of one element.

    values: (num_rows,), or (num_rows, 1); returns (num_rows,)
    An empty array is None. Raises ValueError for several values in a row.
    """
    if values.ndim == 2 and values.shape[1] == 1:
        return values[:, 0]
    sizes = {np.size(value) for value in values} if values.dtype == object else {1}
    if values.ndim > 1 or max(sizes, default=1) > 1:
        raise ValueError(f"{where} holds several values in a row")
    if not any(np.ndim(value) for value in values):
        return values
    flat = [np.ma.ravel(value).tolist() for value in values]
    return np.array([cell[0] if cell else None for cell in flat], dtype=object)


def whole(values: NDArray[Any], where: str, first_row: int) -> NDArray[np.int64]:
    """A column of ids as integers of 64 bits, exact whatever they came as.

    values: (num_rows,), the first of them row ``first_row`` of the table
    Raises ValueError naming the row of what is no integer, or beyond 64 bits, or a real number
    beyond 2**53 (it has been rounded).
    """
    if values.dtype.kind == "i":
        return values.astype(np.int64)
    found = np.empty(len(values), dtype=np.int64)
    for k, value in enumerate(values.tolist()):
        number = _integer(value)
        if number is None or not -(2**63) <= number < 2**63:
            raise ValueError(f"{where}, row {first_row + k + 1} is {value}, expected an integer")
        found[k] = number
    return found


def _integer(value: Any) -> int | None:
    """The integer that a cell holds exactly, None where it holds none."""
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    try:
        if isinstance(value, str):
            text = value.strip()
            return int(text) if re.fullmatch(r"[+-]?\d+", text) else _integer(float(text))
        if isinstance(value, float):
            return int(value) if value == int(value) and abs(value) < 2**53 else None
        return int(value)
    except (ValueError, TypeError, OverflowError):
        return None


_BRACKETS = re.compile(r"[\[\](){},;]")
_MISSING = {"null", "none", "--", "masked"}


def _row(value: Any, where: str) -> NDArray[Any]:
    """The numbers of one cell: a sequence, or text such as "[1.2 3.4]" or "(1.2,3.4)"."""
    if value is None or value is np.ma.masked or (np.ndim(value) == 0 and value != value):
        return np.empty(0)
    if not isinstance(value, str):
        return np.ma.filled(np.ma.asarray(np.atleast_1d(value), dtype=np.float64), np.nan)
    words = _BRACKETS.sub(" ", value).split()
    if len(words) == 1 and words[0].lower() in _MISSING:
        return np.empty(0)
    try:
        return np.array([np.nan if word.lower() in _MISSING else float(word) for word in words])
    except ValueError:
        raise ValueError(f"{where} is not an array of numbers: {value[:40]!r}") from None


_NUMBER = re.compile(
    r"\s*[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf|infinity)\s*", re.ASCII | re.IGNORECASE
)
"""Text that is a number: Python's float takes 1_000 and digits of other scripts besides."""


def number(values: NDArray[Any]) -> NDArray[np.float64]:
    """A column, (num_rows,), as numbers, NaN for what is not one: null, other text, a time.

    Raises ValueError for several values in a row.
    """
    if values.ndim != 1:
        raise ValueError(f"a column of numbers holds arrays of shape {values.shape[1:]} in a row")
    if values.dtype.kind in "biuf":
        return np.asarray(np.ma.filled(values.astype(np.float64, copy=False), np.nan))
    if values.dtype.kind not in "OSU":
        return np.full(len(values), np.nan)
    return np.array([_real(cell) for cell in values.tolist()], dtype=np.float64)


def _real(cell: Any) -> float:
    """A cell as a number, NaN where it is none."""
    text = cell.decode(errors="replace") if isinstance(cell, bytes) else cell
    if isinstance(text, str):
        return float(text) if _NUMBER.fullmatch(text) else np.nan
    try:
        return float(cell) if isinstance(cell, Real | Decimal | np.bool_) else np.nan
    except (ValueError, TypeError, OverflowError):  # a signalling NaN, a duration, 10**400
        return np.nan
