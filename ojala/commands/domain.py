"""``ojala domain``: where the embeddings of held-out sources lie."""

from __future__ import annotations

import argparse
from pathlib import Path

from ojala.catalogue import domain, who_answers
from ojala.catalogue.answers import read_catalogue
from ojala.catalogue.held_out import held_out
from ojala.catalogue.light import light
from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.tables import project, result
from ojala.tables.writing import check_place

EXAMPLE = """\
Measures the domain of training of a bundle: the distances of embeddings of held-out sources, and
the one that a stated share of them exceeds. ojala predict --domain sets the bit OUTSIDE_TRAINING of
QUALITY_FLAGS by it. Of a table with a column "split" the rows "val" are taken.

Example:
    ojala domain data/weights --bundle models/ojala --out models/domain.safetensors"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``ojala domain``."""
    parser.description = EXAMPLE
    parser.add_argument("sources", type=Path, metavar="SOURCES", help="held-out sources, any table")
    who_answers.add_bundle(parser)
    parser.add_argument("--out", type=Path, required=True, help="file to write: .safetensors")
    parser.add_argument(
        "--false-alarms",
        type=float,
        default=domain.FALSE_ALARMS,
        help="share of held-out sources that are said to be outside (%(default)s)",
    )
    project.add_argument(parser)
    result.add_argument(parser)


def main(arguments: argparse.Namespace) -> None:
    """Run ``ojala domain``."""
    if not 0 < arguments.false_alarms < 1:
        raise ValueError(f"--false-alarms is {arguments.false_alarms}, expected 0 ... 1")
    check_place(arguments.out)
    opened = bundle.load(arguments.bundle)
    table = held_out(read_catalogue(arguments.sources))
    try:
        embeddings = Predictor(opened).embed(light(table))
        found = domain.measured(embeddings, opened.digest, false_alarms=arguments.false_alarms)
    except ValueError as error:
        raise ValueError(f"{arguments.sources}: {error}") from None
    domain.write(found, arguments.out)
    said = found.said()
    record = {"out": arguments.out, "said": said, "bundle_digest": opened.digest}
    result.tell(arguments, [f"{arguments.out}: {said}"], record)
