"""Magnitudes of many galaxies at once, from their populations, dust and lines.

Each band is cut into a few stretches; the light of every population in every stretch is tabulated
over redshift, and dust acts on a stretch at its mean wavelength. Agrees with the rendered spectra
to a hundredth of a magnitude, at a thousandth of the cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from speclite.filters import load_filter

from ojala.cosmology import sphere_area
from ojala.sky.dust import transmission
from ojala.sky.galaxy_templates import population_masses, populations
from ojala.sky.lines import rest_waves

Floats = NDArray[np.float64]

RESPONSES = {
    "g": "decam2014-g",
    "r": "decam2014-r",
    "i": "sdss2010-i",
    "z": "decam2014-z",
    "W1": "wise2010-W1",
}
"""Bands of the selections: speclite's names."""

NUM_STRETCHES = 4
REDSHIFTS = np.linspace(0.0, 1.7, 341)

LIGHT_SPEED = 2.99792458e18
"""Angstrom per second."""

MAB_ZERO = 3.631e-20
"""f_nu of AB magnitude zero, erg/s/cm2/Hz."""


@dataclass(frozen=True, kw_only=True)
class BandTable:
    """Light of the populations in the stretches of one band.

    light: maggies times cm^2 per solar mass formed, (num_redshifts, num_stretches, num_populations)
    wave: mean observed wavelength of each stretch; response_wave, response: the curve
    norm: c INT R / wave dwave times the AB zero point, so that maggies = INT f R wave dwave / norm
    """

    light: Floats
    wave: Floats
    response_wave: Floats
    response: Floats
    norm: float


@cache
def band_table(band: str) -> BandTable:
    """The table of a band of ``RESPONSES``."""
    curve = load_filter(RESPONSES[band])
    wave, response = curve.wavelength.astype(np.float64), curve.response.astype(np.float64)
    fine = np.linspace(wave[0], wave[-1], 601)
    fine_response = np.interp(fine, wave, response)
    photons = fine * fine_response * (fine[1] - fine[0])
    norm = float((LIGHT_SPEED * photons / fine**2).sum() * MAB_ZERO)
    share = (np.cumsum(photons) - 0.5 * photons) / photons.sum()
    stretch = np.minimum((share * NUM_STRETCHES).astype(int), NUM_STRETCHES - 1)
    member = (stretch == np.arange(NUM_STRETCHES)[:, None]) * photons
    stars = populations()
    light = np.empty((len(REDSHIFTS), NUM_STRETCHES, len(stars.luminosity)))
    for row, z in enumerate(REDSHIFTS):
        rest = np.array([np.interp(fine / (1 + z), stars.wave, lum) for lum in stars.luminosity])
        light[row] = member @ rest.T / (1 + z) / norm
    mean = (member * fine).sum(axis=1) / member.sum(axis=1)
    return BandTable(light=light, wave=mean, response_wave=fine, response=fine_response, norm=norm)


def magnitudes(
    bands: list[str],
    z: Floats,
    formed: Floats,
    age_old: Floats,
    ebv: Floats,
    slope: Floats,
    line_fluxes: dict[str, Floats],
) -> dict[str, Floats]:
    """AB magnitudes in ``bands``, total light.

    formed: solar masses formed, (num_sources, 5); age_old: Gyr; ebv, slope: dust of the stars
    line_fluxes: observed, 1e-17 erg/s/cm2, by line name
    """
    masses = population_masses(formed, age_old)
    place = np.clip(z / (REDSHIFTS[1] - REDSHIFTS[0]), 0, len(REDSHIFTS) - 1.001)
    lower = place.astype(int)
    share = (place - lower)[:, None, None]
    area = sphere_area(z)
    result = {}
    for band in bands:
        table = band_table(band)
        light = table.light[lower] * (1 - share) + table.light[lower + 1] * share
        stretches = np.einsum("nsk,nk->ns", light, masses)
        through = transmission(table.wave / (1 + z[:, None]), ebv[:, None], slope[:, None])
        maggies = (stretches * through).sum(axis=1) / area
        for name, flux in line_fluxes.items():
            wave = rest_waves()[name] * (1 + z)
            response = np.interp(wave, table.response_wave, table.response, left=0, right=0)
            maggies += 1e-17 * flux * wave * response / table.norm
        result[band] = -2.5 * np.log10(np.maximum(maggies, 1e-30))
    return result
