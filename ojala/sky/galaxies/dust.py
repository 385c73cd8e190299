"""Attenuation of a galaxy's stars and gas by its own dust."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

PIVOT = 5500.0
"""Wavelength, Angstrom, about which the slope tilts a curve (V band)."""

BUMP_WAVE, BUMP_WIDTH = 2175.0, 350.0

STARS_OVER_GAS = 0.44
"""E(B-V) of the stellar continuum over that of the nebular lines (Calzetti et al. 2000)."""


def calzetti(wave: ArrayLike) -> NDArray[np.float64]:
    """Attenuation curve k = A / E(B-V) of starbursts, R_V = 4.05 (Calzetti et al. 2000, Eq. 4).

    wave: rest wavelength, Angstrom. Below 1200 Angstrom the curve goes on linearly in 1/wave;
    beyond 2.2 micron it falls as wave^-1.7, as the near-infrared laws do.
    """
    wave = np.asarray(wave, dtype=np.float64)
    inverse = 1e4 / np.clip(wave, 1200.0, 22000.0)
    blue = -2.156 + inverse * (1.509 + inverse * (-0.198 + inverse * 0.011))
    red = -1.857 + 1.040 * inverse
    inside = 2.659 * np.where(wave < 6300.0, blue, red) + 4.05
    below = np.clip(1e4 / wave - 1e4 / 1200.0, 0.0, None)
    infrared = np.where(wave > 22000.0, (wave / 22000.0) ** -1.7, 1.0)
    return np.asarray((inside + 1.6 * below) * infrared)


def attenuation_curve(wave: ArrayLike, slope: ArrayLike = 0.0) -> NDArray[np.float64]:
    """k(wave) tilted by (wave / 5500)^slope with the 2175 bump that goes with the slope.

    Steeper curves (negative slopes) have stronger bumps: Kriek & Conroy (2013), Eqs. 1 and 3,
    bump E_b = 0.85 - 1.9 slope in units of k. ``wave`` and ``slope`` broadcast.

    wave: Angstrom; any shapes, (num_sources, num_wave) with one slope a source say
    """
    wave = np.asarray(wave, dtype=np.float64)
    slope = np.asarray(slope, dtype=np.float64)
    bump = (wave * BUMP_WIDTH) ** 2 / ((wave**2 - BUMP_WAVE**2) ** 2 + (wave * BUMP_WIDTH) ** 2)
    strength = np.clip(0.85 - 1.9 * slope, 0.0, None)
    return np.asarray((calzetti(wave) + strength * bump) * (wave / PIVOT) ** slope)


def transmission(wave: ArrayLike, ebv: ArrayLike, slope: ArrayLike = 0.0) -> NDArray[np.float64]:
    """Share of the light that gets through: 10^(-0.4 E(B-V) k(wave)).

    ebv: E(B-V) of the continuum, mag; all arguments broadcast.

    wave: Angstrom; any shapes, (num_sources, num_wave) with one ebv a source say
    """
    return np.asarray(10 ** (-0.4 * np.asarray(ebv) * attenuation_curve(wave, slope)))


def cardelli(wave: ArrayLike) -> NDArray[np.float64]:
    """Extinction curve k = A / E(B-V) of the Milky Way, R_V = 3.1, for nebular lines.

    Cardelli, Clayton & Mathis (1989), Eqs. 2-4: infrared and optical, 3030 Angstrom and longer;
    below, the optical form is continued by the ultraviolet one without its far-UV rise.

    wave: Angstrom, any shape
    """
    x = 1e4 / np.asarray(wave, dtype=np.float64)
    y = np.clip(x, 1.1, 3.3) - 1.82
    a = np.polyval([0.32999, -0.77530, 0.01979, 0.72085, -0.02427, -0.50447, 0.17699, 1.0], y)
    b = np.polyval([-2.09002, 5.30260, -0.62251, -5.38434, 1.07233, 2.28305, 1.41338, 0.0], y)
    a = np.where(x < 1.1, 0.574 * x**1.61, a)
    b = np.where(x < 1.1, -0.527 * x**1.61, b)
    ultraviolet = np.clip(x, 3.3, 8.0)
    a = np.where(
        x > 3.3, 1.752 - 0.316 * ultraviolet - 0.104 / ((ultraviolet - 4.67) ** 2 + 0.341), a
    )
    b = np.where(
        x > 3.3, -3.090 + 1.825 * ultraviolet + 1.206 / ((ultraviolet - 4.62) ** 2 + 0.263), b
    )
    return np.asarray(3.1 * a + b)
