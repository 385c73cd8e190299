"""One cell of the simulated sky, from random numbers to files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ojala.sky.catalogue_rows import rows_of
from ojala.sky.footprint import Cell, photsys, places, reddening, tile_of
from ojala.sky.instruments import desi_side, jpas_side, legacy_side
from ojala.sky.instruments.fibres import Fibres
from ojala.sky.instruments.light import FIELD_STEP, BandLight, joined, lights
from ojala.sky.instruments.tiles import draw_tiles
from ojala.sky.population import SAMPLES, Sample, draw, merged
from ojala.sky.quasars.hosts import host_masses
from ojala.sky.sky_config import SkyConfig
from ojala.sky.streams import Stream, generator
from ojala.sky.truth_table import write_truth
from ojala.surveys.jpas.dual_mode import write_dual
from ojala.surveys.legacy import write_sweep
from ojala.tables.shards import Columns

Floats = NDArray[np.float64]

TARGETID = 39_600_000_000_000_000
"""Start of the TARGETIDs of sources."""

MAX_PER_CELL = 10**6

BLEND_SEPARATION = (0.3, 1.0)
"""Arcsec between a DESI source and the neighbour that J-PAS sees with it."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """What is left to do of a cell whose files are written: catalogue rows, and counts."""

    labels: dict[str, Columns]
    counts: dict[str, int]


def make(config: SkyConfig, out: Path, cell: Cell) -> Made:
    """Draw, observe and write a cell."""
    seed, healpix = config.seed, cell.healpix
    targets = draw(seed, healpix, cell.num_desi, config.desi_mix, Stream.MIX)
    others = draw(seed, healpix, cell.num_field or 0, config.field_mix, Stream.FIELD_MIX)
    ebv = reddening(generator(seed, healpix, Stream.REDDENING))
    exposed = desi_side.expose(seed, healpix, targets, ebv)
    light = joined([*exposed.lights, *(light for _, light in lights(others, ebv, FIELD_STEP))])
    sources = _placed(config, cell, [*targets, *others], ebv)
    rng = generator(seed, healpix, Stream.LEGACY)
    legacy = legacy_side.observe(rng, sources, light, sources["photsys"])
    labels: dict[str, Columns] = {}
    if exposed.fibres:
        labels = _desi(config, out, cell, sources, light, legacy, exposed.fibres)
    if cell.num_field is not None:
        _jpas(config, out, healpix, sources, light)
        _sweep(out, healpix, sources, legacy)
    write_truth(out / "truth", healpix, sources, light)
    return Made(labels=labels, counts=_counts(sources, cell))


def _placed(config: SkyConfig, cell: Cell, samples: Sequence[Sample], ebv: float) -> Columns:
    """The truth of the sources of a cell, DESI's first, with their places and names."""
    sources = merged(samples)
    for name, values in host_masses(sources).items():
        sources[name] = np.where(np.isfinite(sources[name]), sources[name], values)
    num_sources = len(sources["z"])
    rng = generator(config.seed, cell.healpix, Stream.PLACES)
    ra, dec = places(rng, num_sources, cell.healpix)
    neighbour = _beside_others(config, ra, dec, cell)
    row = np.arange(num_sources)
    return sources | {
        "ra": ra,
        "dec": dec,
        "neighbour": neighbour,
        "targetid": np.where(row < cell.num_desi, TARGETID + cell.healpix * MAX_PER_CELL + row, 0),
        "healpix": np.full(num_sources, cell.healpix, np.int32),
        "program": np.array([SAMPLES[name][2] for name in sources["sample"]]),
        "photsys": photsys(ra, dec),
        "tile": tile_of(ra, dec),
        "mw_ebv": np.full(num_sources, ebv),
        "tile_id": np.zeros(num_sources, np.int32),
        "number": np.zeros(num_sources, np.int32),
    }


def _beside_others(config: SkyConfig, ra: Floats, dec: Floats, cell: Cell) -> NDArray[np.int64]:
    """Move a few sources that DESI did not observe next to one that it did, in place.

    Returns the row of each source's neighbour, -1 for those that have none.
    """
    neighbour = np.full(len(ra), -1)
    num_field = cell.num_field or 0
    rng = generator(config.seed, cell.healpix, Stream.BLENDS)
    num_pairs = min(rng.binomial(cell.num_desi, config.blend_share), num_field)
    first = rng.permutation(cell.num_desi)[:num_pairs]
    second = cell.num_desi + rng.permutation(num_field)[:num_pairs]
    angle = 2 * np.pi * rng.random(num_pairs)
    apart = rng.uniform(*BLEND_SEPARATION, num_pairs) / 3600
    ra[second] = ra[first] + apart * np.cos(angle) / np.cos(np.radians(dec[first]))
    dec[second] = dec[first] + apart * np.sin(angle)
    neighbour[first], neighbour[second] = second, first
    return neighbour


def _desi(
    config: SkyConfig,
    out: Path,
    cell: Cell,
    sources: Columns,
    light: BandLight,
    legacy: Columns,
    fibres: Fibres,
) -> dict[str, Columns]:
    """Write the spectra of a cell; returns its rows of the value-added catalogues."""
    rows = slice(0, cell.num_desi)
    targets = {name: values[rows] for name, values in sources.items()}
    photometry = {name: values[rows] for name, values in legacy.items()}
    seen = desi_side.reduce(
        config.seed, cell.healpix, targets, light.rows(rows), photometry, fibres, config.bad_share
    )
    desi_side.write(out / "desi", config.seed, cell.healpix, targets, photometry, seen)
    keys = {name: targets[name] for name in ("targetid", "program", "healpix", "ra", "dec")}
    keys["survey"] = np.full(cell.num_desi, desi_side.SURVEY)
    keys |= {"z": seen.redshifts["Z"], "spectype": seen.redshifts["SPECTYPE"]}
    return rows_of(seen.labels, keys)


def _jpas(config: SkyConfig, out: Path, healpix: int, sources: Columns, light: BandLight) -> None:
    """Write J-PAS's tables of a cell; ``tile_id`` and ``number`` of the sources are filled in."""
    rng = generator(config.seed, healpix, Stream.TILES)
    tiles = draw_tiles(rng, healpix, config.missing_tray_share)
    rng = generator(config.seed, healpix, Stream.JPAS)
    seen = jpas_side.observe(rng, sources, light, tiles, gap=config.gap)
    for name in ("tile_id", "number"):
        sources[name][seen.rows] = seen.columns[name]
    directory = out / "jpas"
    write_dual(directory / f"FLambdaDualObj-{healpix:05d}.fits", seen.columns, form="flux")
    magnitudes = directory / "magnitudes" / f"MagABDualObj-{healpix:05d}.fits"
    write_dual(magnitudes, seen.columns, form="mag")


def _sweep(out: Path, healpix: int, sources: Columns, legacy: Columns) -> None:
    """Write the sweep of a cell, named after the box of whole degrees around it, as sweeps are."""
    ra, dec = sources["ra"], sources["dec"]
    low = _corner(np.floor(ra.min()), np.floor(dec.min()))
    high = _corner(np.ceil(ra.max()), np.ceil(dec.max()))
    columns = {name: values for name, values in legacy.items() if name.startswith("FLUX_")}
    columns |= {"RA": ra, "DEC": dec, "TYPE": legacy["MORPHTYPE"], "EBV": sources["mw_ebv"]}
    write_sweep(out / "legacy" / f"sweep-{low}-{high}-{healpix:05d}.fits", columns)


def _corner(ra: float, dec: float) -> str:
    return f"{ra:03.0f}{'p' if dec >= 0 else 'm'}{abs(dec):03.0f}"


def _counts(sources: Columns, cell: Cell) -> dict[str, int]:
    seen = sources["number"] > 0
    counts = Counter(f"sources: {name}" for name in sources["sample"].tolist())
    counts |= Counter(
        {
            "sources": len(seen),
            "DESI spectra": cell.num_desi,
            "J-PAS detections": int(seen.sum()),
            "J-PAS detections with a DESI spectrum": int(seen[: cell.num_desi].sum()),
        }
    )
    return dict(counts)
