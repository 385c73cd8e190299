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
from ojala.band_columns import band_columns
from ojala.derived import derived
from ojala.predict import Predictor
from ojala.shards import read_table
from ojala.shown import NO_RATIOS, Shown, other_columns, token_columns
from ojala.table_columns import as_text, flat, is_text, masked_of
from ojala.table_files import check_writable, table_format, write_table_file

EXAMPLE = """\
Class, redshift and physical quantities of the sources of a catalogue.

The catalogue holds whatever bands there are, named as the released mocks name them: J0378 ... J0910
(flux density over that of the i band), MAG_i (needed), MAG_G, MAG_R, MAG_Z, MAG_W1, MAG_W2 (AB),
MORPHTYPE; or as the J-PAS archive and the released CSV name them (FLUX_APER_COR_3_0_J0660). NaN, an
empty cell, 99 and the like are not observed. The answers stand beside its own columns; a source
that cannot be answered, without MAG_i say, has none, and REASON says why. Line fluxes and
luminosities need AUTO_iSDSS, the total i flux in 1e-19 erg/s/cm2/Angstrom.

Example:
    ojala predict sources.fits --bundle models/ojala --out answers.parquet"""

KINDS = ".csv, .ecsv, .fits, .vot (each packed as .gz or not) or .parquet"


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
    The header of the table says what predicted (HEADER_KEYS); what was used of the catalogue, and
    what was not, is said on stderr.
    Raises ValueError naming the file for one that cannot be read or is not understood, one whose
    narrow bands are no ratios, and for a column that the catalogue already has.
    """
    catalogue = read_catalogue(path)
    if out is not None:
        check_writable(catalogue, out)
    try:
        wanted = band_columns(catalogue.column_names).names()
        wanted |= set(other_columns(catalogue.column_names).values())
        columns = token_columns({name: _plain(catalogue[name]) for name in wanted})
        seen = predictor.shown(columns)
        if len(seen.reason) and np.all(seen.reason == NO_RATIOS):
            raise ValueError(
                "narrow bands are ratios to f_lambda(i), of order 1, and these are not: "
                "divide f_lambda of each band by that of i"
            )
        answers = predictor.predict(columns, queries)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if queries is None and "AUTO_iSDSS" in columns:
        answers |= derived(answers, columns["AUTO_iSDSS"])
    answers["REASON"] = answers.pop("REASON")  # last
    for name in answers:
        if name in catalogue.column_names:
            raise ValueError(f"{path}: column {name} is there already: rename it to keep it")
    _say(path, seen)
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


def _say(path: Path, seen: Shown) -> None:
    """What was used of a catalogue, what was taken for not observed, and who has no answers."""
    lines = [seen.bands_used(), *seen.notes]
    for reason in sorted(set(seen.reason) - {""}):
        rows = seen.reason == reason
        lines.append(
            f"{rows.sum()} of {len(rows)} sources have {reason} and no answers, "
            f"the first in row {np.argmax(rows) + 1} (rows count from 1)"
        )
    for line in lines:
        print(f"{path}: {line}", file=sys.stderr)


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
