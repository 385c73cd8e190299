"""How many quasars there are: the luminosity function of eBOSS.

Palanque-Delabrouille et al. 2016 (A&A 587, A41), model PLE + LEDE: a double power law in
M_g(z=2), the absolute g magnitude of the spectrum seen at redshift 2. Fitted over 0.68 < z < 4,
extrapolated outside.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from ojala.physics.cosmology import COSMOLOGY
from ojala.vocabulary.constants import SQUARE_DEGREE

Array = NDArray[np.float64]

Z_RANGE = (0.05, 5.0)


def luminosity_function(magnitude: Array, z: Array) -> Array:
    """Quasars per comoving Mpc^3 and magnitude M_g(z=2).

    magnitude, z: any shapes that broadcast, (num_z, num_magnitudes) say
    """
    pivot = 2.2
    late, early = np.minimum(z, pivot), np.maximum(z - pivot, 0)
    knee = -22.25 - 2.5 * (1.59 * late - 0.36 * late**2) - 0.14 * early
    density = 10 ** (-5.93 - 0.46 * early - 0.06 * early**2)
    bright, faint = -3.89 + 0.32 * early, -1.47
    x = 0.4 * (magnitude - knee)
    return np.asarray(density / (10 ** ((bright + 1) * x) + 10 ** ((faint + 1) * x)))


def distance_modulus(z: Array) -> Array:
    """Distance modulus, mag.

    z, and the answer: (num_z,)
    """
    return np.asarray(COSMOLOGY.distmod(z).value)


def faintest(z: Array, limit: float) -> Array:
    """M_g(z=2) of a power law alpha_nu = -0.5 that has magnitude ``limit``.

    z, and the answer: (num_z,)
    """
    return np.asarray(limit - distance_modulus(z) + 1.25 * np.log10((1 + z) / 3))


@cache
def _cells(limit: float) -> tuple[Array, Array, Array]:
    """Redshifts, magnitudes (num_z, num_m) and quasars per deg^2 in each cell."""
    z = np.linspace(*Z_RANGE, 496)
    low = np.full(len(z), -31.0)
    high = np.minimum(faintest(z, limit), -20.0)
    magnitude = low[:, None] + (high - low)[:, None] * (np.arange(220) + 0.5) / 220
    volume = COSMOLOGY.differential_comoving_volume(z).value * SQUARE_DEGREE * (z[1] - z[0])
    cell = (high - low) / 220 * volume
    return z, magnitude, luminosity_function(magnitude, z[:, None]) * cell[:, None]


def density(limit: float) -> float:
    """Quasars per deg^2 brighter than about ``limit``."""
    return float(_cells(limit)[2].sum())


def draw_redshifts(rng: np.random.Generator, num: int, limit: float) -> tuple[Array, Array]:
    """Redshifts and M_g(z=2) from the luminosity function, brighter than about ``limit``."""
    z, magnitude, number = _cells(limit)
    cumulative = np.cumsum(number.ravel())
    cell = np.searchsorted(cumulative, rng.random(num) * cumulative[-1])
    row, column = np.unravel_index(np.minimum(cell, number.size - 1), number.shape)
    step_z, step_m = z[1] - z[0], magnitude[:, 1] - magnitude[:, 0]
    drawn_z = np.clip(z[row] + step_z * (rng.random(num) - 0.5), *Z_RANGE)
    return drawn_z, magnitude[row, column] + step_m[row] * (rng.random(num) - 0.5)
