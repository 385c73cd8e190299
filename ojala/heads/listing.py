"""The list of heads: what each answers, and whether its base is the bundle that is there."""

from __future__ import annotations

import argparse
from pathlib import Path

from ojala.heads.head import places, read_config, states
from ojala.model import bundle
from ojala.tables import project, result

EXAMPLE = """\
List the heads of a directory, with "ready" or what is wrong with each.

Example:
    ojala heads --bundle models/ojala"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``ojala heads``."""
    parser.description = EXAMPLE
    parser.add_argument(
        "directory",
        type=Path,
        nargs="?",
        default=Path("models/heads"),
        help="of heads, as ojala finetune wrote them (%(default)s)",
    )
    parser.add_argument(
        "--bundle",
        type=Path,
        default=Path("models/ojala"),
        help="what the heads are to answer beside (%(default)s)",
    )
    project.add_argument(parser)
    result.add_argument(parser)


def main(arguments: argparse.Namespace) -> None:
    """Print a line per head: ``ojala heads [DIR]``."""
    found = states(arguments.directory, _base(arguments.bundle))
    if not found:
        raise ValueError(f"{arguments.directory}: no heads here; ojala finetune makes one")
    heads = [
        {"name": place.name, "quantity": _quantity(place), "state": found[place.name]}
        for place in places(arguments.directory)
    ]
    lines = [f"{one['name']:20s} {one['quantity']:24s} {one['state']}" for one in heads]
    result.tell(arguments, lines, {"heads": heads})


def _base(directory: Path) -> str | None:
    """Digest of the bundle, None where there is none."""
    try:
        return bundle.digest(directory)
    except FileNotFoundError:
        return None


def _quantity(place: Path) -> str:
    try:
        return read_config(place).quantity
    except ValueError:
        return "-"
