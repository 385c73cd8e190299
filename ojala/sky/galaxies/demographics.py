"""How many galaxies there are, and how their properties go with mass and redshift.

Masses are stellar, log10 of solar masses, Chabrier IMF; rates in Msun/yr.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ojala.physics.cosmology import age, angular_scale

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

DENSER = 1.12
"""Density of the mean Universe over that of the local volume of the mass functions."""

MASS_RANGE = 6.5, 12.2


def number_density(quiescent: ArrayLike, z: ArrayLike, logm: ArrayLike) -> Floats:
    """Comoving density of galaxies per Mpc^3 and dex of stellar mass.

    Schechter functions of Baldry et al. (2012, Sec. 5) for red and blue galaxies at z = 0, raised
    by an eighth for the local underdensity (Driver et al. 2022); the red ones thin out with
    redshift, the massive ones least (Muzzin et al. 2013; Weaver et al. 2023).
    """
    z, logm = np.broadcast_arrays(np.asarray(z, float), np.asarray(logm, float))
    ratio = 10 ** (logm - 10.72 - 0.06 * z)
    thinning = 10 ** (-0.42 * z)
    red = thinning * (3.25e-3 * ratio**0.55 + 0.08e-3 * ratio**-0.45 * thinning)
    blue = 0.71e-3 * 10 ** (0.03 * z) * ratio**-0.45
    density = np.where(quiescent, red, blue)
    return np.asarray(DENSER * np.log(10) * density * np.exp(-ratio))


def main_sequence(z: ArrayLike, logm: ArrayLike) -> Floats:
    """log10 of the star-formation rate of a typical star-forming galaxy.

    Speagle et al. (2014, Eq. 28), bent down above 10^10.5 at late times and of slope 1 below 10^9.5
    (Whitaker et al. 2014). Its rise with redshift is slowed by up to 0.2 dex, so that the integral
    over the mass function is the cosmic star-formation history (see also Leja et al. 2022).
    """
    z, m = np.asarray(z, dtype=np.float64), np.asarray(logm, dtype=np.float64)
    t = age(z)
    slope = 0.84 - 0.026 * t
    line = slope * m - (6.51 - 0.11 * t) - np.clip(0.02 + 0.16 * z, None, 0.2)
    bend = np.clip(m - 10.5, 0.0, None) * np.clip(0.04 * (t - 3.0), 0.0, 0.35)
    steeper = np.clip(9.5 - m, 0.0, None) * (1.0 - slope)
    return np.asarray(line - bend - steeper)


def star_formation_rate(
    rng: np.random.Generator, quiescent: Flags, z: Floats, logm: Floats
) -> Floats:
    """log10 of the rate: main sequence with a starburst tail, or a quiescent remnant.

    Low-mass galaxies burst: their scatter grows from 0.22 to 0.3 dex, and a few in a hundred lie
    in an exponential tail that ends with extreme emission-line galaxies.

    quiescent, z, logm (dex of Msun): (num_sources,)
    """
    n = len(z)
    scatter = 0.22 + 0.08 / (1 + np.exp((logm - 9.0) / 0.3))
    tail = np.where(rng.random(n) < 0.04, np.clip(rng.exponential(0.4, n), 0.0, 1.4), 0.0)
    forming = main_sequence(z, logm) + scatter * rng.standard_normal(n) + tail
    valley = rng.random(n) < 0.15
    retired = logm - 12.0 + 0.45 * z + 0.4 * rng.standard_normal(n)
    between = logm - 11.1 + 0.45 * z + 0.35 * rng.standard_normal(n)
    return np.where(quiescent, np.where(valley, between, retired), forming)


def gas_metallicity(rng: np.random.Generator, logm: Floats, logsfr: Floats) -> Floats:
    """12 + log(O/H) by the fundamental relation of Curti et al. (2020, Eq. 5), 0.08 dex scatter."""
    turnover = 10.11 + 0.56 * np.clip(logsfr, -1.5, 2.5)
    relation = 8.779 - 0.31 / 2.1 * np.log10(1 + 10 ** (-2.1 * (logm - turnover)))
    return relation + 0.08 * rng.standard_normal(len(logm))


def halpha_attenuation(logm: ArrayLike) -> Floats:
    """Mean attenuation at H-alpha, mag (Garn & Best 2010, Eq. 6); holds to z about 1.5.

    logm, and the answer: any shape
    """
    x = np.clip(np.asarray(logm, dtype=np.float64) - 10.0, -2.5, 1.5)
    return np.clip(0.91 + 0.77 * x + 0.11 * x**2 - 0.09 * x**3, 0.05, None)


def half_light_radius(
    rng: np.random.Generator, quiescent: Flags, z: Floats, logm: Floats
) -> Floats:
    """Half-light radius in arcsec (van der Wel et al. 2014, Table 1)."""
    nodes = [0.25, 0.75, 1.25, 1.75]
    x = logm - np.log10(5e10)
    late = np.interp(z, nodes, [0.86, 0.78, 0.70, 0.65]) + 0.22 * x
    early = np.interp(z, nodes, [0.60, 0.42, 0.22, 0.09]) + 0.75 * np.clip(x, -0.4, None)
    early += 0.15 * np.clip(x + 0.4, None, 0.0)
    log_kpc = np.where(quiescent, early, late)
    log_kpc = log_kpc + np.where(quiescent, 0.12, 0.17) * rng.standard_normal(len(z))
    return np.asarray(10**log_kpc / angular_scale(z))


def sersic_index(rng: np.random.Generator, quiescent: Flags, logm: Floats) -> Floats:
    """Sersic index: about 1 for late types, rising with mass, about 4 for massive early ones.

    quiescent, logm (dex of Msun): (num_sources,)
    """
    late = 1.1 + 0.5 * np.clip(logm - 10.3, 0.0, None)
    early = 3.6 + 1.2 * np.clip(logm - 10.8, -1.5, 0.8)
    index = np.where(quiescent, early, late) * 10 ** (0.13 * rng.standard_normal(len(logm)))
    return np.clip(index, 0.5, 6.0)


def velocity_dispersion(rng: np.random.Generator, logm: Floats) -> Floats:
    """Stellar velocity dispersion, km/s (Zahid et al. 2016, Eq. 5), 0.08 dex scatter."""
    x = logm - 10.26
    relation = 2.073 + np.where(x < 0, 0.403, 0.293) * x
    return np.clip(10 ** (relation + 0.08 * rng.standard_normal(len(logm))), 15.0, 420.0)


def abundance_enhancement(rng: np.random.Generator, quiescent: Flags, vdisp: Floats) -> Floats:
    """Excess of CN, Mg, Na over solar mixture: 0 at 100 km/s, 1 at 250 (Conroy et al. 2014).

    Half as much in star-forming galaxies, whose younger stars dilute it.

    quiescent, vdisp (km/s): (num_sources,)
    """
    relation = 2.5 * np.log10(vdisp / 100.0) * np.where(quiescent, 1.0, 0.5)
    return np.clip(relation + 0.2 * rng.standard_normal(len(vdisp)), 0.0, 1.6)


def gas_dispersion(rng: np.random.Generator, logm: Floats) -> Floats:
    """Width of the narrow lines, km/s: rotation at random inclination, at least turbulence.

    logm: dex of Msun, (num_sources,)
    """
    rotation = 10 ** (2.14 + 0.29 * (logm - 10.0))
    inclined = np.sqrt(1 - rng.random(len(logm)) ** 2)
    return np.clip(np.hypot(0.5 * rotation * inclined, 25.0), 25.0, 350.0)
