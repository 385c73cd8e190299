"""Broad absorption lines of quasars: gas that flows towards us at up to a tenth of light speed.

One quasar in eight beyond redshift 1 or so has them (Gibson et al. 2009; Filbert et al. 2024 for
DESI), one in twelve of those in Mg II as well.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ojala.sky.deviates import uniforms
from ojala.vocabulary.constants import SPEED_OF_LIGHT

Array = NDArray[np.float64]

FRACTION, LOW_IONISATION = 0.12, 0.08
"""Share of quasars with troughs; of those, share with troughs of low ions too."""

HIGH_IONS = ((1034.0, 0.9), (1215.7, 0.6), (1240.1, 0.9), (1397.8, 0.6), (1549.1, 1.0))
LOW_IONS = ((1670.8, 0.5), (1857.8, 0.8), (2798.7, 0.7))
"""Vacuum wavelength (Angstrom) and depth relative to C IV."""

EDGE = 500.0
"""Softness of a trough's edges, km/s."""


def troughs(seed: NDArray[np.integer], rest_wave: Array) -> Array:
    """Transmission of the outflow, (num_sources, num_wave): one for most quasars."""
    uniform = uniforms(seed, 5, stream=40)
    passed = np.ones((len(seed), len(rest_wave)))
    for row in np.flatnonzero(uniform[:, 0] < FRACTION):
        _, ions, place, extent, deep = uniform[row]
        fast = 3000.0 + 14_000.0 * place**1.5
        edges = (fast, fast + 1500.0 + 8500.0 * extent**2)
        lines = HIGH_IONS + LOW_IONS if ions < LOW_IONISATION else HIGH_IONS
        for wave, relative in lines:
            _absorb(passed[row], rest_wave, wave, edges, relative * (0.35 + 0.6 * deep))
    return passed


def _absorb(
    passed: Array, rest_wave: Array, line: float, edges: tuple[float, float], depth: float
) -> None:
    """Take a trough between two outflow velocities (km/s) out of ``passed`` in place."""
    reach = (
        line * (1 - (edges[1] + 5 * EDGE) / SPEED_OF_LIGHT),
        line * (1 - (edges[0] - 5 * EDGE) / SPEED_OF_LIGHT),
    )
    window = slice(*np.searchsorted(rest_wave, reach))
    velocity = (1 - rest_wave[window] / line) * SPEED_OF_LIGHT
    inside = 1 / (1 + np.exp(-(velocity - edges[0]) / EDGE))
    inside -= 1 / (1 + np.exp(-(velocity - edges[1]) / EDGE))
    passed[window] *= 1 - depth * inside
