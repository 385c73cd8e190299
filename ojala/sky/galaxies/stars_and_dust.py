"""Stars and dust of galaxies of given mass, redshift and star-formation rate."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ojala.physics.cosmology import age
from ojala.sky.galaxies import demographics
from ojala.sky.galaxies.dust import STARS_OVER_GAS, cardelli
from ojala.sky.galaxies.fits_of_real_ones import real_galaxies
from ojala.sky.galaxies.templates import (
    AGES_OLD,
    POPULATIONS,
    RECENT,
    population_masses,
    populations,
)
from ojala.vocabulary.emission_lines import near_wave

Floats = NDArray[np.float64]

KNN = 12
RATE_SCALE, MASS_SCALE = 0.25, 0.4
"""Dex of specific rate and of mass that count as equally far from a real galaxy."""

DISTANT_RATE = -9.7
"""log specific rate above which local galaxies are too few to lend their mixtures."""

LOWEST_RATE, HIGHEST_RATE = -13.2, -7.4
"""Range of log specific star-formation rate within which populations are scaled."""


def remaining(formed: Floats, age_old: Floats) -> Floats:
    """Stellar mass left of the masses formed, solar masses.

    formed: (num_sources, num_populations); age_old: Gyr, (num_sources,)
    """
    return np.asarray(population_masses(formed, age_old) @ populations().remaining)


@cache
def _donors() -> tuple[cKDTree, Floats, Floats]:
    """Real galaxies by specific rate and mass: tree, shares formed, E(B-V)."""
    real = real_galaxies()
    mass = remaining(real.formed, np.full(len(real.z), 6.0))
    rate = np.log10(np.maximum(real.formed @ RECENT / mass, 10**LOWEST_RATE))
    tree = cKDTree(np.column_stack([rate / RATE_SCALE, np.log10(mass) / MASS_SCALE]))
    return tree, real.formed / real.formed.sum(axis=1, keepdims=True), real.ebv


def stars_and_dust(
    rng: np.random.Generator, z: Floats, logm: Floats, logsfr: Floats
) -> tuple[Floats, Floats, Floats]:
    """Masses formed (num_sources, 5), age of the old population (Gyr) and E(B-V) of the stars.

    A real galaxy of like mass and specific rate lends its mixture and dust, with scatter. At rates
    that are rare today the mixture follows from the rate, and dust from mass.
    """
    num_sources = len(z)
    tree, shares, ebv = _donors()
    rate = logsfr - logm
    _, near = tree.query(np.column_stack([rate / RATE_SCALE, logm / MASS_SCALE]), k=KNN)
    donor = near[np.arange(num_sources), rng.integers(0, KNN, num_sources)]
    distant = 1 / (1 + np.exp(-(rate - DISTANT_RATE) / 0.12))
    mixture = shares[donor] * 10 ** (0.12 * rng.standard_normal((num_sources, len(POPULATIONS))))
    mixture = _rejuvenated(rng, mixture, rate, distant)
    typical = (
        demographics.halpha_attenuation(logm) / cardelli(near_wave("HALPHA_6562")) * STARS_OVER_GAS
    )
    above = rate + logm - demographics.main_sequence(z, logm)
    typical *= 10 ** (0.25 * np.clip(above, -1.0, 1.5) + 0.2 * rng.standard_normal(num_sources))
    reddening = (1 - distant) * ebv[donor] * 10 ** (0.1 * rng.standard_normal(num_sources))
    age_old = old_age(rng, z, logm)
    formed = _scaled(mixture, age_old, logm, rate)
    return formed, age_old, np.clip(reddening + distant * typical, 0.0, 1.2)


def old_age(rng: np.random.Generator, z: Floats, logm: Floats) -> Floats:
    """Age of the old population, Gyr: born 2.6 Gyr after the Big Bang, earlier if massive.

    Scaled so that local galaxies have the age of the template that fits them.

    z, logm (dex of Msun): (num_sources,)
    """
    elapsed = np.clip((age(z) - 2.6) / (age(0.1) - 2.6), 0.1, None)
    spread = 10 ** (0.1 * (logm - 10.8) + 0.1 * rng.standard_normal(len(z)))
    return np.clip(6.0 * elapsed * spread, AGES_OLD[0], AGES_OLD[-1])


def _rejuvenated(
    rng: np.random.Generator, mixture: Floats, rate: Floats, distant: Floats
) -> Floats:
    """Mixtures whose stars of the last Gyr are what the specific rate makes in that time."""
    num_sources = len(rate)
    last_gyr = 10 ** (rate + 9.0 + 0.15 * rng.standard_normal(num_sources))
    share = 1 - np.exp(-1.8 * last_gyr)
    rich = 0.6 * rng.beta(1.0, 2.0, num_sources)
    made = np.zeros_like(mixture)
    made[:, 2] = share * (1 - rich)
    made[:, 3] = share * rich
    made[:, 4] = 1 - share
    blend = mixture * (1 - distant[:, None]) + made * distant[:, None]
    bursting = rng.beta(0.8, 0.8, num_sources)
    youngest = mixture[:, :2] + 1e-9 * np.array([0.3, 0.7])
    youngest /= youngest.sum(axis=1, keepdims=True)
    blend[:, 0] = youngest[:, 0] * (1 - distant) + bursting * distant
    blend[:, 1] = 1 - blend[:, 0]
    blend[:, :2] *= 1e-6
    blend[:, 4] += 1e-3
    return blend


def _scaled(mixture: Floats, age_old: Floats, logm: Floats, rate: Floats) -> Floats:
    """Masses formed: young populations scaled to the specific rate, all to the mass."""
    young = mixture * (np.arange(len(POPULATIONS)) < 2)
    rest = remaining(mixture - young, age_old)
    wanted = 10**rate
    scale = wanted * rest / (young @ RECENT - wanted * remaining(young, age_old))
    scaled = mixture - young + young * scale[:, None]
    return np.asarray(scaled * (10**logm / remaining(scaled, age_old))[:, None])
