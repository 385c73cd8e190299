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
import pyarrow.parquet as pq
from astropy import units as u
from astropy.table import MaskedColumn, Table

from ojala import __version__, bundle, head
from ojala.band_columns import band_columns
from ojala.derived import derived
from ojala.predict import Predictor
from ojala.shards import columns_of, read_table
from ojala.shown import NO_RATIOS, Shown, other_columns, token_columns
from ojala.table_files import read_table_file, table_format, write_table_file
from ojala.vac import HEADER_KEYS, VacColumn, vac_column
from ojala.writing import written_whole

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

PARQUET = ".parquet"
KINDS = ".csv, .ecsv, .fits, .vot or .parquet"


def predicted(
    path: Path,
    predictor: Predictor,
    queries: list[str] | None = None,
    heads: Sequence[head.Head] = (),
) -> Table:
    """The catalogue of ``path`` with the answers as further columns, row by row.

    heads: those of the predictor; the header of the table says what predicted (HEADER_KEYS)
    What was used of it, and what was not, is said on stderr.
    Raises ValueError naming the file for one that cannot be read or is not understood, one whose
    narrow bands are no ratios, and for a column that the catalogue already has.
    """
    catalogue = read_catalogue(path)
    try:
        wanted = band_columns(catalogue.colnames).names()
        wanted |= set(other_columns(catalogue.colnames).values())
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
    for name, values in answers.items():
        if name in catalogue.colnames:
            raise ValueError(f"{path}: column {name} is there already: rename it to keep it")
        catalogue[name] = values.astype(str) if values.dtype.kind == "O" else values
        _describe(catalogue, name, [one.column for one in heads])
    said = _origin(predictor.bundle, heads)
    for entry, (card, _) in HEADER_KEYS.items():
        catalogue.meta.pop(card, None)  # what the catalogue was made by before
        if said.get(entry):
            catalogue.meta[card] = said[entry]
    _say(path, seen)
    return catalogue


def read_catalogue(path: Path) -> Table:
    """A table from CSV, ECSV, FITS, VOTable, a Parquet file or a directory of Parquet shards.

    Raises ValueError naming the file and what is wrong with it.
    """
    if not path.exists():
        raise ValueError(f"{path}: no such catalogue")
    if path.is_dir() or path.suffix == PARQUET:
        return Table(columns_of(read_table(path)))
    return read_table_file(path)


def write_catalogue(table: Table, path: Path) -> None:
    """Write a table in the format of the path's suffix, whole or not at all."""
    if path.suffix != PARQUET:
        write_table_file(table, path)
        return
    arrays = [_arrow(table[name]) for name in table.colnames]
    fields = [
        pa.field(name, array.type, metadata=_meaning(table[name]))
        for name, array in zip(table.colnames, arrays, strict=True)
    ]
    said = {e: str(table.meta[card]) for e, (card, _) in HEADER_KEYS.items() if card in table.meta}
    with written_whole(path) as partial:
        pq.write_table(pa.table(arrays, schema=pa.schema(fields, metadata=said)), partial)


def _arrow(column: MaskedColumn) -> pa.Array:
    """A column for Parquet: masked is null, several values in a row are a list."""
    values = np.ma.getdata(column)
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8")
    if values.ndim > 1:
        return pa.array(values.reshape(len(values), -1).tolist())
    if values.dtype.kind in "iufb":
        values = values.astype(values.dtype.newbyteorder("="), copy=False)
    return pa.array(values, mask=np.ma.getmaskarray(np.ma.asarray(column)))


def _meaning(column: MaskedColumn) -> dict[str, str]:
    said = {"unit": column.unit, "description": column.description}
    return {name: str(text) for name, text in said.items() if text}


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
    if arguments.out.suffix != PARQUET:
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
    table = predicted(arguments.catalogue, predictor, queries, heads)
    write_catalogue(table, arguments.out)
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


def _plain(column: MaskedColumn) -> np.ndarray:
    """A column's values; empty cells are NaN, or an empty name."""
    values = np.asarray(column)
    empty = np.ma.getmaskarray(np.ma.asarray(column))
    if values.dtype.kind == "O":
        empty = empty | np.array([value is None for value in values], dtype=bool)
    if empty.all():
        return np.full(values.shape, np.nan)
    if values.dtype.kind in "SUO" or (values.dtype.kind == "b" and empty.any()):
        text = np.array([v.decode() if isinstance(v, bytes) else str(v) for v in values], object)
        return np.where(empty, "", text)
    return np.where(empty, np.nan, values) if empty.any() else values


def _describe(table: Table, name: str, extra: Sequence[VacColumn]) -> None:
    """Unit and meaning of an answer, where there is a description of it."""
    try:
        column = vac_column(name, extra)
    except ValueError:  # a probability of a morphology
        return
    table[name].unit = u.Unit(column.unit, parse_strict="silent") if column.unit else None
    table[name].description = column.description
