"""The one cosmology of the project, and its distances on a fine grid.

Flat, H0 = 70 km/s/Mpc, matter density 0.3, as in the masses and rates of the training labels.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from astropy import units as u
from astropy.cosmology import FlatLambdaCDM
from numpy.typing import ArrayLike, NDArray

COSMOLOGY = FlatLambdaCDM(H0=70.0, Om0=0.3)
"""Flat Lambda-CDM, H0 = 70 km/s/Mpc, matter density 0.3."""

SQUARE_DEGREES = 4 * np.pi * (180 / np.pi) ** 2
"""Area of the whole sky, deg^2."""

CM_PER_MPC = float((1 * u.Mpc).to_value(u.cm))
MAX_REDSHIFT = 8.0


@cache
def _grid() -> dict[str, NDArray[np.float64]]:
    z = np.concatenate([[0.0], np.geomspace(1e-5, MAX_REDSHIFT, 6000)])
    return {
        "z": z,
        "distance": COSMOLOGY.luminosity_distance(z).to_value(u.Mpc),
        "volume": COSMOLOGY.comoving_volume(z).to_value(u.Mpc**3),
        "age": COSMOLOGY.age(z).to_value(u.Gyr),
    }


def luminosity_distance(z: ArrayLike) -> NDArray[np.float64]:
    """Luminosity distance in Mpc, by interpolation (relative error below 1e-5), 0 <= z <= 8.

    z, and the answer: any shape
    """
    return np.interp(np.asarray(z, dtype=np.float64), _grid()["z"], _grid()["distance"])


def angular_scale(z: ArrayLike) -> NDArray[np.float64]:
    """Proper kiloparsecs per arcsecond.

    z, and the answer: any shape
    """
    kpc = luminosity_distance(z) * 1e3 / (1 + np.asarray(z)) ** 2
    return np.asarray(kpc * np.pi / 180 / 3600)


def comoving_volume(z: ArrayLike) -> NDArray[np.float64]:
    """Comoving volume of the whole sky out to ``z``, Mpc^3.

    z, and the answer: any shape
    """
    return np.interp(np.asarray(z, dtype=np.float64), _grid()["z"], _grid()["volume"])


def age(z: ArrayLike) -> NDArray[np.float64]:
    """Age of the Universe in Gyr.

    z, and the answer: any shape
    """
    return np.interp(np.asarray(z, dtype=np.float64), _grid()["z"], _grid()["age"])


def sphere_area(z: ArrayLike) -> NDArray[np.float64]:
    """Area 4 pi D_L^2 in cm^2: luminosity over it is flux.

    z, and the answer: any shape
    """
    return np.asarray(4 * np.pi * (luminosity_distance(z) * CM_PER_MPC) ** 2)
