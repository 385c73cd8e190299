"""Stellar populations of galaxies: the templates of kcorrect, without lines and without dust.

The five templates are non-negative factors of Bruzual & Charlot (2003) populations fitted to SDSS,
GALEX and 2MASS galaxies (Blanton & Roweis 2007). The skypy package carries them with emission
lines and dust taken out. Dust and lines are put back by ``dust`` and ``lines``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.io import fits
from numpy.typing import NDArray

from ojala.sky.galaxies import infrared, nebular_continuum
from ojala.sky.galaxies.emission import BALMER, HALPHA_PER_SFR

Floats = NDArray[np.float64]

AGES_OLD = np.array([0.8, 1.3, 2.0, 3.0, 4.5, 6.5, 9.0, 12.0])
"""Ages (Gyr, equivalent to a single burst) at which the old population is tabulated."""

POPULATIONS = ("burst", "young", "poor", "rich", "old")
"""3.5 Myr, 5 solar; 2.5 Myr to 1 Gyr, sub-solar; 0.4-1 Gyr, mixed; 0.6-2 Gyr, metal-rich; old."""

TEMPLATE_OF = {"burst": 1, "young": 4, "poor": 2, "rich": 0, "old": 3}
"""Row of each population in the template files."""

LINE_FREE, WITH_LINES = 8, 4
"""Extensions without dust: unsmoothed without lines, and with lines (used in fits only)."""

WAVE, REMAIN, METALS = 11, 17, 18

AGE_RICH, AGE_OLD = 0.75, 6.0
"""Light-weighted ages, Gyr, of the templates between which the old population is interpolated."""

RECENT = np.array([1.0, 0.4256, 0.0, 0.0, 0.0]) / 1e7
"""Star-formation rate, mean of 10 Myr, per mass formed in each of ``POPULATIONS``, 1/yr: the shares
of the templates' own histories that are younger than 10 Myr."""

REST_RANGE = (900.0, 62000.0)
"""Rest wavelengths kept, Angstrom: observed 2500 at z 1.7, and W2 at z 0."""


@dataclass(frozen=True, kw_only=True)
class Populations:
    """Spectra of stellar populations per unit of stellar mass ever formed.

    wave: rest wavelength, Angstrom, vacuum, even in log; shape (num_wave,)
    luminosity: erg/s/Angstrom per solar mass formed, no dust; shape (num_populations, num_wave).
        Young ones come with the continuum of the gas that they ionise.
    remaining: share of the mass formed that is left in stars and remnants
    metallicity: mass fraction of metals of the stars (0.02 is solar)
    The first rows are ``POPULATIONS`` without "old", the others "old" at ``AGES_OLD``.
    """

    wave: Floats
    luminosity: Floats
    remaining: Floats
    metallicity: Floats


def package_file(package: str, name: str) -> Path:
    """Path of a file that an installed distribution carries, found without importing it.

    Raises ValueError where the distribution does not hold it.
    """
    for path in distribution(package).files or []:
        if path.name == name:
            return Path(str(path.locate()))
    raise ValueError(
        f"package {package} holds no file {name}: expected it for the galaxy templates"
    )


@cache
def populations(extension: int = LINE_FREE) -> Populations:
    """The populations, from the skypy package's derived templates."""
    path = package_file("skypy", "k_nmf_derived.default.fits")
    with fits.open(path) as hdus:
        wave = hdus[WAVE].data.astype(np.float64)
        kept = (wave > REST_RANGE[0]) & (wave < REST_RANGE[1])
        flux = hdus[extension].data[:, kept].astype(np.float64)
        remaining = hdus[REMAIN].data.astype(np.float64)
        metals = hdus[METALS].data.astype(np.float64)
    ten_parsec_sphere = 4 * np.pi * (10 * u.pc).to_value(u.cm) ** 2
    luminosity = np.clip(flux, 1e-12 * flux.max(axis=1, keepdims=True), None) * ten_parsec_sphere
    luminosity = infrared.stellar_tail(wave[kept], luminosity)
    luminosity[[TEMPLATE_OF[name] for name in POPULATIONS]] += np.outer(
        RECENT * HALPHA_PER_SFR / BALMER["HALPHA_6562"], nebular_continuum.per_hbeta(wave[kept])
    )
    return Populations(
        wave=wave[kept],
        luminosity=_with_old_ages(luminosity),
        remaining=_with_old_ages(remaining[:, None])[:, 0],
        metallicity=_with_old_ages(metals[:, None])[:, 0],
    )


def _with_old_ages(values: Floats) -> Floats:
    """Rows of ``POPULATIONS``, the old one at each age of ``AGES_OLD``.

    Spectra of a burst change nearly linearly in log flux with log age between 0.7 and 12 Gyr,
    so that the two metal-rich templates give every age between (and a little beyond) them.
    """
    young = [values[TEMPLATE_OF[name]] for name in POPULATIONS[:-1]]
    rich, old = (np.log(values[TEMPLATE_OF[name]]) for name in ("rich", "old"))
    share = np.log(AGES_OLD / AGE_RICH) / np.log(AGE_OLD / AGE_RICH)
    aged = np.exp(rich + share[:, None] * (old - rich))
    return np.concatenate([np.stack(young), aged])


def population_masses(formed: Floats, age_old: Floats) -> Floats:
    """Mass formed in each row of ``populations()``: the old one shared between two ages.

    formed: (num_sources, 5) in the order of ``POPULATIONS``; age_old: Gyr, (num_sources,)
    """
    num_young = len(POPULATIONS) - 1
    masses = np.zeros((len(formed), num_young + len(AGES_OLD)))
    masses[:, :num_young] = formed[:, :num_young]
    place = np.interp(np.log(age_old), np.log(AGES_OLD), np.arange(len(AGES_OLD)))
    lower = np.minimum(place.astype(int), len(AGES_OLD) - 2)
    rows = np.arange(len(formed))
    masses[rows, num_young + lower] = formed[:, -1] * (1 - (place - lower))
    masses[rows, num_young + lower + 1] = formed[:, -1] * (place - lower)
    return masses
