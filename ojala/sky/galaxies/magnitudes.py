"""Magnitudes of many galaxies at once, from their populations, dust and lines.

Each band is cut into a few stretches; the light of every population in every stretch is tabulated
over redshift, and dust acts on a stretch at its mean wavelength. Agrees with the rendered spectra
to a hundredth of a magnitude, at a thousandth of the cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from speclite.filters import load_filter

from ojala.physics.cosmology import sphere_area
from ojala.sky.galaxies.dust import transmission
from ojala.sky.galaxies.starlight import glow_spectra, glows, stellar_masses
from ojala.sky.galaxies.templates import populations
from ojala.vocabulary.constants import AB_ZERO_FLUX, ANGSTROM_PER_SECOND
from ojala.vocabulary.emission_lines import rest_waves

Floats = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]

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


@dataclass(frozen=True, kw_only=True)
class BandTable:
    """Light of the populations in the stretches of one band.

    light: maggies times cm^2 per solar mass formed in each population, then per unit of each glow,
        (num_redshifts, num_stretches, num_populations + 2)
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
    norm = float((ANGSTROM_PER_SECOND * photons / fine**2).sum() * AB_ZERO_FLUX)
    share = (np.cumsum(photons) - 0.5 * photons) / photons.sum()
    stretch = np.minimum((share * NUM_STRETCHES).astype(int), NUM_STRETCHES - 1)
    member = (stretch == np.arange(NUM_STRETCHES)[:, None]) * photons
    stars = populations()
    shining = np.concatenate([stars.luminosity, glow_spectra()])
    light = np.empty((len(REDSHIFTS), NUM_STRETCHES, len(shining)))
    for row, z in enumerate(REDSHIFTS):
        rest = np.array([np.interp(fine / (1 + z), stars.wave, lum) for lum in shining])
        light[row] = member @ rest.T / (1 + z) / norm
    mean = (member * fine).sum(axis=1) / member.sum(axis=1)
    return BandTable(light=light, wave=mean, response_wave=fine, response=fine_response, norm=norm)


def magnitudes(bands: Sequence[str], truth: Columns) -> dict[str, Floats]:
    """AB magnitudes of the total light in ``bands``, from the truth of ``galaxies.draw``."""
    z = truth["z"]
    masses, glow = stellar_masses(truth), glows(truth)
    place = np.clip(z / (REDSHIFTS[1] - REDSHIFTS[0]), 0, len(REDSHIFTS) - 1.001)
    lower = place.astype(int)
    share = (place - lower)[:, None, None]
    per_area = 1 / sphere_area(z)
    result = {}
    for band in bands:
        table = band_table(band)
        light = table.light[lower] * (1 - share) + table.light[lower + 1] * share
        stars, bare = light[:, :, : masses.shape[1]], light[:, :, masses.shape[1] :]
        rest_wave = table.wave / (1 + z[:, None])
        through = transmission(rest_wave, truth["ebv_dust"][:, None], truth["dust_slope"][:, None])
        maggies = np.einsum("nsk,nk,ns->n", stars, masses, through)
        maggies += np.einsum("nsk,nk->n", bare, glow)
        maggies = maggies * per_area + _line_maggies(truth, table)
        result[band] = -2.5 * np.log10(np.maximum(maggies, 1e-30))
    return result


def _line_maggies(truth: Columns, table: BandTable) -> Floats:
    """What the narrow lines add to a band."""
    total = np.zeros(len(truth["z"]))
    for name, rest_wave in rest_waves().items():
        wave = rest_wave * (1 + truth["z"])
        step = table.response_wave[1] - table.response_wave[0]
        place = np.rint((wave - table.response_wave[0]) / step).astype(int)
        inside = (place >= 0) & (place < len(table.response))
        response = np.where(inside, table.response[np.where(inside, place, 0)], 0.0)
        total += 1e-17 * truth[f"{name}_FLUX"] * wave * response / table.norm
    return total
