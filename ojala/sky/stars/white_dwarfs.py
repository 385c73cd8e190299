"""White dwarfs, for which no package holds atmospheres: an approximation.

DA: the geometric mean of a black body and a Kurucz model without metals at log g = 5 (a Balmer jump
muted by pressure), with pressure-broadened Balmer lines on top. DB and DC: a black body, with
neutral helium while it is hot. Colours agree with the DA sequence of Holberg & Bergeron (2006)
within 0.07 mag in g-r.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ojala.sky.stars.atmospheres import WAVE, atmospheres
from ojala.vocabulary.emission_lines import near_wave

Array = NDArray[np.float64]

HYDROGEN_SHARE = 0.7
"""Weight of the Kurucz model in the mean of logarithms."""

BALMER = (
    (near_wave("HALPHA_6562"), 32.0, 28.0),
    (near_wave("HBETA_4861"), 42.0, 42.0),
    (near_wave("HGAMMA_4340"), 40.0, 45.0),
    (near_wave("HDELTA_4101"), 32.0, 42.0),
    (near_wave("HEPSILON_3970"), 20.0, 36.0),
    (near_wave("H8_3889"), 10.0, 30.0),
)
"""Wavelength, greatest equivalent width on top of the model's and half width there, Angstrom."""

HELIUM = ((4472.7, 25.0, 25.0), (4027.3, 18.0, 22.0), (4922.0, 10.0, 18.0), (5877.3, 15.0, 20.0))
"""The same for neutral helium."""


def surface_flux(teff: Array, logg: Array, helium: NDArray[np.bool_]) -> NDArray[np.float32]:
    """log10 of lambda F_lambda at the surface (erg/s/cm2) on WAVE, (num_stars, len(WAVE)).

    teff: K, up to 50,000; logg: log10 of cm/s2; helium: True for atmospheres without hydrogen
    All three: (num_stars,).
    """
    log_flux = np.where(helium[:, None], _black_body(teff), _hydrogen(teff))
    strong = np.where(teff < 13_000.0, np.log(teff / 13_000.0) / 0.35, np.log(teff / 13_000) / 0.65)
    hydrogen = _line_depth(np.exp(-0.5 * strong**2), logg, BALMER)
    strong = np.log(teff / 25_000.0) / 0.25
    depth = np.where(helium[:, None], _line_depth(np.exp(-0.5 * strong**2), logg, HELIUM), hydrogen)
    return np.asarray(log_flux - depth / np.log(10), dtype=np.float32)


def _black_body(teff: Array) -> Array:
    """log10 of pi lambda B_lambda (erg/s/cm2)."""
    wave = WAVE * 1e-8
    exponent = np.minimum(1.4388 / (wave * teff[:, None]), 600.0)
    return np.asarray(np.log10(3.7418e-5 * wave**-4.0 / np.expm1(exponent)))


def _hydrogen(teff: Array) -> Array:
    grid, same = atmospheres("kurucz"), np.ones(len(teff))
    model = grid.weights(teff, 5.0 * same, -5.0 * same, 0.0 * same) @ grid.log_flux
    return np.asarray(HYDROGEN_SHARE * model + (1 - HYDROGEN_SHARE) * _black_body(teff))


def _line_depth(
    strength: Array, logg: Array, lines: tuple[tuple[float, float, float], ...]
) -> Array:
    """Optical depth of Lorentzian lines, (num_stars, len(WAVE)); strength: 0 to 1, per star."""
    depth = np.zeros((len(strength), len(WAVE)))
    for wave, greatest, half_width in lines:
        broad = half_width * 10 ** (0.25 * (logg - 8)) * (0.4 + 0.6 * strength)
        peak = 1.6 * strength * greatest / (np.pi * half_width)
        depth += peak[:, None] / (1 + ((WAVE - wave) / broad[:, None]) ** 2)
    return depth
