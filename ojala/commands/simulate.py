"""``ojala simulate``: a simulated sky in the formats of DESI, J-PAS and Legacy."""

from __future__ import annotations

import argparse
from pathlib import Path

from ojala.sky.sky_config import SkyConfig
from ojala.sky.survey import simulate
from ojala.tables import result

OPTIONS = {
    "seed": "of all random numbers",
    "num_desi": "sources with a DESI spectrum",
    "num_jpas": "sources where J-PAS looks",
    "num_both": "sources that are both",
    "desi_per_cell": "DESI sources in a sky pixel of 0.84 square degrees",
    "jpas_per_cell": "J-PAS sources in such a pixel",
    "gap": "J-PAS photometry against simulations: 0 the same, 1 as different as expected",
    "bad_share": "share of the DESI spectra that are spoilt",
    "missing_tray_share": "share of the J-PAS tiles without a tray of filters",
    "blend_share": "share of the DESI sources that J-PAS sees blended",
}
"""What the numbers of SkyConfig mean, for the command."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``ojala simulate``: every number of SkyConfig, and where to write."""
    parser.description = "Write a simulated sky in the formats of DESI, J-PAS and Legacy Surveys."
    parser.epilog = "example: ojala simulate --out data/simulated --num-desi 1000 --num-jpas 3000"
    parser.add_argument("--out", type=Path, required=True, help="directory to write")
    parser.add_argument("--workers", type=int, default=1, help="processes (%(default)s)")
    for name, meaning in OPTIONS.items():
        default = getattr(SkyConfig, name)
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=type(default),
            default=default,
            metavar="NUMBER",
            help=f"{meaning} (%(default)s)",
        )
    result.add_argument(parser)


def main(arguments: argparse.Namespace) -> None:
    """Make the simulated sky: ``ojala simulate --out DIR``."""
    chosen = {name: getattr(arguments, name) for name in OPTIONS}
    if arguments.workers < 1:
        raise ValueError(f"--workers is {arguments.workers}, expected 1 or more")
    counts = simulate(SkyConfig(**chosen), arguments.out, num_workers=arguments.workers)
    result.tell(
        arguments,
        [
            f"{arguments.out}: a simulated sky of {counts['sources']} sources",
            *(f"{number:12d} {name}" for name, number in sorted(counts.items())),
        ],
        {"out": arguments.out, "counts": counts},
    )
