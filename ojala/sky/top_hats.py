"""Magnitudes in top-hat bands, quick: to choose among simulated sources."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BAND_EDGES = {"r": (5650.0, 7150.0), "i": (6900.0, 8250.0)}
"""Angstrom."""

LIGHT_SPEED = 2.998e18
"""Angstrom per second, to the 0.00003 mag that choosing needs: a further digit is another sky."""


def top_hat_magnitude(flux_lambda: Array, wave: Array) -> Array:
    """AB magnitude of mean flux densities.

    flux_lambda: erg/s/cm2/Angstrom, (num_sources,); wave: the band's grid, Angstrom, (num_wave,)
    """
    return np.asarray(-2.5 * np.log10(flux_lambda * wave.mean() ** 2 / LIGHT_SPEED) - 48.6)
