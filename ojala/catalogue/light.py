"""The light of a catalogue's sources, in whichever layout of docs/tables.md it comes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ojala.model.shown import other_columns, token_columns
from ojala.surveys.jpas.dual_columns import dual_columns, is_dual
from ojala.tables.columns import as_text, flat, is_list, is_text, masked_of
from ojala.tables.qualified_names import short_names
from ojala.tables.shards import Columns
from ojala.vocabulary.band_columns import IN_ARRAYS, KNOWN, NARROW, OF_REFERENCE, band_columns
from ojala.vocabulary.bands import broad_bands, narrow_bands
from ojala.vocabulary.filters import filters
from ojala.vocabulary.quantities import observations

ALL_FILTERS = range(len(NARROW), len(filters()) + 4)
"""Elements of an array that can be nothing but the filters of J-PAS, or of miniJPAS."""

PLACE = Path("catalogue")
"""Of a table in memory: who read it knows the file, and says so."""

OF_I = (OF_REFERENCE, "AUTO_iSDSS")
"""What ``--columns`` may name beside the observations."""


CALLED = ", ".join(
    (
        " ... ".join(dict.fromkeys((narrow_bands()[0].token, narrow_bands()[-1].token))),
        *(band.token for band in broad_bands()),
        "MORPHTYPE",
        *OF_I,
    )
)


def light(catalogue: pa.Table, named: Mapping[str, str] | None = None) -> Columns:
    """The columns of the vocabulary, and AUTO_iSDSS, of a catalogue, (num_rows,) each.

    named: columns of the catalogue by what they are to be taken for (``called``)
    Raises ValueError for columns that are not understood.
    """
    seen = called(catalogue, named or {})
    short = short_names(seen.column_names)
    if not is_dual(list(short.values())):
        return _one_per_band(seen)
    seen = seen.rename_columns([short[name] for name in seen.column_names])
    others = [field.name for field in seen.schema if not _in_arrays(field)]
    beside = _one_per_band(seen.select(others)) if _has_light(others) else {}
    if twice := sorted(NARROW & beside.keys()):
        raise ValueError(
            f"narrow bands are there in arrays and as columns such as {twice[0]}: leave one kind"
        )
    try:
        return dual_columns(seen, PLACE) | beside
    except ValueError as error:
        raise ValueError(str(error).removeprefix(f"{PLACE}: ")) from None


def called(catalogue: pa.Table, named: Mapping[str, str]) -> pa.Table:
    """A catalogue whose columns are named as layouts of docs/tables.md are.

    named: such as {"J0500": "flux_500"}; where the i band is among them (iSDSS), the narrow bands
        are light in its aperture, else ratios to i
    Raises ValueError for a name that means nothing, and a column that is missing or named twice.
    """
    meant = {token.lower(): token for token in (*observations(), *OF_I)}
    meant |= {f"{name}_err": f"{token}_ERR" for name, token in meant.items()}
    known = {name.lower(): meant.get(name.lower(), "") for name in named}
    prefix = "APER_COR_3_0_" if OF_REFERENCE.lower() in known else ""
    names: dict[str, str] = {}
    for name, column in named.items():
        if not known[name.lower()]:
            raise ValueError(
                f"--columns {name}={column}: {name!r} is none of {CALLED}, each with _ERR"
            )
        if column not in catalogue.column_names:
            seen = ", ".join(catalogue.column_names[:8])
            raise ValueError(f"--columns {name}={column}: there is no such column among {seen} ...")
        if column in names:
            raise ValueError(f"--columns names {column} twice: as {names[column]} and as {name}")
        token = known[name.lower()]
        is_light = token.removesuffix("_ERR") in NARROW | {OF_REFERENCE}
        names[column] = f"{prefix}{token}" if is_light else token
    _refuse_two_of_a_name(catalogue.column_names, names)
    return catalogue.rename_columns([names.get(name, name) for name in catalogue.column_names])


def _refuse_two_of_a_name(there: list[str], names: Mapping[str, str]) -> None:
    given = {name.lower(): column for column, name in names.items()}
    if len(given) < len(names):
        raise ValueError("--columns names a band twice")
    for name in there:
        if name not in names and name.lower() in given:
            raise ValueError(
                f"--columns takes {given[name.lower()]} for {name}, and there is a column {name}: "
                "leave one out"
            )


def _in_arrays(field: pa.Field) -> bool:
    return is_list(field.type) or bool(IN_ARRAYS.fullmatch(field.name.strip().lower()))


def _has_light(names: list[str]) -> bool:
    return bool(band_columns(names).names() or other_columns(names))


def _one_per_band(catalogue: pa.Table) -> Columns:
    names = catalogue.column_names
    found = band_columns(names)
    if NARROW.isdisjoint(found.values):
        _refuse_arrays(catalogue)
    wanted = found.names() | set(other_columns(names).values())
    return token_columns({name: _plain(catalogue[name]) for name in wanted})


def _refuse_arrays(catalogue: pa.Table) -> None:
    """Raise ValueError for a column that holds as many numbers as there are filters."""
    for field in catalogue.schema:
        size = field.type.list_size if pa.types.is_fixed_size_list(field.type) else 0
        if is_list(field.type) and size in ALL_FILTERS:
            raise ValueError(
                f"column {field.name} holds arrays of {size}, and there is no narrow band beside: "
                f"arrays of all {len(filters())} filters are FLUX_APER_COR_3_0 or "
                f"MAG_APER_COR_3_0; {KNOWN}"
            )


def _plain(column: pa.ChunkedArray) -> NDArray[Any]:
    """A column's values; nulls are NaN, or an empty name."""
    values = flat(column)
    if values.null_count == len(values) and (len(values) or pa.types.is_null(values.type)):
        return np.full(len(values), np.nan)
    if is_text(values.type):
        return np.array([word or "" for word in as_text(values).to_pylist()], dtype=object)
    if pa.types.is_boolean(values.type) and values.null_count:
        return np.array(["" if v is None else str(v) for v in values.to_pylist()], dtype=object)
    plain = masked_of(values)
    if plain.dtype.kind == "O":  # lists of several lengths
        return np.array([str(value) for value in plain], dtype=object)
    return np.ma.filled(plain.astype(np.float64), np.nan) if np.ma.isMA(plain) else plain
