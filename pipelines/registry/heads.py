"""``ojala heads``: the heads of a directory and, where it is asked, those of the registry."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from ojala.heads import listing
from ojala.tables import result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``ojala heads``."""
    listing.add_arguments(parser)
    parser.add_argument(
        "--registered",
        action="store_true",
        help="list the heads of the registry, and whether they fit the champion",
    )


def main(arguments: argparse.Namespace) -> None:
    """Print a line per head."""
    if not arguments.registered:
        listing.main(arguments)
        return
    from pipelines.registry import head_states

    found = head_states.noted()
    if not found:
        raise ValueError("no head is registered; ojala finetune makes one, stage register adds it")
    lines = [f"{one.name:32s} version {one.version:4s} {one.alias:9s} {one.state}" for one in found]
    result.tell(arguments, lines, {"heads": [asdict(one) for one in found]})
