"""``ojala recalibrate``: what held-out sources say of a bundle's probabilities and intervals."""

from __future__ import annotations

import argparse
from pathlib import Path

from ojala.catalogue import recalibration, who_answers
from ojala.catalogue.answers import read_catalogue
from ojala.catalogue.held_out import held_out
from ojala.catalogue.light import light
from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.tables import project, result
from ojala.tables.shards import columns_of
from ojala.tables.writing import check_place

EXAMPLE = """\
Recalibrates a bundle by held-out sources whose class (SPECTYPE: GALAXY, STAR, QSO or its code) and
redshift (z) are known: honest class probabilities where that wins, and sets of classes and
redshifts that hold what is true nine times of ten. ojala predict and ojala vac take the file as
--recalibration. Of a table with a column "split" the rows "val" are taken.

Example:
    ojala recalibrate data/weights --bundle models/ojala --out models/recalibration.json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``ojala recalibrate``."""
    parser.description = EXAMPLE
    parser.add_argument("sources", type=Path, metavar="SOURCES", help="held-out sources, any table")
    who_answers.add_bundle(parser)
    parser.add_argument("--out", type=Path, required=True, help="file to write: .json")
    project.add_argument(parser)
    result.add_argument(parser)


def main(arguments: argparse.Namespace) -> None:
    """Run ``ojala recalibrate``."""
    check_place(arguments.out)
    opened = bundle.load(arguments.bundle)
    table = held_out(read_catalogue(arguments.sources))
    try:
        found = recalibration.by_sources(Predictor(opened), light(table), columns_of(table))
    except ValueError as error:
        raise ValueError(f"{arguments.sources}: {error}") from None
    recalibration.write(found, arguments.out)
    said = found.said()
    record = {"out": arguments.out, "said": said, "bundle_digest": opened.digest}
    result.tell(arguments, [f"{arguments.out}: {said}"], record)
