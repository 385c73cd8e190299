"""``ojala publish``: a catalogue in the formats that the field reads."""

from __future__ import annotations

import argparse
from pathlib import Path

from ojala.catalogue.answers import read_catalogue
from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.publish.published import FORMATS, WITH_NETWORK, publish
from ojala.tables import project, result
from ojala.tables.writing import check_place

EXAMPLE = f"""\
Writes a catalogue, such as the value-added one, into a directory: VOParquet, FITS, VOTable, a HATS
collection that LSDB opens, and with --bundle the full p(z) as qp ensembles, mixtures of Gaussians.
Formats: {", ".join((*FORMATS, WITH_NETWORK))}. Docs: docs/publish.md.

Example:
    ojala publish data/vac/ojala_vac.parquet --bundle models/ojala --out published"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``ojala publish``."""
    parser.description = EXAMPLE
    parser.add_argument("catalogue", type=Path, metavar="CATALOGUE", help="in any format")
    parser.add_argument("--out", type=Path, required=True, help="directory to write into")
    parser.add_argument("--name", help="of the files (default: that of the catalogue)")
    parser.add_argument("--formats", help="such as fits,hats (default: all that can be made)")
    parser.add_argument("--bundle", type=Path, help="whose p(z) is written as qp ensembles")
    project.add_argument(parser)
    result.add_argument(parser)


def main(arguments: argparse.Namespace) -> None:
    """Run ``ojala publish``."""
    formats = _formats(arguments.formats, arguments.bundle)
    name = arguments.name or arguments.catalogue.name.partition(".")[0]
    check_place(arguments.out / name)
    predictor = Predictor(bundle.load(arguments.bundle)) if WITH_NETWORK in formats else None
    table = read_catalogue(arguments.catalogue)
    try:
        lines = publish(table, arguments.out, name, formats, predictor)
    except ValueError as error:
        raise ValueError(f"{arguments.catalogue}: {error}") from None
    result.tell(arguments, lines, {"out": arguments.out, "name": name, "written": lines})


def _formats(asked: str | None, model: Path | None) -> tuple[str, ...]:
    """Formats that are asked for. Raises ValueError for one that is none, or lacks its bundle."""
    possible = (*FORMATS, WITH_NETWORK)
    if asked is None:
        return possible if model else FORMATS
    found = tuple(word.strip() for word in asked.split(","))
    for word in found:
        if word not in possible:
            raise ValueError(f"--formats has {word!r}, expected of {', '.join(possible)}")
    if WITH_NETWORK in found and model is None:
        raise ValueError(f"{WITH_NETWORK} is the p(z) of a network: name its --bundle")
    return found
