"""Sources as columns, and answers as JSON: by source, or by column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
from starlette.responses import Response

from ojala.tables.shards import Columns
from ojala.vocabulary.bands import reference_band
from serving.gathering import left_out
from serving.schemas import Head, Model, Strict


def sources_columns(sources: Sequence[Strict]) -> Columns:
    """Sources as columns: null is NaN, or a name that is none; i is there, if all nulls.

    What a source leaves out is as if nobody had it: its values without an error are as good as if
    no source came with one, while an error that is null makes a value useless, as in a table.
    """
    given = [(source.__dict__, source.model_fields_set) for source in sources]
    names = sorted({reference_band().token}.union(*(told for _, told in given)))
    return {name: _column(name, _values(name, given)) for name in names}


def _values(name: str, given: Sequence[tuple[dict[str, Any], set[str]]]) -> list[Any]:
    """What each source, as its fields and which of them it was given, says of one."""
    absent = left_out(name)
    return [fields[name] if name in told else absent for fields, told in given]


def given_columns(columns: Strict) -> Columns:
    """Columns as they were given, null as NaN or as a name that is none."""
    return {name: _column(name, v) for name, v in columns if v is not None}


def by_rows(model: Model, heads: list[Head], said: Columns, notes: Sequence[str]) -> Response:
    """The answer of ``schemas.Predictions``."""
    values = _plain(said)
    rows = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
    return _json(model, heads, {"predictions": rows, "notes": notes})


def by_columns(model: Model, heads: list[Head], said: Columns, notes: Sequence[str]) -> Response:
    """The answer of ``schemas.PredictionColumns``."""
    return _json(model, heads, {"columns": _plain(said), "notes": notes})


def _json(model: Model, heads: list[Head], answers: dict[str, Any]) -> Response:
    whose = {"model": model.model_dump(), "heads": [head.model_dump() for head in heads]}
    return Response(orjson.dumps(whose | answers), media_type="application/json")


def _plain(columns: Columns) -> dict[str, list[Any]]:
    """Columns as lists, "" as null; orjson writes null for NaN and for infinities."""
    return {
        name: [value or None for value in values]
        if values.dtype.kind == "O"
        else values.astype(np.float64).tolist()
        for name, values in columns.items()
    }


def _column(name: str, values: Sequence[Any]) -> np.ndarray:
    if name == "MORPHTYPE":
        return np.array([value or "" for value in values], dtype=object)
    return np.array(values, dtype=np.float64)  # None is NaN
