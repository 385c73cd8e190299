"""Golden objects: a few sources whose answers are stored with a model, and what answers obey.

They are chosen at the ends of what a survey holds, where a broken model shows: the brightest and
the faintest source, the one with the fewest bands, each morphology, and one of which all but the
i band is hidden.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ojala.model.redshift_columns import SECOND
from ojala.tables.shards import Columns, columns_of
from ojala.vocabulary.bands import narrow_bands, reference_band
from ojala.vocabulary.quantities import CLASSES, MORPHTYPES, NO_CODE, REDSHIFTS

GOLDEN = "golden.parquet"
ANSWER = "answer:"
"""What the columns of answers begin with in that file."""

QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)

TOLERANCE = 1e-2
"""Of a stated error, and of a probability: what another machine's arithmetic may change."""


def golden_objects(sources: Columns) -> Columns:
    """Some dozen sources of a J-PAS table; the last one is shown in the i band alone."""
    rows = _chosen(sources)
    objects = {name: values[[*rows, rows[0]]].copy() for name, values in sources.items()}
    for name, values in objects.items():
        if name == "MORPHTYPE":
            values[-1] = NO_CODE
        elif name != reference_band().token and values.dtype.kind == "f":
            values[-1] = np.nan
    return objects


def _chosen(sources: Columns) -> list[int]:
    """Rows by magnitude, the one with the fewest bands, and one of each morphology."""
    mag_i = sources[reference_band().token]
    by_magnitude = np.argsort(np.where(np.isfinite(mag_i), mag_i, np.inf), kind="stable")
    known = by_magnitude[: int(np.isfinite(mag_i).sum())]
    rows = [int(known[round(share * (len(known) - 1))]) for share in QUANTILES]
    bands = [sources[band.token] for band in narrow_bands() if band.token in sources]
    if bands:
        rows.append(int(known[np.isfinite(bands).sum(axis=0)[known].argmin()]))
    types = sources.get("MORPHTYPE", np.empty(0))
    for code in range(len(MORPHTYPES)):
        rows += np.intersect1d(np.flatnonzero(types == code), known)[:1].tolist()
    return list(dict.fromkeys(rows))


def write(path: str | Path, objects: Mapping[str, object], answers: Mapping[str, object]) -> None:
    """Store golden objects with what the model answered."""
    named = {**objects, **{f"{ANSWER}{name}": values for name, values in answers.items()}}
    pq.write_table(pa.table({name: pa.array(values) for name, values in named.items()}), path)


def read(path: str | Path) -> tuple[Columns, Columns]:
    """Golden objects and their stored answers."""
    columns = columns_of(pq.read_table(path))
    answers = {n.removeprefix(ANSWER): v for n, v in columns.items() if n.startswith(ANSWER)}
    return {n: v for n, v in columns.items() if not n.startswith(ANSWER)}, answers


def check_same(given: Columns, stored: Columns) -> None:
    """Raise ValueError where a model answers otherwise about a golden object than it once did."""
    for name, once in stored.items():
        if name not in given:
            raise ValueError(f"golden objects: {name} is no longer answered")
        if name.endswith(SECOND):
            continue  # it comes and goes at its least weight, which is compared
        now = given[name]
        if once.dtype.kind != "f":
            same = now == once
        else:
            off = np.abs(now.astype(np.float64) - once)
            same = (off <= TOLERANCE * np.abs(_error_of(name, stored))) | np.isnan(once) & np.isnan(
                now
            )
        if not np.all(same):
            row = int(np.argmin(same))
            raise ValueError(
                f"golden object {row}: {name} is {now[row]}, it was {once[row]} at registration"
            )


def _error_of(name: str, stored: Columns) -> NDArray[Any]:
    """What a change of an answer is compared with: its stated error, 1 of a probability."""
    token = next((token for token in REDSHIFTS if name.startswith(f"{token}_")), name)
    if name.startswith("P_") or name.endswith("_WEIGHT"):
        return np.ones(len(stored[name]))
    return stored[name] if name.endswith("_ERR") else stored.get(f"{token}_ERR", stored[name])


def check_answers(answers: Columns) -> None:
    """Raise ValueError unless answers are finite, errors positive and probabilities sum to one."""
    for name, values in answers.items():
        if values.dtype.kind != "f" or name.endswith(SECOND):
            continue
        _check_rows(np.isfinite(values), f"{name} is not finite")
        if name.endswith("_ERR"):
            _check_rows(values > 0, f"{name} is not positive")
    for categories in (CLASSES, MORPHTYPES):
        names = [f"P_{category}" for category in categories]
        if all(name in answers for name in names):
            total = np.sum([answers[name] for name in names], axis=0)
            _check_rows(np.abs(total - 1) < 1e-3, f"{' + '.join(names)} is not 1")


def _check_rows(holds: np.ndarray, complaint: str) -> None:
    if not np.all(holds):
        raise ValueError(f"answer for source {int(np.argmin(holds))}: {complaint}")
