"""``ojala reference``: sources that the service compares those it is asked about with."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa

from ojala.catalogue.answers import read_catalogue
from ojala.catalogue.drift import LEAST_SOURCES
from ojala.catalogue.held_out import held_out
from ojala.catalogue.light import light
from ojala.tables import result
from ojala.tables.files import write_table_file
from ojala.tables.shards import numbers
from ojala.tables.writing import check_place

EXAMPLE = """\
Draws sources of a table, their light and their weights, into a small Parquet file. A service that
OJALA_REFERENCE gives it measures by it whether what it is asked about drifts (docs/service.md). Of
a table with a column "split" the rows "val" are taken, which no network was trained on.

Example:
    ojala reference data/weights --out models/reference.parquet"""

WEIGHT = "weight"
NUM_SOURCES = 4000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``ojala reference``."""
    parser.description = EXAMPLE
    parser.add_argument(
        "sources", type=Path, metavar="SOURCES", help="table of the sources that are expected"
    )
    parser.add_argument("--out", type=Path, required=True, help="file to write: .parquet")
    parser.add_argument(
        "--num-sources",
        type=int,
        default=NUM_SOURCES,
        help="sources that are drawn, all where there are fewer (%(default)s)",
    )
    result.add_argument(parser)


def main(arguments: argparse.Namespace) -> None:
    """Run ``ojala reference``."""
    if arguments.num_sources < LEAST_SOURCES:
        raise ValueError(
            f"--num-sources is {arguments.num_sources}, expected {LEAST_SOURCES} or more"
        )
    if arguments.out.suffix != ".parquet":
        raise ValueError(f"--out is {arguments.out}, expected a name that ends in .parquet")
    check_place(arguments.out)
    try:
        drawn = _drawn(read_catalogue(arguments.sources), arguments.num_sources)
    except ValueError as error:
        said = str(error).removeprefix(f"{arguments.sources}: ")
        raise ValueError(f"{arguments.sources}: {said}") from None
    write_table_file(drawn, arguments.out)
    line = f"{arguments.out}: {len(drawn)} sources of {arguments.sources}"
    record = {"out": arguments.out, "num_sources": len(drawn), "sources": arguments.sources}
    result.tell(arguments, [line], record)


def _drawn(table: pa.Table, num_sources: int) -> pa.Table:
    """Some sources of a table: the columns of the vocabulary, and weights if it has any."""
    table = held_out(table)
    if len(table) < LEAST_SOURCES:
        raise ValueError(f"{len(table)} sources, expected {LEAST_SOURCES} or more")
    rows = np.random.default_rng(0).permutation(len(table))[:num_sources]
    table = table.take(np.sort(rows))
    columns = light(table)
    if WEIGHT in table.column_names:
        columns[WEIGHT] = numbers(table[WEIGHT].to_numpy(), WEIGHT)
    return pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})
