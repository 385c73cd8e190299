"""``ojala predict``: class, redshift and quantities of the sources of a catalogue."""

from __future__ import annotations

import argparse
from pathlib import Path

from ojala.catalogue.answers import Asked, predict
from ojala.heads import head
from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.tables import project
from ojala.tables.files import table_format
from ojala.tables.writing import check_place

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
    project.add_argument(parser)


def main(arguments: argparse.Namespace) -> None:
    """Run ``ojala predict``."""
    table_format(arguments.out)
    check_place(arguments.out)
    opened = bundle.load(arguments.bundle)
    heads = head.load_all(arguments.heads, opened.digest) if arguments.heads else []
    if arguments.heads and not heads:
        raise ValueError(f"{arguments.heads}: no heads here; ojala finetune makes one")
    predictor = Predictor(opened, heads=heads)
    queries = arguments.queries and tuple(map(str.strip, arguments.queries.split(",")))
    predictor.check_queries(queries or ())
    asked = Asked(predictor=predictor, queries=queries, heads=heads)
    num_rows = predict(arguments.catalogue, arguments.out, asked)
    print(f"{arguments.out}: {num_rows} sources")
