"""From mass, redshift and type to everything that the light of a galaxy follows from."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ojala.cosmology import age, sphere_area
from ojala.sky import demographics, emission
from ojala.sky.dust import STARS_OVER_GAS, cardelli, transmission
from ojala.sky.galaxy_fits import real_galaxies
from ojala.sky.galaxy_templates import POPULATIONS, population_masses, populations
from ojala.sky.lines import rest_waves

Floats = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]

RECENT = np.array([1.0, 0.4256, 0.0, 0.0, 0.0]) / 1e7
"""Mean rate over 10 Myr per mass formed, 1/yr: shares of the templates' own histories in 10 Myr."""

KNN = 12
RATE_SCALE, MASS_SCALE = 0.25, 0.4
"""Dex of specific rate and of mass that count as equally far from a real galaxy."""

LOWEST_RATE, HIGHEST_RATE = -12.6, -7.4
"""Range of log specific star-formation rate within which populations are scaled."""

SIDE_BANDS = {
    "OII_3727": ((3695.0, 3718.0), (3738.0, 3765.0)),
    "HBETA_4861": ((4790.0, 4838.0), (4888.0, 4935.0)),
    "OIII_5007": ((4978.0, 4995.0), (5025.0, 5075.0)),
    "HALPHA_6562": ((6480.0, 6535.0), (6610.0, 6660.0)),
    "NII_6584": ((6480.0, 6535.0), (6610.0, 6660.0)),
}
"""Rest wavelengths beside each measured line where the continuum is taken."""


def remaining(formed: Floats, age_old: Floats) -> Floats:
    """Stellar mass left of the masses formed, solar masses."""
    return np.asarray(population_masses(formed, age_old) @ populations().remaining)


@cache
def _donors() -> tuple[cKDTree, Floats, Floats, Floats]:
    """Real galaxies by specific rate and mass: tree, shares formed, E(B-V), log mass."""
    real = real_galaxies()
    mass = real.formed @ populations().remaining[[0, 1, 2, 3, 9]]
    rate = np.log10(np.maximum(real.formed @ RECENT / mass, 10**LOWEST_RATE))
    tree = cKDTree(np.column_stack([rate / RATE_SCALE, np.log10(mass) / MASS_SCALE]))
    return tree, real.formed / real.formed.sum(axis=1, keepdims=True), real.ebv, np.log10(mass)


def stellar_populations(
    rng: np.random.Generator, z: Floats, logm: Floats, logsfr: Floats
) -> tuple[Floats, Floats, Floats]:
    """Masses formed (num_sources, 5), age of the old population (Gyr) and E(B-V) of the stars.

    A real galaxy of like mass and specific rate lends its mixture and dust, with scatter; the
    young populations are scaled to the rate. Old stars were born about 2.6 Gyr after the Big Bang,
    earlier in massive galaxies.
    """
    num_sources = len(z)
    tree, shares, ebv, donor_logm = _donors()
    rate = np.clip(logsfr - logm, LOWEST_RATE, HIGHEST_RATE)
    _, near = tree.query(np.column_stack([rate / RATE_SCALE, logm / MASS_SCALE]), k=KNN)
    donor = near[np.arange(num_sources), rng.integers(0, KNN, num_sources)]
    mixture = shares[donor] * 10 ** (0.12 * rng.standard_normal((num_sources, len(POPULATIONS))))
    mixture += 1e-9 * np.array([0.3, 0.7, 1.0, 1.0, 1e6])
    elapsed = np.clip((age(z) - 2.6) / (age(0.1) - 2.6), 0.1, None)
    lasting = 6.0 * elapsed * 10 ** (0.1 * (logm - 10.8) + 0.1 * rng.standard_normal(num_sources))
    age_old = np.clip(lasting, 0.8, 12.0)
    young = mixture * (np.arange(len(POPULATIONS)) < 2)
    rest = remaining(mixture - young, age_old)
    wanted = 10**rate
    scale = wanted * rest / (young @ RECENT - wanted * remaining(young, age_old))
    mixture[:, :2] *= np.maximum(scale, 0.0)[:, None]
    formed = mixture * (10**logm / remaining(mixture, age_old))[:, None]
    dustier = (
        STARS_OVER_GAS
        / cardelli(6564.6)
        * (
            demographics.halpha_attenuation(logm)
            - demographics.halpha_attenuation(donor_logm[donor])
        )
    )
    spread = 10 ** (0.1 * rng.standard_normal(num_sources))
    return formed, age_old, np.clip((ebv[donor] + dustier) * spread, 0.0, 1.2)


def gas_reddening(rng: np.random.Generator, logm: Floats, ebv: Floats) -> Floats:
    """E(B-V) of the lines: half by the stars' dust, half by mass, with 0.12 dex of scatter."""
    typical = demographics.halpha_attenuation(logm) / cardelli(6564.6)
    mean = 0.5 * (ebv / STARS_OVER_GAS + typical)
    return np.clip(mean * 10 ** (0.12 * rng.standard_normal(len(logm))), 0.0, 2.0)


def continuum_at(truth: Columns, line: str) -> Floats:
    """Line-free continuum beside a line, observed, 1e-17 erg/s/cm2/Angstrom."""
    stars = populations()
    beside = np.zeros(len(stars.wave), dtype=bool)
    for low, high in SIDE_BANDS[line]:
        beside |= (stars.wave > low) & (stars.wave < high)
    masses = population_masses(formed_masses(truth), truth["age_old"])
    luminosity = masses @ stars.luminosity[:, beside].mean(axis=1)
    through = transmission(stars.wave[beside].mean(), truth["ebv_dust"], truth["dust_slope"])
    return np.asarray(luminosity * through / sphere_area(truth["z"]) / (1 + truth["z"]) * 1e17)


def formed_masses(truth: Columns) -> Floats:
    """Solar masses formed in each of ``POPULATIONS``, from their columns."""
    return np.column_stack([truth[f"formed_{name}"] for name in POPULATIONS])


def nuclei(rng: np.random.Generator, z: Floats, logm: Floats) -> tuple[Floats, Floats]:
    """log10 L([O III]) in erg/s of active nuclei, -inf where there is none, and their hardness.

    A quarter of massive galaxies (Kauffmann et al. 2003); luminous nuclei are Seyferts, faint ones
    LINERs.
    """
    num_sources = len(z)
    share = 0.28 * (1 + z) ** 0.5 / (1 + np.exp(-(logm - 10.5) / 0.25))
    luminosity = (
        39.8 + 0.6 * (logm - 10.8) + 1.5 * np.log10(1 + z) + 0.65 * rng.standard_normal(num_sources)
    )
    harder = (luminosity - 39.9 - 0.5 * (logm - 10.8)) / 0.25
    hardness = 1 / (1 + np.exp(-(harder + 0.6 * rng.standard_normal(num_sources))))
    return np.where(rng.random(num_sources) < share, luminosity, -np.inf), hardness


def line_luminosities(rng: np.random.Generator, truth: Columns) -> tuple[emission.Ratios, Floats]:
    """Luminosity (erg/s) of every line after dust, and the nuclear share of H-alpha.

    Three kinds of gas shine together: H II regions, a nucleus, and gas lit by old stars, whose
    H-alpha is about an Angstrom of equivalent width (Cid Fernandes et al. 2011).
    """
    z, logm = truth["z"], truth["LOGM"]
    num_sources = len(z)
    excess = truth["LOGSFR"] - demographics.main_sequence(0.0, logm)
    ionization = np.clip(0.12 * excess, -0.1, 0.3) + 0.13 * rng.standard_normal(num_sources)
    forming = emission.star_forming(truth["oh"], ionization)
    lyman = 10 ** (truth["LOGSFR"] + 0.1 * rng.standard_normal(num_sources))
    hbeta_young = lyman * emission.HALPHA_PER_SFR / forming["HALPHA_6562"]
    log_oiii, hardness = nuclei(rng, z, logm)
    nuclear = emission.active(hardness, 0.12 * rng.standard_normal(num_sources), truth["oh"])
    hbeta_nuclear = 10**log_oiii / nuclear["OIII_5007"]
    old = emission.active(
        np.zeros(num_sources), 0.12 * rng.standard_normal(num_sources), truth["oh"]
    )
    gas_rich = rng.random(num_sources) < 0.55
    width = np.where(gas_rich, 0.9, 0.15) * 10 ** (0.25 * rng.standard_normal(num_sources))
    per_flux = sphere_area(z) * (1 + z) * 1e-17
    reddened = 10 ** (0.4 * truth["ebv_gas"] * cardelli(6564.6))
    retired = width * continuum_at(truth, "HALPHA_6562") * per_flux
    hbeta_old = retired / old["HALPHA_6562"] * np.where(truth["quiescent"], reddened, 0.3)
    total = emission.mixed([(hbeta_young, forming), (hbeta_nuclear, nuclear), (hbeta_old, old)])
    share = hbeta_nuclear * nuclear["HALPHA_6562"] / total["HALPHA_6562"]
    for name in total:
        total[name] *= 10 ** (-0.4 * truth["ebv_gas"] * cardelli(rest_waves()[name]))
    return total, np.asarray(share)
