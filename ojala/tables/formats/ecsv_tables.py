"""ECSV: text with types, units and descriptions, as astropy writes it."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from astropy import units as u
from astropy.table import MaskedColumn, Table

from ojala.tables.columns import arrow_of, flat, masked_of, meaning
from ojala.tables.formats.unpacked import opened
from ojala.tables.units import known_unit, only_other_warnings

Meanings = dict[str, dict[str, str]]


def read_ecsv(path: Path) -> tuple[pa.Table, Meanings, dict[str, Any]]:
    """Columns, what they mean, and the meta of an ECSV file."""
    with opened(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # units outside the standards
        text = io.TextIOWrapper(file, encoding="utf-8-sig").read()
        table = Table.read(text.splitlines(), format="ascii.ecsv")
    meanings = {}
    for name in table.colnames:
        unit, description = known_unit(
            str(getattr(table[name], "unit", None) or ""), table[name].info.description or ""
        )
        said = {"unit": unit, "description": description}
        meanings[name] = {key: text for key, text in said.items() if text}
    arrays = [_arrow(table[name], path) for name in table.colnames]
    return pa.table(arrays, names=table.colnames), meanings, dict(table.meta)


def _arrow(column: Any, path: Path) -> pa.Array:
    if not isinstance(column, np.ndarray):
        raise ValueError(f"column {column.info.name} holds {type(column).__name__}, not numbers")
    if column.dtype.kind == "U":  # ECSV does not tell empty text from none
        return arrow_of(np.ma.filled(np.ma.asarray(column), ""))
    return arrow_of(column)


def write_ecsv(table: pa.Table, header: Mapping[str, Any], path: Path) -> None:
    """Write a table that ECSV can hold, with a header."""
    written = Table(meta=dict(header))
    for field in table.schema:
        said = meaning(field)
        unit = u.Unit(said["unit"], parse_strict="silent") if "unit" in said else None
        values = masked_of(flat(table[field.name]))
        written[field.name] = MaskedColumn(values, unit=unit, description=said.get("description"))
        if not np.any(np.ma.getmaskarray(written[field.name])):
            written[field.name] = (
                written[field.name].filled() if values.dtype.kind != "O" else values
            )
    with only_other_warnings():
        written.write(path, format="ascii.ecsv")
