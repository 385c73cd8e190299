"""A table of labels from anyone, joined to photometry by what names a source.

A source is named by TARGETID (with SURVEY and PROGRAM where both tables have them), or by TILE_ID
and NUMBER; capital and small letters are the same. A table may be CSV, ECSV, FITS, VOTable, a
Parquet file, or a directory of Parquet shards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ojala.tables.columns import flat, masked_of, meaning
from ojala.tables.files import open_table
from ojala.tables.shards import Columns, column, numbers, read_table, shard_paths, spectype_codes
from ojala.vocabulary.quantities import CLASSES, NO_CODE

KEYS = (("targetid", "survey", "program"), ("targetid",), ("tile_id", "number"))
"""What names a source, the first that both tables have."""

NUMBERS = ("targetid", "tile_id", "number")

WHOLE = pa.decimal128(20)
"""Whole numbers of 64 bits, signed or not, side by side."""


class NoLabelsError(ValueError):
    """There is nothing to learn from: the tables are as they should be, but hold too few labels."""


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The labelled sources of a table.

    path: where they were read; keys: names of the sources, one column for each part
    value, error: label and its 1 sigma, in ``unit``, (num_sources,); error is 0 where none is given
    spectype: codes of the spectral classes, or None where the table does not say
    """

    path: Path
    keys: Columns
    value: NDArray[np.float64]
    error: NDArray[np.float64]
    spectype: NDArray[np.int8] | None
    unit: str
    description: str

    def __len__(self) -> int:
        return len(self.value)


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """Sources with photometry and label, row by row.

    photometry: rows of the photometry table; value, error: as in Labels
    """

    photometry: pa.Table
    value: NDArray[np.float64]
    error: NDArray[np.float64]

    def among(self, chosen: NDArray[np.bool_]) -> Labelled:
        """The chosen sources alone; chosen: (num_sources,)."""
        table = self.photometry.filter(chosen)
        return Labelled(photometry=table, value=self.value[chosen], error=self.error[chosen])


def read_labels(path: str | Path, quantity: str) -> Labels:
    """The rows of a table that have a finite ``quantity``.

    <quantity>_ERR is its 1 sigma; where there is none, or none above 0, the label is exact.
    Raises ValueError with one sentence for an unreadable table, a missing column, and a table
    without a finite label.
    """
    path = Path(path)
    table = _read(path, quantity)
    names = {name.lower(): name for name in table.column_names}
    parts = sorted({part for key in KEYS for part in key} & names.keys())
    if not any(set(key) <= set(parts) for key in KEYS):
        raise ValueError(f"{path}: no column targetid, and no columns tile_id and number")
    value = _numbers(table, quantity, path)
    known = np.isfinite(value)
    if not known.any():
        raise NoLabelsError(f"{path}: column {quantity} holds no finite value")
    error = np.zeros(len(table))
    if f"{quantity}_ERR" in table.column_names:
        given = _numbers(table, f"{quantity}_ERR", path)
        error = np.where(np.isfinite(given) & (given > 0), given, 0.0)
    spectype = "SPECTYPE" if "SPECTYPE" in table.column_names else names.get("spectype")
    said = meaning(table.schema.field(quantity))
    return Labels(
        path=path,
        keys={part: _key(table, names[part], path)[known] for part in parts},
        value=value[known],
        error=error[known],
        spectype=None if spectype is None else _classes(table[spectype])[known],
        unit=said.get("unit", ""),
        description=said.get("description", ""),
    )


def joined(labels: Labels, photometry: str | Path, classes: Sequence[str]) -> Labelled:
    """The sources of a photometry table that have a label and one of the spectral classes.

    photometry: a Parquet file or a directory of shards; a source may have several rows
    Raises ValueError with one sentence for tables without a common key, a source that is labelled
    twice, and where nothing is left.
    """
    key = _common_key(labels, photometry)
    names = _table({part: labels.keys[part] for part in key})
    _check_unique(names, labels.path)
    tables, rows = [], []
    for shard in shard_paths(photometry):
        places, found = _matches(read_table(shard, key), names)
        if len(places):
            tables.append(read_table(shard).take(places))
            rows.append(found)
    if not tables:
        raise NoLabelsError(
            f"{labels.path}: none of its {len(labels)} labelled sources is in {photometry} "
            f"(by {', '.join(key)})"
        )
    row = np.concatenate(rows)
    table = pa.concat_tables(tables)
    chosen = _of_classes(table, labels, row, classes)
    return Labelled(
        photometry=table.filter(chosen),
        value=labels.value[row[chosen]],
        error=labels.error[row[chosen]],
    )


def _of_classes(
    table: pa.Table, labels: Labels, row: NDArray[np.int64], classes: Sequence[str]
) -> NDArray[np.bool_]:
    """True for the sources of the classes, by the photometry table or else by the labels."""
    if set(classes) == set(CLASSES):
        return np.ones(len(row), dtype=bool)
    if "SPECTYPE" in table.column_names:
        spectype = column(table, "SPECTYPE")
    elif labels.spectype is not None:
        spectype = labels.spectype[row]
    else:
        raise ValueError(
            f"{labels.path}: no column SPECTYPE, nor in the photometry, that tells who is "
            f"{' or '.join(classes)}"
        )
    chosen = np.isin(spectype, [CLASSES.index(name) for name in classes])
    if not chosen.any():
        raise NoLabelsError(
            f"{labels.path}: none of its {len(row)} labelled sources with photometry is "
            f"{' or '.join(classes)}"
        )
    return chosen


def _common_key(labels: Labels, photometry: str | Path) -> tuple[str, ...]:
    there = set(_columns_there(photometry))
    for key in KEYS:
        if set(key) <= there and set(key) <= labels.keys.keys():
            return key
    raise ValueError(
        f"{labels.path} names sources by {', '.join(labels.keys)}, which {photometry} does not have"
    )


def _columns_there(path: str | Path) -> list[str]:
    return open_table(shard_paths(path)[0]).names


def _check_unique(names: pa.Table, path: Path) -> None:
    counts = names.group_by(names.column_names).aggregate([([], "count_all")])
    twice = counts.filter(pc.greater(counts["count_all"], 1))
    if len(twice):
        source = twice.select(names.column_names).slice(0, 1).to_pylist()[0]
        said = ", ".join(f"{part} {value}" for part, value in source.items())
        raise ValueError(f"{path}: {said} is labelled twice")


def _matches(keys: pa.Table, names: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of ``keys`` that are among ``names``, in order, and where they are there."""
    keys = _table({part: column(keys, part) for part in names.column_names})
    pairs = keys.append_column("place", pa.array(np.arange(len(keys)))).join(
        names.append_column("row", pa.array(np.arange(len(names)))),
        keys=names.column_names,
        join_type="inner",
    )
    places, rows = column(pairs, "place"), column(pairs, "row")
    order = np.argsort(places)
    return places[order], rows[order]


def _table(keys: Columns) -> pa.Table:
    """Keys as whole numbers and text, which is how they are compared; "" where not said."""
    return pa.table(
        {
            part: pa.array(values.tolist(), WHOLE) if part in NUMBERS else pa.array(_text(values))
            for part, values in keys.items()
        }
    )


def _read(path: Path, quantity: str) -> pa.Table:
    """The columns that may be needed: a training table has two hundred."""
    if not path.exists():
        raise ValueError(f"{path}: no such table of labels")
    wanted = {part for key in KEYS for part in key} | {"spectype"}
    names = _columns_there(path)
    if quantity not in names:
        raise ValueError(f"{path}: no column {quantity}, it has {', '.join(names[:20])}")
    used = [n for n in names if n.lower() in wanted or n in (quantity, f"{quantity}_ERR")]
    small = [name.lower() for name in used if name.lower() in wanted - {"spectype"}]
    for name in small:
        if small.count(name) > 1:
            raise ValueError(f"{path}: column {name} is there twice, case does not count")
    return read_table(path, used)


def _numbers(table: pa.Table, name: str, path: Path) -> NDArray[np.float64]:
    """A column of numbers, NaN where null."""
    values = flat(table[name])
    if pa.types.is_nested(values.type):
        raise ValueError(f"{path}: column {name} holds several values in a row")
    try:
        found = numbers(column(table, name), name)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return np.where(values.is_null().to_numpy(zero_copy_only=False), np.nan, found)


def _key(table: pa.Table, name: str, path: Path) -> NDArray[Any]:
    """A column that names sources: whole numbers, or text."""
    values = flat(table[name])
    if name.lower() not in NUMBERS:
        return _text(masked_of(values))
    if not pa.types.is_integer(values.type):  # a float has lost the last digits of a TARGETID
        raise ValueError(f"{path}: column {name} is not a column of whole numbers")
    if values.null_count:
        row = int(np.argmax(values.is_null().to_numpy(zero_copy_only=False)))
        raise ValueError(f"{path}: column {name}, row {row + 1}: a source without a name")
    return np.asarray(values.to_numpy(zero_copy_only=False))


def _classes(column: pa.ChunkedArray) -> NDArray[np.int8]:
    values = flat(column)
    if pa.types.is_integer(values.type):
        codes: NDArray[np.int8] = values.fill_null(NO_CODE).to_numpy().astype(np.int8)
        return codes
    return spectype_codes(_text(masked_of(values)).tolist())


def _text(values: NDArray[Any]) -> NDArray[np.str_]:
    if values.dtype.kind == "O":
        values = np.array(["" if value is None else value for value in values])
    stripped: NDArray[np.str_] = np.char.strip(values.astype(str))
    return stripped
