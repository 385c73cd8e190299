"""``ojala predict``: what a bundle says of a catalogue, as a catalogue."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ojala import __version__, bundle, head
from ojala.answers_table import with_answers, with_origin
from ojala.derived import derived
from ojala.predict import Predictor, observed_column
from ojala.quantities import observations
from ojala.shards import Columns, numbers, read_table
from ojala.table_columns import as_text, flat, is_text, masked_of
from ojala.table_files import check_writable, table_format, write_table_file

EXAMPLE = """\
Class, redshift and physical quantities of the sources of a catalogue.

The catalogue holds whatever bands there are, named as the released mocks name them: J0378 ... J0910
(flux density over that of the i band), MAG_i (needed), MAG_G, MAG_R, MAG_Z, MAG_W1, MAG_W2 (AB),
MORPHTYPE; NaN or an empty cell is not observed. The answers stand beside its own columns, and are
empty for a source without MAG_i. Line fluxes and luminosities need AUTO_iSDSS, the total i flux in
1e-19 erg/s/cm2/Angstrom.

Example:
    ojala predict sources.fits --bundle models/ojala --out answers.parquet"""

KINDS = ".csv, .ecsv, .fits, .vot (each packed as .gz or not) or .parquet"

_USED = {"AUTO_iSDSS"} | {name for token in observations() for name in (token, f"{token}_ERR")}


def predicted(
    path: Path,
    predictor: Predictor,
    queries: list[str] | None = None,
    heads: Sequence[head.Head] = (),
    out: Path | None = None,
) -> pa.Table:
    """The catalogue of ``path`` with the answers as further columns, row by row.

    heads: those of the predictor; out: where the answers are to be written, for a refusal before
    they are made where it cannot hold the catalogue's own columns
    The header of the table says what predicted (HEADER_KEYS).
    A source without a usable MAG_i has empty answers, NaN or "", and a line on stderr says so.
    Raises ValueError naming the file for one that cannot be read or where no source has i, and
    for a column that the catalogue already has.
    """
    catalogue = read_catalogue(path)
    if out is not None:
        check_writable(catalogue, out)
    columns = {name: _plain(catalogue[name]) for name in catalogue.column_names if name in _USED}
    try:
        without = _without_i(columns)
        answers = predictor.predict(_with_stand_in(columns, without), queries)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if queries is None and "AUTO_iSDSS" in columns:
        answers |= derived(answers, columns["AUTO_iSDSS"])
    if without.any():
        for values in answers.values():
            values[without] = "" if values.dtype.kind == "O" else np.nan
        _say_without_i(path, without)
    for name in answers:
        if name in catalogue.column_names:
            raise ValueError(f"{path}: column {name} is there already: rename it to keep it")
    extra = [one.column for one in heads]
    return with_origin(with_answers(catalogue, answers, extra), _origin(predictor.bundle, heads))


def read_catalogue(path: Path) -> pa.Table:
    """A table from CSV, ECSV, FITS, VOTable, a Parquet file or a directory of Parquet shards.

    Raises ValueError naming the file and what is wrong with it.
    """
    if not path.exists():
        raise ValueError(f"{path}: no such catalogue")
    return read_table(path)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``ojala predict``."""
    parser.description = EXAMPLE
    parser.add_argument("catalogue", type=Path, metavar="CATALOGUE", help=KINDS)
    parser.add_argument(
        "--bundle",
        type=Path,
        default=Path("models/ojala"),
        help="directory of a trained model (%(default)s)",
    )
    parser.add_argument("--out", type=Path, required=True, help=f"catalogue to write: {KINDS}")
    parser.add_argument(
        "--heads", type=Path, help="directory of heads that answer as well, such as models/heads"
    )
    parser.add_argument(
        "--queries", help="such as SPECTYPE,Z_GAL (default: all 15 quantities, and every head)"
    )


def main(arguments: argparse.Namespace) -> None:
    """Run ``ojala predict``."""
    table_format(arguments.out)
    opened = bundle.load(arguments.bundle)
    heads = head.load_all(arguments.heads, opened.digest) if arguments.heads else []
    if arguments.heads and not heads:
        raise ValueError(f"{arguments.heads}: no heads here; ojala finetune makes one")
    predictor = Predictor(opened, heads=heads)
    queries = (
        [query.strip() for query in arguments.queries.split(",")] if arguments.queries else None
    )
    predictor.check_queries(queries or [])
    table = predicted(arguments.catalogue, predictor, queries, heads, arguments.out)
    write_table_file(table, arguments.out)
    print(f"{arguments.out}: {len(table)} sources")


def _without_i(columns: Columns) -> np.ndarray:
    """True for sources without a usable MAG_i; where none has one the Predictor says so."""
    if "MAG_i" not in columns:
        return np.zeros(0, dtype=bool)
    without = np.isnan(observed_column(columns, "MAG_i"))
    return without & ~without.all()


def _with_stand_in(columns: Columns, without: np.ndarray) -> Columns:
    """Columns with some MAG_i for each source: rows keep the numbers that errors name them by."""
    given = {"MAG_i": 20.0, "MAG_i_ERR": 1.0} if without.any() else {}
    for name in given.keys() & columns.keys():
        columns = columns | {name: np.where(without, given[name], numbers(columns[name], name))}
    return columns


def _say_without_i(path: Path, without: np.ndarray) -> None:
    print(
        f"{path}: {without.sum()} of {len(without)} sources have no usable MAG_i and no answers, "
        f"the first in row {np.argmax(without) + 1} (rows count from 1)",
        file=sys.stderr,
    )


def _origin(opened: bundle.Bundle, heads: Sequence[head.Head]) -> dict[str, str]:
    """Entries of HEADER_KEYS that tell what predicted; the bundle may lack some."""
    made: dict[str, Any] = opened.provenance
    names = ("git_commit", "run_id", "params_digest", "data_source")
    return {name: str(made[name]) for name in names if made.get(name)} | {
        "ojala_version": __version__,
        "bundle_digest": opened.digest,
        "heads": ", ".join(f"{one.name} {one.digest}" for one in heads),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _plain(column: pa.ChunkedArray) -> np.ndarray:
    """A column's values; nulls are NaN, or an empty name."""
    values = flat(column)
    if values.null_count == len(values) and len(values):
        return np.full(len(values), np.nan)
    if is_text(values.type):
        return np.array([word or "" for word in as_text(values).to_pylist()], dtype=object)
    if pa.types.is_boolean(values.type) and values.null_count:
        return np.array(["" if v is None else str(v) for v in values.to_pylist()], dtype=object)
    plain = masked_of(values)
    if plain.dtype.kind == "O":  # lists of several lengths
        return np.array([str(value) for value in plain], dtype=object)
    return np.ma.filled(plain.astype(np.float64), np.nan) if np.ma.isMA(plain) else plain
