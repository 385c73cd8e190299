"""The fit of the analytic narrow bands to measured curves: how ``data/bands.ecsv`` came about."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from ojala.physics.passbands import COLUMNS, Passband, from_numbers
from ojala.physics.responses import Response

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
