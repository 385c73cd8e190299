"""White dwarfs: black bodies with pressure-broadened Balmer (DA) or helium (DB) lines.

No package holds white-dwarf atmospheres, so these are approximations: equivalent widths follow
the DA sequence, strongest near 13,000 K, at log g = 8.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ojala.sky.atmospheres import WAVE

Array = NDArray[np.float64]

STEFAN_BOLTZMANN = 5.6704e-5
"""erg/s/cm2/K4."""

BALMER = ((6564.6, 40.0, 28.0), (4862.7, 52.0, 42.0), (4341.7, 50.0, 45.0), (4102.9, 42.0, 44.0))
"""Wavelength, greatest equivalent width and half width at that strength, all Angstrom."""

HIGHER_BALMER = ((3971.2, 30.0, 40.0), (3890.2, 18.0, 35.0), (3836.5, 9.0, 30.0))

HELIUM = ((4472.7, 25.0, 25.0), (4027.3, 18.0, 22.0), (4922.0, 10.0, 18.0), (5877.3, 15.0, 20.0))


def surface_flux(teff: Array, logg: Array, helium: NDArray[np.bool_]) -> NDArray[np.float32]:
    """log10 of lambda F_lambda at the surface (erg/s/cm2) on WAVE, (num_stars, len(WAVE)).

    helium: True for the atmospheres that show helium in place of hydrogen
    """
    wave = WAVE * 1e-8
    exponent = np.minimum(1.4388 / (wave * teff[:, None]), 600.0)
    planck = 3.7418e-5 * wave**-4.0 / np.expm1(exponent)
    depth = np.where(
        helium[:, None],
        _lines(teff, logg, HELIUM, hottest=25_000.0, width=0.25),
        _lines(teff, logg, BALMER + HIGHER_BALMER, hottest=13_000.0, width=0.40),
    )
    return np.log10(planck * np.exp(-depth)).astype(np.float32)


def _lines(
    teff: Array,
    logg: Array,
    lines: tuple[tuple[float, float, float], ...],
    *,
    hottest: float,
    width: float,
) -> Array:
    """Optical depth of Lorentzian lines whose strength is log-normal in Teff."""
    strength = np.exp(-0.5 * (np.log(teff / hottest) / width) ** 2)[:, None]
    depth = np.zeros((len(teff), len(WAVE)))
    for wave, greatest, half_width in lines:
        broad = half_width * 10 ** (0.25 * (logg[:, None] - 8)) * (0.4 + 0.6 * strength)
        peak = strength * greatest / (np.pi * half_width) * 1.6
        depth += peak / (1 + ((WAVE - wave) / broad) ** 2)
    return depth
