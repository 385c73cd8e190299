"""``ojala predict``: class, redshift and quantities of the sources of a catalogue."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from ojala.catalogue import who_answers
from ojala.catalogue.answers import predict
from ojala.tables import project, result
from ojala.tables.files import table_format
from ojala.tables.writing import check_place

EXAMPLE = """\
Class, redshift and physical quantities of the sources of a catalogue.

The catalogue holds whatever bands there are, named as the released mocks name them: J0378 ... J0910
(flux density over that of the i band), MAG_i (needed), MAG_G, MAG_R, MAG_Z, MAG_W1, MAG_W2 (AB),
MORPHTYPE; or as the J-PAS archive and the released CSV name them (FLUX_APER_COR_3_0_J0660), also
in arrays of all 57 filters (FLUX_APER_COR_3_0); --columns tells what columns of other names are.
NaN, an empty cell, 99 and the like are not observed. The answers stand beside its own columns; a
source that cannot be answered, without MAG_i say, has none, and REASON says why. Line fluxes and
luminosities need AUTO_iSDSS, the total i flux in 1e-19 erg/s/cm2/Angstrom.

Example:
    ojala predict sources.fits --bundle models/ojala --out answers.parquet"""


KINDS = ".csv, .ecsv, .fits, .vot (each packed as .gz or not) or .parquet"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``ojala predict``."""
    parser.description = EXAMPLE
    parser.add_argument("catalogue", type=Path, metavar="CATALOGUE", help=KINDS)
    who_answers.add_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, help=f"catalogue to write: {KINDS}")
    parser.add_argument(
        "--columns",
        metavar="BAND=COLUMN,...",
        help="what columns of other names are, such as J0500=flux_500,MAG_i=imag; with iSDSS=... "
        "the narrow bands are fluxes in the aperture of i, else ratios to it",
    )
    project.add_argument(parser)
    result.add_argument(parser)


def main(arguments: argparse.Namespace) -> None:
    """Run ``ojala predict``."""
    table_format(arguments.out)
    check_place(arguments.out)
    asked = who_answers.opened(who_answers.recipe_of(arguments))
    digest = asked.predictor.bundle.digest
    named = named_columns(arguments.columns) if arguments.columns else None
    asked = replace(asked, named=named)
    num_rows = predict(arguments.catalogue, arguments.out, asked)
    record = {"out": arguments.out, "sources": num_rows, "bundle_digest": digest}
    record["engine"] = asked.engine
    result.tell(arguments, [f"{arguments.out}: {num_rows} sources"], record)


def named_columns(text: str) -> dict[str, str]:
    """Columns by what they are taken for, of ``--columns``."""
    named: dict[str, str] = {}
    for pair in text.split(","):
        name, equals, column = (part.strip() for part in pair.partition("="))
        if not (name and equals and column):
            raise ValueError(f"--columns has {pair.strip()!r}, expected such as J0500=flux_500")
        if name in named:
            raise ValueError(f"--columns names {name} twice")
        named[name] = column
    return named
