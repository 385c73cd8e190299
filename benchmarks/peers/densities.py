"""Redshift distributions on a grid: their width, and what magnitudes alone say."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAGNITUDES = np.arange(14.0, 24.01, 0.5)
"""Edges of the bins of i that a prior is made for."""

FLOOR = 0.02
"""Share of a prior that is spread evenly over all redshifts."""

SMOOTHING = 0.05
"""Standard deviation in ln(1 + z) that training redshifts are smoothed with."""


def half_width(density: Floats, grid: Floats) -> Floats:
    """Half of the central 68 % of densities on a grid, (num_sources,), at least half a step."""
    share = np.cumsum(density * np.gradient(grid), axis=1)
    share /= share[:, -1:]
    last = len(grid) - 1
    low, high = (grid[(share < level).sum(axis=1).clip(max=last)] for level in (0.16, 0.84))
    return np.maximum(high - low, np.diff(grid).min()) / 2


def magnitude_bin(mag_i: Floats) -> NDArray[np.int64]:
    """The row of ``log_prior`` for a magnitude."""
    return np.digitize(mag_i, MAGNITUDES)


def log_prior(redshift: Floats, mag_i: Floats, grid: Floats) -> Floats:
    """The ln p(z | i) of training sources, a row for each bin of magnitude, (num_bins, num_grid).

    grid: even in ln(1 + z). A bin learns from its neighbours as well; each row integrates to one.
    """
    step = float(np.log((1 + grid[-1]) / (1 + grid[0])) / (len(grid) - 1))
    edges = np.concatenate([[-np.inf], (grid[1:] + grid[:-1]) / 2, [np.inf]])
    even = FLOOR / (grid[-1] - grid[0])
    number = magnitude_bin(mag_i)
    rows = []
    for place in range(len(MAGNITUDES) + 1):
        counts = np.histogram(redshift[np.abs(number - place) <= 1], edges)[0]
        smooth = np.convolve(counts, _bell(SMOOTHING / step), mode="full")
        reach = (len(smooth) - len(grid)) // 2
        density = smooth[reach : reach + len(grid)] / np.gradient(grid)
        total = np.trapezoid(density, grid)
        share = density / total if total > 0 else np.full(len(grid), 1 / (grid[-1] - grid[0]))
        rows.append(np.log((1 - FLOOR) * share + even))
    return np.stack(rows)


def _bell(sigma: float) -> Floats:
    reach = int(4 * sigma)
    return np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
