"""``ojala show``: one source drawn, its J-spectrum, p(z) and answers."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa

from ojala.catalogue import who_answers
from ojala.catalogue.answers import read_catalogue
from ojala.catalogue.light import light
from ojala.commands.predict import named_columns
from ojala.figures.source import source
from ojala.figures.style import save
from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.tables import project, result
from ojala.tables.columns import as_text, flat
from ojala.tables.shards import Columns
from ojala.tables.writing import check_place

SUFFIXES = (".png", ".pdf", ".svg")

EXAMPLE = """\
Draw one source of a catalogue: its J-spectrum with errors, p(z) with its modes if it is a galaxy
and if it is a quasar, and what else the model says of it.

The source is named by its row, from 1, or by the cells of one or more columns, which must be those
of one source alone. The figure is written where you stand, or to --out.

Examples:
    ojala show sources.fits --row 18
    ojala show sources.fits --where TARGETID=39627652591521181 --out source.pdf
    ojala show data/jpas --where tile_id=61 --where number=7"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``ojala show``."""
    parser.description = EXAMPLE
    parser.add_argument(
        "catalogue", type=Path, metavar="CATALOGUE", help="as ojala predict takes it"
    )
    named = parser.add_mutually_exclusive_group(required=True)
    named.add_argument("--row", type=int, help="of the catalogue, from 1")
    named.add_argument(
        "--where",
        action="append",
        metavar="COLUMN=VALUE",
        help="a column and the source's cell of it; may be given several times",
    )
    who_answers.add_bundle(parser)
    parser.add_argument(
        "--out", type=Path, help=f"figure, {', '.join(SUFFIXES)} (CATALOGUE-ROW.png)"
    )
    parser.add_argument("--columns", metavar="BAND=COLUMN,...", help="as ojala predict takes it")
    parser.set_defaults(here=Path.cwd())  # before the command goes to work from the project
    project.add_argument(parser)
    result.add_argument(parser)


def main(arguments: argparse.Namespace) -> None:
    """Draw a source: ``ojala show CATALOGUE --row N``."""
    path: Path = arguments.catalogue
    catalogue = read_catalogue(path)
    row = row_of(path, catalogue, arguments.row, arguments.where or [])
    out: Path = arguments.out or arguments.here / f"{path.stem}-{row + 1}.png"
    if out.suffix not in SUFFIXES:
        raise ValueError(f"--out is {out}, expected a figure {', '.join(SUFFIXES)}")
    check_place(out)
    predictor = Predictor(bundle.load(arguments.bundle))
    columns = _light(path, catalogue.slice(row, 1), arguments.columns)
    seen = predictor.shown(columns)
    answers = predictor.predict(seen)
    name = f"{path.name}, row {row + 1}"
    save(source(name, columns, seen.used, answers, predictor.redshifts(columns)), out)
    said = str(seen.reason[0])
    lines = [f"{out}: {name}" + (f", no answers: {said}" if said else "")]
    plain = {key: value[0] for key, value in answers.items()}
    result.tell(arguments, lines, {"out": out, "row": row + 1, "answers": plain})


def row_of(path: Path, catalogue: pa.Table, row: int | None, cells: list[str]) -> int:
    """The row, from 0, that is meant by its number, from 1, or by cells such as TARGETID=39627.

    Raises ValueError for a row that is not there, a column that is not, and cells of no source or
    of several.
    """
    num_rows = len(catalogue)
    if row is not None:
        if not 1 <= row <= num_rows:
            raise ValueError(f"--row is {row}, and {path} has rows 1 ... {num_rows}")
        return row - 1
    found = np.ones(num_rows, dtype=bool)
    for cell in cells:
        name, equals, value = (part.strip() for part in cell.partition("="))
        if not (name and equals and value):
            raise ValueError(f"--where is {cell!r}, expected such as TARGETID=39627652591521181")
        if name not in catalogue.column_names:
            raise ValueError(f"{path}: no column {name}")
        found &= np.array(as_text(flat(catalogue[name])).to_pylist(), dtype=object) == value
    rows = np.flatnonzero(found)
    if len(rows) != 1:
        held = (
            f"rows {', '.join(str(at + 1) for at in rows[:3])} have" if len(rows) else "no row has"
        )
        raise ValueError(f"{path}: {held} {' and '.join(cells)}, expected one source")
    return int(rows[0])


def _light(path: Path, source_row: pa.Table, named: str | None) -> Columns:
    """What the network knows of a source's columns."""
    try:
        return light(source_row, named_columns(named) if named else None)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
