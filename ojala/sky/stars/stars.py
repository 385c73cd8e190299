"""Stars of the simulated sky: what there is (draw) and what it looks like (render)."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ojala.sky.stars import atmospheres, populations, white_dwarfs
from ojala.sky.top_hats import BAND_EDGES, top_hat_magnitude
from ojala.vocabulary.constants import SPEED_OF_LIGHT, SQUARE_DEGREE

Array = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]

SAMPLES = {"mws": ("r", 16.0, 19.0), "faint": ("r", 19.0, 22.5), "field": ("i", 15.0, 22.7)}
"""Samples: band of the selection and its magnitudes."""

FAVOURED = {
    "mws": {"white dwarf": 5.0, "core helium": 3.0, "giant": 3.0, "blue straggler": 2.0},
    "faint": {"white dwarf": 4.0, "core helium": 3.0, "blue straggler": 3.0},
    "field": {},
}
"""Phases that a sample takes more often than nature offers them (Cooper et al. 2023)."""

BLUE = (5200.0, {"mws": 1.7, "faint": 1.5, "field": 1.0})
"""Teff (K) beyond which a sample favours stars, as blue targets have precedence, and how much."""

SUN_RADIUS_PER_PARSEC = 6.957e10 / 3.0857e18
MAGNITUDE_STEPS = 32
"""Steps of a sample's magnitude range in which stars are counted along their line of sight."""

BLOCK = 1024


def draw(rng: np.random.Generator, num_sources: int, sample: str) -> Columns:
    """The truth of ``num_sources`` stars of a sample.

    sample: "mws" (16 < r < 19), "faint" (19 < r < 22.5), both with rare phases favoured, or
    "field" (all with 15 < i < 22.7)
    Returns columns, each (num_sources,): spectype, z, vrad (km/s), TEFF (K), LOGG, FEH, ALPHAFE
    (NaN for white dwarfs), population, phase, helium (white dwarf of type DB), companion_teff,
    companion_logg, companion_radius (over the star's; 0: single), theta (angular radius, radians),
    distance (pc), mag_r, mag_i (AB), r_half, sersic (0: points).
    Raises ValueError for an unknown sample.
    """
    band, bright, faint = _sample(sample)
    kinds, counts = populations.library(), _counts(sample)
    cumulative = np.cumsum(counts.sum(axis=1))
    kind = np.searchsorted(cumulative, rng.random(num_sources) * cumulative[-1])
    stars = {name: column[np.minimum(kind, len(counts) - 1)] for name, column in kinds.items()}
    magnitude = _draw_magnitude(rng, counts[np.minimum(kind, len(counts) - 1)], bright, faint)
    _scatter(rng, stars)
    truth = _truth(rng, stars)
    stars["distance"] = 10 ** ((magnitude - _absolute(truth, stars["radius"], band) + 5) / 5)
    truth["theta"] = stars["radius"] * SUN_RADIUS_PER_PARSEC / stars["distance"]
    truth["distance"] = stars["distance"]
    for name in BAND_EDGES:
        truth[f"mag_{name}"] = _magnitude(truth, name)
    return truth


@cache
def surface_density(sample: str) -> float:
    """Stars of a sample per square degree, mean over Galactic latitudes beyond 30 degrees."""
    return float(_counts(sample).sum())


def render(truth: Columns, wave: Array) -> NDArray[np.float32]:
    """Observed spectra, 1e-17 erg/s/cm2/Angstrom, (num_sources, num_wave), no interstellar dust.

    wave: vacuum wavelengths in Angstrom, increasing, within 2500 Angstrom ... 6 um
    """
    flux = np.empty((len(truth["z"]), len(wave)), dtype=np.float32)
    log_wave, nodes = np.log(wave), np.log(atmospheres.WAVE)
    for start in range(0, len(flux), BLOCK):
        rows = slice(start, start + BLOCK)
        surface = _surface({name: column[rows] for name, column in truth.items()})
        log_flux = surface * np.log(10) - nodes + np.log(1e17)
        log_flux += 2 * np.log(truth["theta"][rows])[:, None]
        shift = np.log1p(truth["z"][rows])
        for row, star in enumerate(log_flux):
            flux[start + row] = np.interp(log_wave - shift[row], nodes, star)
    return np.exp(flux, out=flux)


def _surface(truth: Columns) -> Array:
    """log10 of lambda F_lambda of star and companion per area of the star, on atmospheres.WAVE."""
    surface = _primary_surface(truth)
    double = np.flatnonzero(truth["companion_radius"] > 0)
    if len(double) > 0:
        names = ("companion_teff", "companion_logg", "FEH", "ALPHAFE")
        companion = atmospheres.surface_flux(*(np.nan_to_num(truth[n][double]) for n in names))
        companion = companion + 2 * np.log10(truth["companion_radius"][double])[:, None]
        surface[double] = np.logaddexp(*(np.log(10) * x for x in (surface[double], companion)))
        surface[double] /= np.log(10)
    return surface


def _primary_surface(truth: Columns) -> Array:
    dwarf = np.isnan(truth["FEH"])
    surface = np.empty((len(dwarf), len(atmospheres.WAVE)))
    for rows, of in ((dwarf, white_dwarfs.surface_flux), (~dwarf, atmospheres.surface_flux)):
        names = ("TEFF", "LOGG", "helium") if rows is dwarf else ("TEFF", "LOGG", "FEH", "ALPHAFE")
        if rows.any():
            surface[rows] = of(*(truth[name][rows] for name in names))
    return surface


def _sample(sample: str) -> tuple[str, float, float]:
    if sample not in SAMPLES:
        raise ValueError(f"sample {sample!r} is not known: expected one of {', '.join(SAMPLES)}")
    return SAMPLES[sample]


@cache
def _counts(sample: str) -> Array:
    """Stars per deg^2 of each kind in each step of magnitude, (num_kinds, MAGNITUDE_STEPS)."""
    band, bright, faint = _sample(sample)
    kinds = populations.library()
    truth = _truth(np.random.default_rng(0), kinds)
    truth["companion_radius"] = np.zeros(len(truth["z"]))
    step = (faint - bright) / MAGNITUDE_STEPS
    magnitude = bright + step * (np.arange(MAGNITUDE_STEPS) + 0.5)
    modulus = magnitude - _absolute(truth, kinds["radius"], band)[:, None]
    distance = 10 ** (modulus / 5 + 1)
    counts = np.empty_like(distance)
    for name in populations.POPULATIONS:
        rows = kinds["population"] == name
        place = (kinds[key][rows, None] for key in ("sin_b", "longitude", "age"))
        counts[rows] = populations.space_density(name, distance[rows], *place)
    volume = distance**3 * np.log(10) / 5 * step * SQUARE_DEGREE
    favour = np.array([FAVOURED[sample].get(phase, 1.0) for phase in kinds["phase"]])
    favour = favour * np.where(kinds["TEFF"] > BLUE[0], BLUE[1][sample], 1.0)
    return np.asarray(counts * volume * (kinds["per_pc3"] * favour)[:, None])


def _draw_magnitude(rng: np.random.Generator, counts: Array, bright: float, faint: float) -> Array:
    """A magnitude for each star from its kind's counts along the line of sight."""
    cumulative = np.cumsum(counts, axis=1)
    uniform = rng.random(len(counts)) * cumulative[:, -1]
    step = (cumulative < uniform[:, None]).sum(axis=1)
    width = (faint - bright) / MAGNITUDE_STEPS
    return np.asarray(bright + width * (step + rng.random(len(counts))))


def _scatter(rng: np.random.Generator, stars: Columns) -> None:
    """Move stars off the library's entries, so that no two are alike."""
    num = len(stars["TEFF"])
    stars["TEFF"] = stars["TEFF"] * np.exp(0.008 * rng.standard_normal(num))
    stars["LOGG"] = stars["LOGG"] + 0.03 * rng.standard_normal(num)
    stars["FEH"] = np.clip(stars["FEH"] + 0.05 * rng.standard_normal(num), -4.0, 0.5)
    stars["ALPHAFE"] = np.clip(stars["ALPHAFE"] + 0.02 * rng.standard_normal(num), -0.15, 0.55)


def _truth(rng: np.random.Generator, stars: Columns) -> Columns:
    """Truth columns that do not depend on distance."""
    num = len(stars["TEFF"])
    dwarf = stars["phase"] == "white dwarf"
    vrad = populations.radial_velocity(rng, stars)
    return {
        "spectype": np.full(num, "STAR"),
        "z": vrad / SPEED_OF_LIGHT,
        "vrad": vrad,
        "TEFF": stars["TEFF"],
        "LOGG": stars["LOGG"],
        "FEH": np.where(dwarf, np.nan, stars["FEH"]),
        "ALPHAFE": np.where(dwarf, np.nan, stars["ALPHAFE"]),
        "population": stars["population"],
        "phase": stars["phase"],
        "helium": dwarf & (rng.random(num) < 0.15) & (stars["TEFF"] > 11_000),
        **populations.companions(rng, stars),
        "r_half": np.zeros(num),
        "sersic": np.zeros(num),
    }


def _absolute(truth: Columns, radius: Array, band: str) -> Array:
    """Absolute AB magnitude of stars of ``radius`` (Rsun)."""
    return _magnitude({**truth, "theta": radius * SUN_RADIUS_PER_PARSEC / 10.0}, band)


def _magnitude(truth: Columns, band: str) -> Array:
    """AB magnitude in a top-hat band."""
    wave = np.linspace(*BAND_EDGES[band], 60)
    flux = 1e-17 * render(truth, wave).mean(axis=1, dtype=float)
    return top_hat_magnitude(flux, wave)
