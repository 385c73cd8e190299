"""The fit of the analytic narrow bands to measured curves: how ``data/bands.ecsv`` came about."""

from __future__ import annotations

import argparse
from importlib.resources import files
from pathlib import Path

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray
from scipy.optimize import least_squares

from ojala.bands import narrow_bands
from ojala.passbands import COLUMNS, Passband, from_numbers
from ojala.responses import Response, load
from ojala.writing import written_whole

START = {"blue_soft": 3.0, "red_soft": 3.0, "blue_skew": 0.5, "red_skew": 0.5}
"""Where the search begins; the top begins flat."""


def fit(response: Response) -> Passband:
    """The passband nearest to a measured curve around its main peak, in least squares.

    What lies further than a full width from the peak, such as a leak, is left out.
    """
    wave, peak = _main_peak(response)
    half = wave[peak > 0.5]

    def residual(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        return _difference(from_numbers(numbers), wave, peak)

    start = START | {"centre": np.mean(half), "half_width": (half[-1] - half[0]) / 2}
    begin = [start.get(name, 0.0) for name in COLUMNS]
    scale = [0.1 if name not in start or "skew" in name else 1.0 for name in COLUMNS]
    return from_numbers(least_squares(residual, begin, x_scale=scale).x)


def deviation(passband: Passband, response: Response) -> float:
    """The largest difference between both curves, as a share of the measured peak."""
    return float(np.abs(_difference(passband, *_main_peak(response))).max())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``ojala responses``."""
    parser.description = "Fit the analytic narrow bands to measured curves; print how close."
    parser.epilog = "example: ojala responses curves/ --out ojala/data/bands.ecsv"
    parser.add_argument("source", help='directory of curves J0378.txt ..., or "svo"')
    parser.add_argument("--out", type=Path, help="table of bands to write with the fitted numbers")


def main(arguments: argparse.Namespace) -> None:
    """Fit every narrow band, print its largest deviation, write the table of bands."""
    responses = load(arguments.source)
    table = Table.read(files("ojala.data") / "bands.ecsv", format="ascii.ecsv")
    for band in narrow_bands():
        numbers = fit(responses[band.token])
        position = np.flatnonzero(table["token"] == band.token)[0]
        for column in COLUMNS:
            table[column][position] = round(getattr(numbers, column), 4)
        share = deviation(numbers, responses[band.token])
        print(f"{band.token}: within {share:.3f} of the measured peak")
    if arguments.out:
        with written_whole(arguments.out) as partial:
            table.write(partial, format="ascii.ecsv")


def _main_peak(response: Response) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The curve, 1 at its peak, on its own points from a full width before to one after."""
    wave, peak = response.wave, response.throughput / response.throughput.max()
    half = wave[peak > 0.5]
    near = (wave > 2 * half[0] - half[-1]) & (wave < 2 * half[-1] - half[0])
    return wave[near], peak[near]


def _difference(
    passband: Passband, wave: NDArray[np.float64], peak: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Analytic less measured curve, at the scale that brings them nearest."""
    curve = passband.throughput(wave)
    return np.asarray(curve * (curve @ peak) / (curve @ curve) - peak)
