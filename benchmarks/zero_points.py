"""Zero points of tiles as the network finds them, beside those that the simulated sky has.

    python benchmarks/zero_points.py --out docs/figures/zero_points

Reads what a finished `make repro` left and writes OUT.json and OUT.png: offsets found against those
drawn, what is left by band, and scores of Test-Real as delivered, calibrated, and with the zero
points that were drawn taken out, which no one can know of a real sky.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ojala.catalogue import zero_points
from ojala.catalogue.zero_points import LEAST_SOURCES, ZeroPoints
from ojala.evaluation.comparisons import brighter_than
from ojala.evaluation.config import EvaluateConfig
from ojala.evaluation.scores import summary
from ojala.figures.style import save
from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.sky.instruments.jpas_side import calibration
from ojala.sky.instruments.tiles import draw_tiles
from ojala.sky.sky_config import SkyConfig
from ojala.sky.streams import Stream, generator
from ojala.tables.shards import Columns, columns_of, read_table
from ojala.vocabulary.bands import narrow_bands
from ojala.vocabulary.filters import filters
from pipelines import params, paths

Floats = NDArray[np.float64]


def main() -> None:
    """Compare, score, draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("docs/figures/zero_points"))
    options = parser.parse_args()
    found = zero_points.read(paths.ZERO_POINTS)
    drawn = of_the_sky(found.tiles)
    truth = columns_of(read_table(paths.CROSSMATCH / "test_real.parquet"))
    predictor = Predictor(bundle.load(paths.BUNDLE))
    sets = {
        "as delivered": truth,
        "calibrated": found.calibrated(truth),
        "zero points of the simulation taken out": drawn.calibrated(truth),
        "Test-Synth": columns_of(read_table(paths.CROSSMATCH / "test_synth.parquet")),
    }
    record = {
        "tiles": len(found.tiles),
        "offsets (mag)": scatter(found, drawn),
        "scores": {name: scores(predictor, columns) for name, columns in sets.items()},
    }
    options.out.with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n")
    save(picture(found, drawn), options.out.with_suffix(".png"))
    print(json.dumps(record, indent=1))


def of_the_sky(tiles: NDArray[np.int64]) -> ZeroPoints:
    """The zero points that the simulation drew for the tiles, of narrow bands over that of i."""
    config = params.section("simulate", SkyConfig)
    names = [one.name for one in filters()]
    bands = [names.index(band.token) for band in narrow_bands()]
    offset = np.zeros((len(tiles), len(bands)))
    table = read_table(paths.JPAS, ["tile_id", "healpix"])
    for healpix in np.unique(np.asarray(table["healpix"])):
        rng = generator(config.seed, int(healpix), Stream.TILES)
        cell = draw_tiles(rng, int(healpix), config.missing_tray_share)
        too_faint = -2.5 * np.log10(calibration(cell, config.gap))
        there = np.isin(cell.tile_id, tiles)
        narrow = (too_faint - too_faint[:, -1:])[there][:, bands]
        offset[np.searchsorted(tiles, cell.tile_id[there])] = narrow
    return ZeroPoints(tiles=tiles, offset=offset, num_sources=np.full(offset.shape, LEAST_SOURCES))


def scatter(found: ZeroPoints, drawn: ZeroPoints) -> dict[str, float]:
    """Root mean squares within tiles: what all bands of one have in common is that of i."""
    known = found.num_sources >= LEAST_SOURCES
    return {
        "drawn": _rms(_within(drawn.offset, known)),
        "left": _rms(_within(drawn.offset - found.offset, known)),
        "left between neighbouring bands": _rms(np.diff(drawn.offset - found.offset)) / 2**0.5,
    }


def scores(predictor: Predictor, columns: Columns) -> dict[str, Any]:
    """Galaxies and quasars to the faint limit of the evaluation."""
    config = params.section("evaluate", EvaluateConfig)
    bright = brighter_than(columns, config.faint_limit)
    found = summary(predictor.predict(columns), columns, bright, config)
    return {
        name: {key: found[name][key] for key in ("num_sources", "sigma_nmad", "outlier_fraction")}
        for name in ("galaxy", "qso")
    }


def picture(found: ZeroPoints, drawn: ZeroPoints) -> Figure:
    """Found against drawn, and the scatter by band before and after."""
    known = found.num_sources >= LEAST_SOURCES
    true, told = _within(drawn.offset, known), _within(found.offset, known)
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(true.ravel(), told.ravel(), ".", markersize=2, alpha=0.4)
    left.axline((0, 0), slope=1, color="0.5", linewidth=1)
    left.set(xlabel="offset of the simulated tile (mag)", ylabel="offset found (mag)")
    left.set_title(f"{len(found.tiles)} tiles, {known.sum():,} images", fontsize=10)
    wave = [band.wave for band in narrow_bands()]
    for values, label in ((true, "as delivered"), (true - told, "left after calibration")):
        right.plot(wave, np.sqrt(np.nanmean(values**2, axis=0)), "o-", markersize=3, label=label)
    right.set(xlabel="wavelength (Angstrom)", ylabel="rms over tiles (mag)", ylim=(0, None))
    right.legend(frameon=False)
    return figure


def _within(offset: Floats, known: NDArray[np.bool_]) -> Floats:
    """Offsets less the mean of their tile, NaN where not known."""
    values = np.where(known, offset, np.nan)
    return np.asarray(values - np.nanmean(values, axis=1, keepdims=True))


def _rms(values: Floats) -> float:
    return float(np.sqrt(np.nanmean(values**2)))


if __name__ == "__main__":
    main()
