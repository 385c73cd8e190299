"""The labels of simulated spectra: the truth as DESI's value-added catalogues would measure it.

Each function returns columns as the writers of ``surveys.vacs`` take them: NaN for what was not
measured, errors of the size that the S/N allows, and failed fits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ojala.sky.instruments.light import BandLight
from ojala.sky.instruments.redshift_fits import LINES, continuum, line_flux_err, pixel_err
from ojala.tables.shards import Columns
from ojala.vocabulary.constants import NANOMAGGIE_ZERO

Floats = NDArray[np.float64]

WRONG_REDSHIFT = 0.005
"""|dz| / (1 + z) of redrock's redshift beyond which the catalogues measure nothing real."""

LINE_SYSTEMATIC = 0.03
"""Relative error of an equivalent width at infinite S/N: line profile and continuum model."""

CONTINUUM_PIXELS = 150
"""Pixels that determine the continuum at a line."""

CIGALE_FAILURES, STAR_FAILURES = 0.01, 0.02
"""Shares of fits that fail."""

MASS_ERROR, RATE_ERROR = 0.08, 0.20
"""Errors of log mass and log SFR from five bands at infinite S/N, dex (Siudek et al. 2024)."""

HIGHEST_GRAVITY = 6.0
"""log g beyond which RVSpecFit has no templates: it cannot fit white dwarfs."""

OUTSHONE_ERROR = 0.3
"""Additional error of both where a quasar outshines the galaxy, dex."""

BLACK_HOLE_SPAN = (0.6, 1.6)
"""Redshifts of the black-hole mass catalogue (Mg II in the spectrum with Fe II on both sides)."""

BLACK_HOLE_LIMIT = 22.0
"""Faintest r magnitude of that catalogue (Pan et al. 2025)."""


def is_right(truth: Columns, z_found: Floats) -> NDArray[np.bool_]:
    """True where redrock's redshift is that of the source.

    truth's z, z_found: (num_sources,)
    """
    return np.asarray(np.abs(z_found - truth["z"]) < WRONG_REDSHIFT * (1 + truth["z"]))


def fastspecfit(
    rng: np.random.Generator,
    truth: Columns,
    light: BandLight,
    flux_err: NDArray[np.floating],
    scale: Floats,
) -> Columns:
    """Equivalent widths (rest frame, Angstrom) and continua (1e-17 erg/s/cm2/A) of galaxies.

    truth: with HALPHA_CONT and HBETA_CONT, of the total light before the Milky Way's dust
    light: band fluxes of the total light, behind that dust; scale: of the spectrum over the total
    flux_err: of the spectrum on DESI's common grid, infinite without data
    """
    columns: Columns = {}
    for name, rest_wave in LINES.items():
        wave = rest_wave * (1 + truth["z"])
        width = truth[name]
        level = continuum(light, wave, np.nan_to_num(width) * (1 + truth["z"])) * scale
        error = line_flux_err(flux_err, wave) / level / (1 + truth["z"])
        error = np.hypot(error, LINE_SYSTEMATIC * width)
        columns |= _measured(rng, name, width, error)
    for name, line in (("HALPHA_CONT", "HALPHA_6562_EW"), ("HBETA_CONT", "HBETA_4861_EW")):
        level = truth[name] * scale
        error = pixel_err(flux_err, LINES[line] * (1 + truth["z"])) / np.sqrt(CONTINUUM_PIXELS)
        columns |= _measured(rng, name, level, np.hypot(error, 0.01 * level))
    return columns


def cigale(rng: np.random.Generator, truth: Columns, legacy: Columns) -> Columns:
    """LOGM and LOGSFR, dex of Msun and Msun/yr, from broad-band photometry.

    legacy: FLUX_R and FLUX_IVAR_R. Star formation of quiescent galaxies is an upper limit in all
    but name: its error grows as the specific rate falls.
    """
    faint = 1 / np.clip(legacy["FLUX_R"] * np.sqrt(legacy["FLUX_IVAR_R"]), 1, None)
    outshone = np.where(truth["spectype"] == "QSO", OUTSHONE_ERROR, 0)
    specific = np.clip(-10.5 - (truth["LOGSFR"] - truth["LOGM"]), 0, 3)
    columns = _measured(rng, "LOGM", truth["LOGM"], np.hypot(MASS_ERROR + outshone, 1.5 * faint))
    rate_err = np.hypot(RATE_ERROR + outshone + 0.25 * specific, 3 * faint)
    columns |= _measured(rng, "LOGSFR", truth["LOGSFR"], rate_err)
    failed = rng.random(len(faint)) < CIGALE_FAILURES
    return {name: np.where(failed, np.nan, values) for name, values in columns.items()}


def mws(rng: np.random.Generator, truth: Columns, snr: Floats) -> Columns:
    """TEFF (K), LOGG, FEH, ALPHAFE (dex) of stars; snr: median per pixel of the spectrum.

    The errors are RVSpecFit's at S/N 10 (Cooper et al. 2023, ApJ 947, 37), larger for hot stars,
    whose metal lines are weak.
    """
    worse = np.hypot(0.3, 10 / np.clip(snr, 0.5, None))
    hot = np.clip(truth["TEFF"] / 6000, 1, 3)
    columns = _measured(rng, "TEFF", truth["TEFF"], 60 * worse * hot**2)
    for name, size in (("LOGG", 0.12), ("FEH", 0.10), ("ALPHAFE", 0.08)):
        columns |= _measured(rng, name, truth[name], size * worse * hot)
    failed = rng.random(len(snr)) < STAR_FAILURES + 0.5 * (snr < 1)
    failed |= truth["LOGG"] > HIGHEST_GRAVITY
    return {name: np.where(failed, np.nan, values) for name, values in columns.items()}


def bhmass(rng: np.random.Generator, truth: Columns, snr: Floats, flux_r: Floats) -> Columns:
    """LOGMASS_DAS_PAN25: virial Mg II masses of quasars, log10 Msun, NaN outside the catalogue.

    snr: median per pixel of the spectrum, which sets the error: 0.1 to 0.6 dex
    flux_r: nanomaggies, of the catalogue's magnitude limit
    snr, flux_r: (num_sources,)
    """
    low, high = BLACK_HOLE_SPAN
    bright = flux_r > 10 ** (-0.4 * (BLACK_HOLE_LIMIT - NANOMAGGIE_ZERO))
    listed = (truth["z"] > low) & (truth["z"] < high) & bright
    error = np.clip(0.1 + 0.15 / np.clip(snr, 0.1, None), 0.1, 0.6)
    columns = _measured(rng, "LOGMASS_DAS_PAN25", truth["LOGMBH"], error)
    return {name: np.where(listed, values, np.nan) for name, values in columns.items()}


def _measured(rng: np.random.Generator, name: str, value: Floats, error: Floats) -> Columns:
    """A label with noise and its error, both NaN where the error is not finite."""
    noisy = value + error * rng.standard_normal(len(value))
    good = np.isfinite(noisy) & np.isfinite(error)
    return {name: np.where(good, noisy, np.nan), f"{name}_ERR": np.where(good, error, np.nan)}
