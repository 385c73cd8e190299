"""Galaxies beyond two microns: the tail of starlight, dust heated by young stars, and tori."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

ANCHOR = (20500.0, 22800.0)
"""Rest wavelengths, Angstrom, whose mean light the stellar tail continues."""

BREAK = 34000.0
SLOPES = (-3.55, -3.93)
"""Slopes of log f_lambda below and above BREAK: K - W1 = 0.1 and W1 - W2 = -0.03 (Vega), as early
types at low redshift have (Jarrett et al. 2013); the models' own features there are too strong."""

SOLAR_LUMINOSITY = 3.828e33
"""erg/s."""

DUST_PER_SFR = 2.0e8 * SOLAR_LUMINOSITY
"""erg/s of wave * L_wave at 3.6 micron per Msun/yr that is not starlight: 6 % of the 8 micron
emission (Helou et al. 2004) at its calibration with star formation (Calzetti et al. 2007)."""


def stellar_tail(wave: Floats, luminosity: Floats) -> Floats:
    """Replace stellar spectra beyond ``ANCHOR`` by a broken power law.

    wave: rest, Angstrom, (num_wave,); luminosity: per Angstrom, (num_populations, num_wave)
    """
    low, high = ANCHOR
    anchor = (wave > low) & (wave < high)
    start = float(np.sqrt(low * high))
    level = luminosity[:, anchor].mean(axis=1)
    tail = np.where(
        wave < BREAK,
        (wave / start) ** SLOPES[0],
        (BREAK / start) ** SLOPES[0] * (wave / BREAK) ** SLOPES[1],
    )
    return np.where(wave > high, level[:, None] * tail, luminosity)


def warm_dust(wave: ArrayLike) -> Floats:
    """Light of dust at star formation, erg/s/Angstrom per Msun/yr that is obscured.

    The aromatic band at 3.3 micron (Drude profile) over a rising continuum of small grains.

    wave: Angstrom, any shape
    """
    wave = np.asarray(wave, dtype=np.float64)
    micron = wave / 1e4
    grains = 0.7 * (micron / 3.6) ** -0.5 * np.exp(-((2.0 / micron) ** 3) + (2.0 / 3.6) ** 3)
    band = 0.9 * 0.02**2 / ((micron / 3.29 - 3.29 / micron) ** 2 + 0.02**2)
    return np.asarray(DUST_PER_SFR * (grains + band) / 36000.0)


def torus(wave: ArrayLike) -> Floats:
    """Light of a nuclear torus per unit of wave * L_wave at 4.6 micron, 1/Angstrom.

    f_nu rises as wave^1.3 beyond the sublimation of dust at a micron (Assef et al. 2010).

    wave: Angstrom, any shape
    """
    wave = np.asarray(wave, dtype=np.float64)
    micron = wave / 1e4
    rise = (micron / 4.6) ** -0.7 * np.exp(-((1.3 / micron) ** 3) + (1.3 / 4.6) ** 3)
    return np.asarray(rise / 46000.0)
