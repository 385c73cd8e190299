"""``ojala sky-figures``: figures of a simulated sky."""

from __future__ import annotations

import argparse
from pathlib import Path

from ojala.figures.sky import draw_figures
from ojala.tables import result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``ojala sky-figures``."""
    parser.description = "Draw spectra, counts and depths of a simulated sky."
    parser.epilog = "example: ojala sky-figures data/simulated --out docs/figures"
    parser.add_argument("sky", type=Path, help="directory that ojala simulate wrote")
    parser.add_argument("--out", type=Path, required=True, help="directory for the figures")
    result.add_argument(parser)


def main(arguments: argparse.Namespace) -> None:
    """Draw the figures of a simulated sky: ``ojala sky-figures SKY --out DIR``."""
    drawn = draw_figures(arguments.sky, arguments.out)
    result.tell(arguments, [str(path) for path in drawn], {"figures": drawn})
