"""The stars of the Milky Way that a high-latitude survey meets, with their numbers.

Thin disc, thick disc and halo with the local densities and scale lengths of Juric et al. (2008);
Kroupa (2001) masses; phases in proportion to how long they last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ojala.sky.stars import tracks

Array = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]

SUN = (8000.0, 25.0)
"""Galactocentric radius and height of the Sun, pc."""

SUN_VELOCITY = (11.1, 232.2, 7.3)
"""km/s: towards the centre, with rotation, to the north pole (Schoenrich et al. 2010)."""

MIN_SIN_LATITUDE = 0.5
"""Stars are those at Galactic latitudes beyond 30 degrees."""


@dataclass(frozen=True, kw_only=True)
class Population:
    """A component of the Galaxy.

    density: stars of 0.08 Msun to the turn-off per pc^3 at the Sun; ages in Gyr
    feh: mean and sigma; alphafe: value at the mean [Fe/H], slope, sigma
    rotation: mean, km/s; dispersion: towards the centre, with rotation, vertical, km/s
    white_dwarfs, clump_hot: per pc^3; share of the core-helium burners that are blue
    """

    density: float
    ages: tuple[float, float]
    feh: tuple[float, float]
    alphafe: tuple[float, float, float]
    rotation: float
    dispersion: tuple[float, float, float]
    white_dwarfs: float
    stragglers: float


POPULATIONS: Mapping[str, Population] = {
    "thin disc": Population(
        density=0.085,
        ages=(0.3, 9.0),
        feh=(-0.06, 0.20),
        alphafe=(0.04, -0.18, 0.04),
        rotation=215.0,
        dispersion=(36.0, 24.0, 18.0),
        white_dwarfs=4.5e-3,
        stragglers=0.0,
    ),
    "thick disc": Population(
        density=0.0060,
        ages=(9.0, 11.5),
        feh=(-0.60, 0.28),
        alphafe=(0.27, -0.15, 0.05),
        rotation=175.0,
        dispersion=(65.0, 45.0, 40.0),
        white_dwarfs=4e-4,
        stragglers=0.5,
    ),
    "halo": Population(
        density=0.00012,
        ages=(11.0, 13.0),
        feh=(-1.45, 0.48),
        alphafe=(0.26, -0.06, 0.09),
        rotation=15.0,
        dispersion=(150.0, 95.0, 90.0),
        white_dwarfs=4e-5,
        stragglers=1.0,
    ),
}

BINARIES = 0.25
"""Share of stars with an unresolved companion."""

LIBRARY_SIZE = {
    "dwarf": 6000,
    "subgiant": 1500,
    "giant": 1500,
    "core helium": 1000,
    "blue straggler": 600,
    "white dwarf": 1500,
}
"""Stars of each phase in the library, per population."""


def space_density(
    population: str, distance: Array, sin_b: Array, longitude: Array, age: Array
) -> Array:
    """Density over that at the Sun. distance: pc; longitude: radians; shapes broadcast.

    All may broadcast: (num_steps,) along a line of sight with (num_stars, 1), say.
    """
    flat = distance * np.sqrt(1 - sin_b**2)
    radius = np.sqrt(SUN[0] ** 2 + flat**2 - 2 * SUN[0] * flat * np.cos(longitude))
    height = np.abs(SUN[1] + distance * sin_b)
    if population == "thin disc":
        scale = 110.0 + 28.0 * age
        return np.asarray(np.exp(-(radius - SUN[0]) / 2600.0 - height / scale))
    if population == "thick disc":
        return np.asarray(np.exp(-(radius - SUN[0]) / 3600.0 - height / 800.0))
    ellipsoid = np.sqrt(radius**2 + (height / 0.64) ** 2)
    outer = np.where(ellipsoid > 27_000.0, (ellipsoid / 27_000.0) ** -1.3, 1.0)
    return np.asarray(outer * (ellipsoid / SUN[0]) ** -2.77)


@cache
def library() -> Columns:
    """A fixed library of kinds of stars, each with the number per pc^3 at the Sun it stands for.

    Columns: population, phase, TEFF, LOGG, FEH, ALPHAFE, mass and radius (solar units), age (Gyr),
    per_pc3, sin_b, longitude (the line of sight on which it is counted).
    """
    rng = np.random.default_rng(2008)
    parts = [
        _phase(rng, name, phase, num)
        for name in POPULATIONS
        for phase, num in LIBRARY_SIZE.items()
        if phase != "blue straggler" or POPULATIONS[name].stragglers > 0
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _phase(rng: np.random.Generator, name: str, phase: str, num: int) -> Columns:
    population = POPULATIONS[name]
    feh = np.clip(population.feh[0] + population.feh[1] * rng.standard_normal(num), -3.5, 0.45)
    level, slope, scatter = population.alphafe
    alphafe = level + slope * (feh - population.feh[0]) + scatter * rng.standard_normal(num)
    stars: Columns = {
        "population": np.full(num, name),
        "phase": np.full(num, phase),
        "FEH": feh,
        "ALPHAFE": np.clip(alphafe, -0.1, 0.5),
        "age": rng.uniform(*population.ages, num),
        "sin_b": rng.uniform(MIN_SIN_LATITUDE, 1.0, num) * rng.choice([-1.0, 1.0], num),
        "longitude": rng.uniform(0, 2 * np.pi, num),
    }
    evolve = {
        "dwarf": _dwarfs,
        "subgiant": _subgiants,
        "giant": _giants,
        "core helium": _core_helium,
        "blue straggler": _stragglers,
        "white dwarf": _white_dwarfs,
    }[phase]
    stars.update(evolve(rng, population, stars))
    stars["per_pc3"] = stars["per_pc3"] / num
    stars["radius"] = tracks.radius(stars["mass"], stars["LOGG"])
    return stars


def initial_masses(mass: Array) -> Array:
    """Stars per Msun of Kroupa (2001), normalised to one over 0.08 ... 0.8 Msun.

    mass: Msun, any shape
    """
    low = mass**-1.3
    high = 0.5 * mass**-2.3
    total = (0.08**-0.3 - 0.5**-0.3) / 0.3 + 0.5 * (0.5**-1.3 - 0.8**-1.3) / 1.3
    return np.asarray(np.where(mass < 0.5, low, high) / total)


def _dwarfs(rng: np.random.Generator, population: Population, stars: Columns) -> Columns:
    log_start = np.log(0.085)
    log_end = np.log(0.995 * tracks.turnoff_mass(stars["age"], stars["FEH"]))
    mass = np.exp(log_start + (log_end - log_start) * rng.random(len(log_end)))
    teff, log_l = tracks.dwarf(mass, stars["FEH"], stars["age"])
    number = population.density * initial_masses(mass) * mass * (log_end - log_start)
    return _star(mass, teff, tracks.gravity(mass, teff, log_l), number)


def _leaving(population: Population, stars: Columns, lasting: Array) -> tuple[Array, Array]:
    """Mass at the turn-off and stars per pc^3 that left it within ``lasting`` (Gyr)."""
    mass = tracks.turnoff_mass(stars["age"], stars["FEH"])
    rate = initial_masses(mass) * mass / 3.0 / stars["age"]
    return mass, population.density * rate * lasting


def _subgiants(rng: np.random.Generator, population: Population, stars: Columns) -> Columns:
    mass, number = _leaving(population, stars, 0.10 * np.minimum(stars["age"], 12.0))
    start, log_l = tracks.dwarf(mass, stars["FEH"], stars["age"])
    along = rng.random(len(mass))
    end = tracks.giant_teff(np.full(len(mass), 3.5), stars["FEH"])
    teff = start + (end - start) * along
    log_l = log_l + 0.15 * np.sin(np.pi * along) + 0.1 * along
    return _star(mass, teff, tracks.gravity(mass, teff, log_l), number)


def _giants(rng: np.random.Generator, population: Population, stars: Columns) -> Columns:
    """Log L from 0.75 to 3.3 with numbers falling as L^-0.8."""
    mass, number = _leaving(population, stars, np.full(len(stars["age"]), 0.6))
    share = rng.random(len(mass))
    log_l = 0.75 - np.log10(1 - share * (1 - 10 ** (-0.8 * 2.55))) / 0.8
    teff = np.full(len(mass), 4700.0)
    for _ in range(6):
        logg = tracks.gravity(mass, teff, log_l)
        teff = tracks.giant_teff(logg, stars["FEH"])
    teff = teff + 50.0 * rng.standard_normal(len(mass))
    return _star(mass, teff, tracks.gravity(mass, teff, log_l), number)


def _core_helium(rng: np.random.Generator, population: Population, stars: Columns) -> Columns:
    """The clump where metals abound; a horizontal branch from 5,000 to 12,000 K where not."""
    mass, number = _leaving(population, stars, np.full(len(stars["age"]), 0.10))
    num, feh = len(mass), stars["FEH"]
    clump = 4800.0 - 250.0 * feh + 80.0 * rng.standard_normal(num)
    branch = np.exp(np.log(5100.0) + np.log(12_000.0 / 5100.0) * rng.random(num))
    blue = rng.random(num) < np.clip((-0.7 - feh) / 0.6, 0, 0.85)
    teff = np.where(blue, branch, clump)
    mass = np.where(blue, 0.62, np.clip(mass - 0.1, 0.65, 3.0))
    faint = np.where(blue, 0.25 * np.maximum(np.log10(teff / 9000.0), 0) * 4, 0.0)
    log_l = 1.70 + 0.06 * rng.standard_normal(num) - faint
    return _star(mass, teff, tracks.gravity(mass, teff, log_l), number)


def _stragglers(rng: np.random.Generator, population: Population, stars: Columns) -> Columns:
    """Dwarfs beyond the turn-off, as many as ``stragglers`` times the core-helium burners."""
    mass, number = _leaving(population, stars, np.full(len(stars["age"]), 0.10))
    mass = mass * rng.uniform(1.1, 1.7, len(mass))
    teff, log_l = tracks.dwarf(mass, stars["FEH"], 0.5 * tracks.lifetime(mass, stars["FEH"]))
    return _star(mass, teff, tracks.gravity(mass, teff, log_l), population.stragglers * number)


def _white_dwarfs(rng: np.random.Generator, population: Population, stars: Columns) -> Columns:
    """Mestel cooling: numbers per ln Teff fall as Teff^-20/7 from 4,500 to 50,000 K."""
    num = len(stars["age"])
    low, high = 4500.0 ** (-20 / 7), 50_000.0 ** (-20 / 7)
    uniform = rng.random(num) ** 2
    teff = (high + uniform * (low - high)) ** (-7 / 20)
    number = population.white_dwarfs * 2 * np.sqrt(uniform)
    logg = 8.0 + 0.13 * rng.standard_normal(num) + 0.25 * (rng.random(num) < 0.12)
    mass = 0.61 * 10 ** (0.55 * (logg - 8.0))
    return _star(mass, teff, logg, number)


def _star(mass: Array, teff: Array, logg: Array, per_pc3: Array) -> Columns:
    return {"mass": mass, "TEFF": teff, "LOGG": logg, "per_pc3": per_pc3}


def companions(rng: np.random.Generator, stars: Columns) -> Columns:
    """Unresolved companions on the main sequence: a quarter of the stars have one.

    Columns: companion_teff (K), companion_logg, companion_radius (over the star's; 0 without one).
    Mass ratios are uniform; a companion of a white dwarf has less than 0.3 Msun.
    """
    num = len(stars["mass"])
    heaviest = np.where(stars["phase"] == "white dwarf", 0.3, 0.98 * stars["mass"])
    heaviest = np.minimum(heaviest, 0.98 * tracks.turnoff_mass(stars["age"], stars["FEH"]))
    mass = np.maximum(heaviest * rng.uniform(0.1, 1.0, num), 0.085)
    teff, log_l = tracks.dwarf(mass, stars["FEH"], stars["age"])
    logg = tracks.gravity(mass, teff, log_l)
    has = (rng.random(num) < BINARIES) & (mass < heaviest)
    return {
        "companion_teff": teff,
        "companion_logg": logg,
        "companion_radius": np.where(has, tracks.radius(mass, logg) / stars["radius"], 0.0),
    }


def radial_velocity(rng: np.random.Generator, stars: Columns) -> Array:
    """Heliocentric radial velocity, km/s, for the stars' lines of sight."""
    num = len(stars["sin_b"])
    mean = np.array([POPULATIONS[name].rotation for name in stars["population"]])
    sigma = np.array([POPULATIONS[name].dispersion for name in stars["population"]])
    moving = sigma.reshape(num, 3) * rng.standard_normal((num, 3)) - np.array(SUN_VELOCITY)
    moving[:, 1] += mean
    cos_b = np.sqrt(1 - stars["sin_b"] ** 2)
    toward = (cos_b * np.cos(stars["longitude"]), cos_b * np.sin(stars["longitude"]))
    return np.asarray(
        moving[:, 0] * toward[0] + moving[:, 1] * toward[1] + moving[:, 2] * stars["sin_b"]
    )
