"""Cells of a catalogue that hold arrays: as matrices, as lists, or as text."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def rectangle(values: NDArray[Any], num_elements: int, where: str, first_row: int) -> NDArray[Any]:
    """Rows as a matrix, whether they are that already, sequences, or text of numbers.

    where: file and column, for messages; first_row: row number of the first value in its file
    Raises ValueError for text that is not numbers, for rows of different length and for cells
    that hold matrices.
    """
    if values.ndim > 2:
        raise ValueError(f"{where} holds arrays of {values.ndim - 1} dimensions, expected one")
    if values.ndim == 2:
        return values
    rows = [_row(value, f"{where}, row {first_row + k}") for k, value in enumerate(values)]
    lengths = {len(row) for row in rows}
    if len(lengths) > 1:
        row = next(k for k, numbers in enumerate(rows) if len(numbers) != num_elements)
        raise ValueError(
            f"{where}, row {first_row + row} has {len(rows[row])} elements, expected {num_elements}"
        )
    return np.stack(rows) if rows else np.empty((0, num_elements))


_BRACKETS = re.compile(r"[\[\](){},;]")
_MISSING = {"null", "none", "--", "masked"}


def _row(value: Any, where: str) -> NDArray[Any]:
    """The numbers of one cell: a sequence, or text such as "[1.2 3.4]" or "(1.2,3.4)"."""
    if not isinstance(value, str):
        return np.ma.filled(np.ma.asarray(np.atleast_1d(value), dtype=np.float64), np.nan)
    words = _BRACKETS.sub(" ", value).split()
    try:
        return np.array([np.nan if word.lower() in _MISSING else float(word) for word in words])
    except ValueError:
        raise ValueError(f"{where} is not an array of numbers: {value[:40]!r}") from None


def number(values: NDArray[Any]) -> NDArray[np.float64]:
    """A column as numbers, NaN for what is not one."""
    return np.asarray(pd.to_numeric(pd.Series(values), errors="coerce"), dtype=np.float64)
