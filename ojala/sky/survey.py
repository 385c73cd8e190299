"""The simulated sky, written in the surveys' own formats: DESI, J-PAS, the Legacy Surveys.

A simulation: see docs/simulated-sky.md for what it is made of and where it is not to be believed.
"""

from __future__ import annotations

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
from ojala.tables.writing import written_whole


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
