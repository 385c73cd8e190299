"""Where stars are in Teff, log g and luminosity: analytic loci in place of isochrones.

Main sequence: mean dwarfs of Pecaut & Mamajek (2013), hotter when metal-poor; lifetimes
t = 10 Gyr m^-3 10^(0.14 [Fe/H]); giants on a ridge line that is hotter when metal-poor.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SUN_TEFF, SUN_LOGG = 5772.0, 4.438

DWARFS = np.array(
    [  # mass (Msun), Teff (K), log L (Lsun)
        (0.080, 2400.0, -3.45),
        (0.090, 2650.0, -3.10),
        (0.102, 2810.0, -2.95),
        (0.162, 3060.0, -2.52),
        (0.23, 3200.0, -2.16),
        (0.37, 3410.0, -1.78),
        (0.44, 3550.0, -1.55),
        (0.50, 3680.0, -1.39),
        (0.57, 3850.0, -1.16),
        (0.63, 4070.0, -1.00),
        (0.70, 4440.0, -0.76),
        (0.73, 4620.0, -0.66),
        (0.78, 4840.0, -0.54),
        (0.82, 5050.0, -0.44),
        (0.87, 5280.0, -0.33),
        (0.94, 5500.0, -0.17),
        (0.98, 5660.0, -0.06),
        (1.02, 5770.0, 0.01),
        (1.06, 5920.0, 0.13),
        (1.18, 6200.0, 0.30),
        (1.33, 6520.0, 0.54),
        (1.44, 6820.0, 0.70),
        (1.60, 7210.0, 0.86),
        (1.88, 8080.0, 1.09),
        (2.30, 9700.0, 1.56),
        (3.40, 12500.0, 2.20),
    ]
)

GIANTS = np.array(
    [  # log g, Teff (K) at [Fe/H] = 0
        (0.0, 3500.0),
        (0.5, 3780.0),
        (1.0, 4030.0),
        (1.5, 4280.0),
        (2.0, 4500.0),
        (2.5, 4700.0),
        (3.0, 4850.0),
        (3.5, 5000.0),
    ]
)


def lifetime(mass: Array, feh: Array) -> Array:
    """Time on the main sequence, Gyr. mass: Msun; feh: dex.

    All (num_stars,).
    """
    return np.asarray(10.0 * mass**-3.0 * 10 ** (0.14 * np.maximum(feh, -2.5)))


def turnoff_mass(age: Array, feh: Array) -> Array:
    """Mass (Msun) of the stars that leave the main sequence at ``age`` (Gyr).

    feh: dex; all (num_stars,)
    """
    return np.asarray((age / 10.0 * 10 ** (-0.14 * np.maximum(feh, -2.5))) ** (-1 / 3.0))


def dwarf(mass: Array, feh: Array, age: Array) -> tuple[Array, Array]:
    """Teff (K) and log L (Lsun) on the main sequence.

    A metal-poor star is like one of solar metallicity with 10^(-0.075 [Fe/H]) times its mass and
    0.03 dex per dex hotter; a star brightens by 0.45 dex before it leaves.

    mass: Msun; feh: dex; age: Gyr; all (num_stars,)
    """
    metals = np.clip(feh, -2.2, 0.4)
    like = np.log(mass * 10 ** (-0.075 * metals))
    log_mass = np.log(DWARFS[:, 0])
    spent = np.clip(age / lifetime(mass, feh), 0, 1)
    log_l = np.interp(like, log_mass, DWARFS[:, 2]) + 0.45 * spent**2 - 0.10
    log_t = np.interp(like, log_mass, np.log10(DWARFS[:, 1])) - 0.03 * metals
    return 10 ** (log_t + 0.012 * spent * (1 - spent)), log_l


def giant_teff(logg: Array, feh: Array) -> Array:
    """Teff (K) of the giant branch: 260 K hotter per dex of metal poverty, down to -2.3.

    logg: log10 of cm/s2; feh: dex; all (num_stars,)
    """
    solar = np.interp(logg, GIANTS[:, 0], GIANTS[:, 1])
    return np.asarray(solar - 260.0 * np.clip(feh, -2.3, 0.4))


def gravity(mass: Array, teff: Array, log_l: Array) -> Array:
    """Log g (cm/s2) of a star of ``mass`` (Msun), ``teff`` (K) and ``log_l`` (Lsun).

    All (num_stars,).
    """
    return np.asarray(SUN_LOGG + np.log10(mass) + 4 * np.log10(teff / SUN_TEFF) - log_l)


def radius(mass: Array, logg: Array) -> Array:
    """Radius in Rsun.

    mass: Msun; logg: log10 of cm/s2; all (num_stars,)
    """
    return np.asarray(np.sqrt(mass / 10 ** (logg - SUN_LOGG)))
