"""The line-free light of galaxies: stars behind dust, warm dust and tori."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ojala.physics.cosmology import sphere_area
from ojala.sky.galaxies import infrared
from ojala.sky.galaxies.dust import attenuation_curve, transmission
from ojala.sky.galaxies.templates import POPULATIONS, population_masses, populations

Floats = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]

SIDE_BANDS = {
    "OII_3727": ((3695.0, 3718.0), (3738.0, 3765.0)),
    "HBETA_4861": ((4790.0, 4838.0), (4888.0, 4935.0)),
    "OIII_5007": ((4978.0, 4995.0), (5025.0, 5075.0)),
    "HALPHA_6562": ((6480.0, 6535.0), (6610.0, 6660.0)),
    "NII_6584": ((6480.0, 6535.0), (6610.0, 6660.0)),
}
"""Rest wavelengths beside each measured line where the continuum is taken."""


ENHANCED = ((3860.0, 25.0, 0.05), (4175.0, 35.0, 0.06), (5130.0, 60.0, 0.03), (5894.0, 14.0, 0.14))
"""Centre, sigma (Angstrom) and depth of CN, CN, Mg H + Mg b and Na D that massive early types show
beyond populations of solar mixture (Conroy et al. 2014; seen in stacks of DESI LRGs as well)."""


@cache
def abundance_features() -> Floats:
    """Absorption of ``ENHANCED`` at unit enhancement, on the stars' grid."""
    wave = populations().wave
    features = np.zeros(len(wave))
    for centre, width, depth in ENHANCED:
        features += depth * np.exp(-0.5 * ((wave - centre) / width) ** 2)
    return features


def stellar_masses(truth: Columns) -> Floats:
    """Solar masses formed in each row of ``populations()``, (num_sources, num_populations)."""
    formed = np.column_stack([truth[f"formed_{name}"] for name in POPULATIONS])
    return population_masses(formed, truth["age_old"])


@cache
def glow_spectra() -> Floats:
    """Warm dust (erg/s/Angstrom per obscured Msun/yr) and torus (per erg/s), on the stars' grid."""
    wave = populations().wave
    return np.stack([infrared.warm_dust(wave), infrared.torus(wave)])


def glows(truth: Columns) -> Floats:
    """Obscured star-formation rate (Msun/yr) and torus luminosity (erg/s), (num_sources, 2)."""
    return np.column_stack([truth["obscured_sfr"], truth["torus"]])


def continuum(truth: Columns, wave: ArrayLike) -> NDArray[np.float32]:
    """Observed spectra without lines, 1e-17 erg/s/cm2/Angstrom, (num_sources, num_wave).

    wave: observed, Angstrom, increasing
    """
    wave = np.asarray(wave, dtype=np.float64)
    stars = populations()
    z = truth["z"]
    needed = (stars.wave > wave[0] / (1 + z.max()) * 0.99) & (
        stars.wave < wave[-1] / (1 + z.min()) * 1.01
    )
    rest_wave = stars.wave[needed]
    scale = (1e17 / sphere_area(z) / (1 + z))[:, None]
    rest = _combined(stellar_masses(truth) * scale, stars.luminosity[:, needed])
    curve = attenuation_curve(rest_wave, truth["dust_slope"][:, None])
    rest *= np.exp(-0.4 * np.log(10) * truth["ebv_dust"][:, None] * curve)
    rest *= 1 - truth["enhancement"][:, None] * abundance_features()[needed]
    rest += _combined(glows(truth) * scale, glow_spectra()[:, needed])
    spectra = np.empty((len(z), len(wave)), dtype=np.float32)
    log_rest, log_wave = np.log(rest_wave), np.log(wave)
    for row, shift in enumerate(np.log1p(z)):
        spectra[row] = np.interp(log_wave, log_rest + shift, rest[row])
    return spectra


def _combined(weights: Floats, spectra: Floats) -> Floats:
    """Weighted sums of spectra, the same to the bit in blocks of any size (unlike a product)."""
    total = np.zeros((len(weights), spectra.shape[1]))
    for weight, spectrum in zip(weights.T, spectra, strict=True):
        if np.any(weight):
            total += weight[:, None] * spectrum
    return total


def continuum_at(truth: Columns, line: str) -> Floats:
    """Line-free continuum beside a line of ``SIDE_BANDS``, observed, 1e-17 erg/s/cm2/Angstrom."""
    stars = populations()
    beside = np.zeros(len(stars.wave), dtype=bool)
    for low, high in SIDE_BANDS[line]:
        beside |= (stars.wave > low) & (stars.wave < high)
    luminosity = stellar_masses(truth) @ stars.luminosity[:, beside].mean(axis=1)
    through = transmission(stars.wave[beside].mean(), truth["ebv_dust"], truth["dust_slope"])
    return np.asarray(luminosity * through / sphere_area(truth["z"]) / (1 + truth["z"]) * 1e17)
