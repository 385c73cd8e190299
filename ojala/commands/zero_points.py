"""``ojala zero-points``: zero points of tiles by what the network expects of their sources."""

from __future__ import annotations

import argparse
from pathlib import Path

from ojala.catalogue import who_answers, zero_points
from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.tables import project, result
from ojala.tables.files import write_table_file
from ojala.tables.shards import as_table, columns_of, jpas_schema, read_table
from ojala.tables.writing import check_place

EXAMPLE = """\
Finds how far the zero point of each narrow band is off in each tile, from what a trained network
expects of the band where it sees the others: no labels, no other survey. Writes the J-PAS table
(of ojala jpas) with the offsets taken out, which any command takes in its place.

Example:
    ojala zero-points data/jpas --out calibrated.parquet --offsets zero_points.parquet"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``ojala zero-points``."""
    parser.description = EXAMPLE
    parser.add_argument("jpas", type=Path, metavar="JPAS", help="table that ojala jpas wrote")
    who_answers.add_bundle(parser)
    parser.add_argument("--out", type=Path, required=True, help="the calibrated table")
    parser.add_argument(
        "--offsets", type=Path, help="the offsets: a row per tile and band (Parquet)"
    )
    project.add_argument(parser)
    result.add_argument(parser)


def main(arguments: argparse.Namespace) -> None:
    """Run ``ojala zero-points``."""
    for place in filter(None, (arguments.out, arguments.offsets)):
        check_place(place)
    table = read_table(arguments.jpas)
    if missing := [name for name in jpas_schema().names if name not in table.column_names]:
        raise ValueError(
            f"{arguments.jpas}: column {missing[0]} is missing, expected a table of ojala jpas"
        )
    columns = columns_of(table)
    found = zero_points.measured(Predictor(bundle.load(arguments.bundle)), columns)
    write_table_file(as_table(found.calibrated(columns), jpas_schema()), arguments.out)
    if arguments.offsets:
        zero_points.write(found, arguments.offsets)
    said = f"{len(found.tiles)} tiles, offsets of {found.scatter():.3f} mag rms"
    record = {"out": arguments.out, "tiles": len(found.tiles), "rms": found.scatter()}
    result.tell(arguments, [f"{arguments.out}: {said}"], record)
