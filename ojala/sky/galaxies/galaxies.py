"""Galaxies of the simulated sky: what they are (draw) and what they look like (render).

Number densities by mass, redshift and type; populations and dust from real galaxies; lines from
star formation, nuclei and old stars. A simulation, built from published relations.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ojala.physics.cosmology import SQUARE_DEGREES, comoving_volume
from ojala.sky.galaxies import demographics, gas, stars_and_dust
from ojala.sky.galaxies.emission import SOLAR_OH
from ojala.sky.galaxies.lines import add_line, add_lines
from ojala.sky.galaxies.magnitudes import magnitudes
from ojala.sky.galaxies.selection import fiber_loss, sample_of
from ojala.sky.galaxies.starlight import continuum
from ojala.sky.galaxies.templates import POPULATIONS
from ojala.vocabulary.emission_lines import rest_waves

Floats = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]

BLOCK = 128
"""Sources rendered at once: few enough to stay in the processor's cache."""

REDSHIFT_STEP, MASS_STEP = 0.03, 0.1
TRIALS = 40
"""Cells of redshift and log mass, and trial galaxies in each, that find what a sample selects."""


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Cells of type, redshift and mass, with the galaxies per deg^2 in each, and those selected.

    low: lower corner (quiescent, z, logm); step_z: width; per_degree, selected: densities
    """

    low: Floats
    step_z: float
    per_degree: Floats
    selected: Floats


def draw(rng: np.random.Generator, num_sources: int, sample: str) -> Columns:
    """Truth of ``num_sources`` galaxies of a sample of ``selection.SAMPLES``: "bgs", say.

    Columns: spectype, z, r_half (arcsec), sersic, LOGM, LOGSFR, LOGZ (gas, dex from solar), rest
    equivalent widths (Angstrom), HALPHA_CONT and HBETA_CONT (1e-17 erg/s/cm2/Angstrom), a flux
    for every line (1e-17 erg/s/cm2), dust, populations, magnitudes of the selection.
    Raises ValueError for an unknown sample.
    """
    cells = sample_cells(sample)
    possible = np.where(cells.selected > 0, cells.per_degree, 0.0)
    efficiency = cells.selected.sum() / possible.sum()
    blocks: list[Columns] = []
    found = 0
    while not blocks or found < num_sources:
        wanted = int(min(1.2 * (num_sources - found) / efficiency + 64, 50_000))
        cell = rng.choice(len(possible), wanted, p=possible / possible.sum())
        truth = _galaxies_in(rng, cells.low[cell], cells.step_z)
        kept = _selected(truth, sample)
        blocks.append({name: values[kept] for name, values in truth.items()})
        found += int(kept.sum())
    return {name: np.concatenate([b[name] for b in blocks])[:num_sources] for name in blocks[0]}


def surface_density(sample: str) -> float:
    """Galaxies of a sample per square degree."""
    return float(sample_cells(sample).selected.sum())


@cache
def sample_cells(sample: str) -> Cells:
    """Where the galaxies of a sample are, found by trial with a fixed seed."""
    low_z, high_z = sample_of(sample).redshifts
    num_steps = int(np.ceil((high_z - low_z) / REDSHIFT_STEP))
    z, step_z = np.linspace(low_z, high_z, num_steps, endpoint=False, retstep=True)
    logm = np.arange(*demographics.MASS_RANGE, MASS_STEP)
    low = np.stack(np.meshgrid([0.0, 1.0], z, logm, indexing="ij"), axis=-1).reshape(-1, 3)
    volume = (comoving_volume(low[:, 1] + step_z) - comoving_volume(low[:, 1])) / SQUARE_DEGREES
    density = demographics.number_density(
        low[:, 0] > 0, low[:, 1] + step_z / 2, low[:, 2] + MASS_STEP / 2
    )
    rng = np.random.default_rng(20)
    truth = _galaxies_in(rng, np.repeat(low, TRIALS, axis=0), step_z)
    share = _selected(truth, sample).reshape(-1, TRIALS).mean(axis=1)
    per_degree = volume * density * MASS_STEP
    return Cells(low=low, step_z=step_z, per_degree=per_degree, selected=per_degree * share)


def _galaxies_in(rng: np.random.Generator, low: Floats, step_z: float) -> Columns:
    """One galaxy in each cell of the given lower corners."""
    num_sources = len(low)
    z = low[:, 1] + step_z * rng.random(num_sources)
    logm = low[:, 2] + MASS_STEP * rng.random(num_sources)
    return galaxies_of(rng, low[:, 0] > 0, z, logm)


def galaxies_of(
    rng: np.random.Generator, quiescent: NDArray[np.bool_], z: Floats, logm: Floats
) -> Columns:
    """Truth of galaxies of given type, redshift and log stellar mass.

    quiescent, z, logm (dex of Msun), and each column: (num_sources,)
    """
    num_sources = len(z)
    logsfr = demographics.star_formation_rate(rng, quiescent, z, logm)
    logsfr = logm + np.clip(logsfr - logm, stars_and_dust.LOWEST_RATE, stars_and_dust.HIGHEST_RATE)
    formed, age_old, ebv = stars_and_dust.stars_and_dust(rng, z, logm, logsfr)
    oh = demographics.gas_metallicity(rng, logm, logsfr)
    vdisp = demographics.velocity_dispersion(rng, logm)
    truth: Columns = {
        "spectype": np.full(num_sources, "GALAXY"),
        "z": z,
        "quiescent": quiescent,
        "LOGM": logm,
        "LOGSFR": logsfr,
        "oh": oh,
        "LOGZ": oh - SOLAR_OH,
        "r_half": demographics.half_light_radius(rng, quiescent, z, logm),
        "sersic": demographics.sersic_index(rng, quiescent, logm),
        "vdisp": vdisp,
        "enhancement": demographics.abundance_enhancement(rng, quiescent, vdisp),
        "sigma_gas": demographics.gas_dispersion(rng, logm),
        "ebv_dust": ebv,
        "ebv_gas": gas.gas_reddening(rng, logm, ebv),
        "dust_slope": np.clip(-0.2 + 0.25 * rng.standard_normal(num_sources), -0.8, 0.4),
        "age_old": age_old,
    }
    truth |= {f"formed_{name}": formed[:, k] for k, name in enumerate(POPULATIONS)}
    truth["obscured_sfr"] = gas.obscured_rate(truth)
    return truth | gas.lines(rng, truth)


def _line_fluxes(truth: Columns) -> dict[str, Floats]:
    """Narrow fluxes by line name."""
    return {name: truth[f"{name}_FLUX"] for name in rest_waves()}


def _selected(truth: Columns, sample: str) -> NDArray[np.bool_]:
    """Which galaxies a sample takes; their magnitudes are added to ``truth``."""
    chosen = sample_of(sample)
    mags = magnitudes(chosen.bands, truth)
    truth.update({f"mag_{band}": values for band, values in mags.items()})
    return chosen.select(mags, fiber_loss(truth["r_half"]))


def render(truth: Columns, wave: ArrayLike) -> NDArray[np.float32]:
    """Noiseless observed spectra, total light, 1e-17 erg/s/cm2/Angstrom.

    wave: Angstrom, vacuum, increasing; returns shape (num_sources, num_wave)
    """
    wave = np.asarray(wave, dtype=np.float64)
    spectra = np.empty((len(truth["z"]), len(wave)), dtype=np.float32)
    for start in range(0, len(spectra), BLOCK):
        block = {name: values[start : start + BLOCK] for name, values in truth.items()}
        flux = continuum(block, wave)
        add_lines(flux, wave, block["z"], _line_fluxes(block), block["sigma_gas"])
        centre = rest_waves()["HALPHA_6562"] * (1 + block["z"])
        broad = block["broad_fraction"] * block["HALPHA_6562_FLUX"]
        add_line(flux, wave, centre, broad, block["sigma_broad"])
        spectra[start : start + BLOCK] = flux
    return spectra
