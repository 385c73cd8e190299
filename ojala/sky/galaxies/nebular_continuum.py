"""The continuum of ionised hydrogen and helium: what makes the Balmer jump of young galaxies."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ojala.vocabulary.constants import ANGSTROM_PER_SECOND, LYMAN_ALPHA

Floats = NDArray[np.float64]

TEMPERATURE = 1.1e4
"""Kelvin."""

RYDBERG_WAVE = 911.76
"""Ionisation edge of hydrogen, Angstrom."""

IONISATION_KELVIN = 157_890.0
"""Ionisation energy of hydrogen over the Boltzmann constant."""

HBETA_EMISSIVITY = 1.14e-25
"""erg cm^3/s at TEMPERATURE, case B (Osterbrock & Ferland 2006, Table 4.4)."""

TWO_PHOTON_RATE = 0.78e-13
"""cm^3/s into 2s, case B at TEMPERATURE (the same, Table 4.11)."""

HELIUM = 1.09
"""Free-free and free-bound light of hydrogen with a tenth of singly ionised helium."""


def per_hbeta(wave: ArrayLike) -> Floats:
    """Nebular continuum per unit of H-beta luminosity, 1/Angstrom, at rest ``wave`` (Angstrom).

    Free-bound and free-free with the Kramers coefficients (Osterbrock & Ferland 2006, Sec. 4.3),
    two-photon decay of 2s (Nussbaumer & Schmutz 1984, Eq. 2), low density.

    wave, and the answer: (num_wave,)
    """
    wave = np.asarray(wave, dtype=np.float64)
    per_hertz = HELIUM * (_free_bound(wave) + _free_free(wave)) + _two_photon(wave)
    return np.asarray(per_hertz * ANGSTROM_PER_SECOND / wave**2 / HBETA_EMISSIVITY)


def _kelvin(wave: Floats) -> Floats:
    """Photon energy over the Boltzmann constant."""
    return IONISATION_KELVIN * RYDBERG_WAVE / wave


def _free_free(wave: Floats) -> Floats:
    """Free-free light in erg cm^3/s/Hz, Gaunt factor 1.2."""
    kramers = 6.84e-38 / np.sqrt(TEMPERATURE)
    return np.asarray(1.2 * kramers * np.exp(-_kelvin(wave) / TEMPERATURE))


def _free_bound(wave: Floats) -> Floats:
    """Recombinations to the second level and higher (those seen), erg cm^3/s/Hz."""
    total = np.zeros_like(wave)
    for level in range(2, 25):
        edge = IONISATION_KELVIN / level**2
        above = _kelvin(wave) >= edge
        strength = 2 * IONISATION_KELVIN / TEMPERATURE / level**3
        boltzmann = np.exp(-np.clip(_kelvin(wave) - edge, 0.0, None) / TEMPERATURE)
        total += np.where(above, strength * boltzmann, 0.0)
    return np.asarray(6.84e-38 / np.sqrt(TEMPERATURE) * total)


def _two_photon(wave: Floats) -> Floats:
    """Two-photon light redward of Lyman alpha, erg cm^3/s/Hz."""
    y = np.clip(LYMAN_ALPHA / wave, 0.0, 1.0)
    w = y * (1 - y)
    shape = 202.06 * (w * (1 - (4 * w) ** 0.8) + 0.88 * w**1.53 * (4 * w) ** 0.8)
    planck = 6.62607e-27
    return TWO_PHOTON_RATE * planck * y * shape / 8.2249
