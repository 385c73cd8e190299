"""The simulated sky, written in the surveys' own formats: DESI, J-PAS, the Legacy Surveys.

A simulation: see docs/simulated-sky.md for what it is made of and where it is not to be believed.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from threadpoolctl import threadpool_limits
from tqdm import tqdm

from ojala.sky import cells
from ojala.sky.catalogue_rows import CatalogueRows
from ojala.sky.footprint import Cell
from ojala.sky.sky_config import SkyConfig
from ojala.writing import written_whole


def simulate(config: SkyConfig, out: str | Path, *, num_workers: int = 1) -> dict[str, int]:
    """Write the simulated sky into the directory ``out``; it appears whole or not at all.

    ``desi/``: coadds and redrock files in DR1's tree, and the four value-added catalogues
    ``jpas/``: a table as FLambdaDualObj per cell; ``jpas/magnitudes/``: as MagABDualObj
    ``legacy/``: a sweep per cell; ``truth/``: what was drawn, for tests and figures only

    The files depend on ``config`` alone, not on num_workers. Memory grows by about 0.5 kB per
    source with a spectrum (rows of the catalogues); cells are made and written one at a time per
    worker. Returns counts.
    """
    counts: Counter[str] = Counter()
    rows = CatalogueRows()
    with written_whole(out) as unfinished:
        unfinished.mkdir()
        with tqdm(
            total=config.num_desi + config.num_jpas - config.num_both,
            unit="source",
            disable=not sys.stderr.isatty(),
        ) as bar:
            for made in _made(config, unfinished, num_workers):
                rows.add(made.labels)
                counts.update(made.counts)
                bar.update(made.counts["sources"])
        rows.write(unfinished / "desi" / "vac")
    return dict(counts)


def _made(config: SkyConfig, out: Path, num_workers: int) -> Iterator[cells.Made]:
    make = partial(_make_cell, config, out)
    if num_workers == 1:
        yield from map(make, config.cells())
        return
    with ProcessPoolExecutor(num_workers) as executor:
        yield from executor.map(make, config.cells())


def _make_cell(config: SkyConfig, out: Path, cell: Cell) -> cells.Made:
    # One thread per process: sums in another order would change the last bits of the sky.
    with threadpool_limits(1):
        return cells.make(config, out, cell)


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


def main(arguments: argparse.Namespace) -> None:
    """Make the simulated sky: ``ojala simulate --out DIR``."""
    chosen = {name: getattr(arguments, name) for name in OPTIONS}
    if arguments.workers < 1:
        raise ValueError(f"--workers is {arguments.workers}, expected 1 or more")
    counts = simulate(SkyConfig(**chosen), arguments.out, num_workers=arguments.workers)
    print(f"{arguments.out}: a simulated sky of {counts['sources']} sources")
    for name, number in sorted(counts.items()):
        print(f"{number:12d} {name}")
