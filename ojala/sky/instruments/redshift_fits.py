"""What redrock finds in simulated spectra: redshift, class, and where it fails."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ojala.sky.instruments.light import BandLight
from ojala.surveys.desi.arms import STEP, WAVE
from ojala.tables.shards import Columns
from ojala.vocabulary.bands import narrow_bands
from ojala.vocabulary.emission_lines import near_wave

Floats = NDArray[np.float64]

OII_DOUBLET = 3728.5
"""Middle of the two [O II] lines, Angstrom."""

LINES = {
    "OII_3727_EW": OII_DOUBLET,
    **{
        f"{line}_EW": near_wave(line)
        for line in ("HBETA_4861", "OIII_5007", "HALPHA_6562", "NII_6584")
    },
}
"""Rest wavelengths (vacuum, Angstrom) of the lines that have labels."""

LINE_PIXELS = 10
"""Pixels over which the flux of a narrow line is summed."""

FEATURES = {"GALAXY": 0.008, "QSO": 0.05, "STAR": 0.05}
"""Share of a spectrum's squared S/N that tells its redshift: absorption, breaks, broad lines."""

SMALL_DELTACHI2 = 4
"""ZWARN bit of redrock: the second best redshift is as good."""

CONFIDENT = 9.0
"""Smallest DELTACHI2 without that warning."""

FAILURES = 0.002
"""Share of confident redshifts that are wrong all the same."""

REDSHIFT_ERROR = {"GALAXY": 2e-4, "QSO": 1.5e-3, "STAR": 3e-5}
"""1 sigma over (1 + z) at DELTACHI2 = 25; quasars have it at any S/N, since their lines shift."""

HOST_DOMINATES = 0.75
"""Host's share of the light at 5100 Angstrom from which redrock prefers a galaxy template."""

BROAD_DOMINATES = 60.0
"""Rest equivalent width (Angstrom) of broad H-alpha from which it prefers a quasar template."""


def fit(
    rng: np.random.Generator,
    truth: Columns,
    light: BandLight,
    flux: NDArray[np.floating],
    flux_err: NDArray[np.floating],
) -> Columns:
    """Z, ZERR, ZWARN, DELTACHI2, CHI2, SPECTYPE of sources.

    truth: spectype, z, equivalent widths, host_fraction; light: their band fluxes
    flux, flux_err: on DESI's common grid, flux_err infinite without data, (num_sources, 7781)
    """
    spectype = truth["spectype"]
    signal = np.sum(np.square(flux / flux_err), axis=1) - np.sum(np.isfinite(flux_err), axis=1)
    features = np.array([FEATURES[kind] for kind in spectype])
    deltachi2 = np.clip(signal, 0, None) * features
    deltachi2 += np.sum(line_snr(truth, light, flux_err) ** 2, axis=1)
    deltachi2 *= rng.lognormal(0, 0.4, len(spectype))
    found = _found(rng, truth, deltachi2)
    wrong = rng.random(len(spectype)) < FAILURES + 0.5 * np.exp(-deltachi2 / 8)
    z = np.where(wrong, rng.uniform(0.0, 1.7, len(spectype)), truth["z"])
    error = _redshift_error(truth, deltachi2)
    return {
        "Z": z + error * rng.standard_normal(len(z)),
        "ZERR": error / np.where(spectype == "QSO", 5, 1),
        "ZWARN": np.where(deltachi2 < CONFIDENT, SMALL_DELTACHI2, 0),
        "DELTACHI2": deltachi2,
        "CHI2": np.sum(np.isfinite(flux_err), axis=1) * rng.normal(1.0, 0.02, len(z)),
        "SPECTYPE": found,
    }


def line_snr(truth: Columns, light: BandLight, flux_err: NDArray[np.floating]) -> Floats:
    """S/N of the flux of each of LINES, 0 where the spectrum does not have it, (num_sources, 5)."""
    columns = []
    for name, rest_wave in LINES.items():
        width = np.nan_to_num(truth[name]) * (1 + truth["z"])
        line = width * continuum(light, rest_wave * (1 + truth["z"]), width)
        columns.append(line / line_flux_err(flux_err, rest_wave * (1 + truth["z"])))
    return np.asarray(np.clip(np.stack(columns, axis=1), 0, 1e3))


def line_flux_err(flux_err: NDArray[np.floating], wave: Floats) -> Floats:
    """1 sigma of the flux of a narrow line at ``wave`` (Angstrom, one per source), 1e-17 erg/s/cm2.

    Infinite outside the spectrum and where it has no data.
    """
    return np.asarray(pixel_err(flux_err, wave) * STEP * np.sqrt(LINE_PIXELS))


def pixel_err(flux_err: NDArray[np.floating], wave: Floats) -> Floats:
    """The noise of a pixel near ``wave`` (median of five), infinite without data.

    flux_err: (num_sources, 7781); wave: Angstrom, (num_sources,)
    """
    pixel = np.rint((wave - WAVE[0]) / STEP).astype(int)
    inside = (pixel >= 2) & (pixel < len(WAVE) - 2)
    around = np.where(inside, pixel, 2)[:, None] + np.arange(-2, 3)
    near = np.take_along_axis(flux_err, around, axis=1).astype(np.float64)
    return np.asarray(np.where(inside, np.median(near, axis=1), np.inf))


def continuum(light: BandLight, wave: Floats, width: Floats) -> Floats:
    """Continuum of the total light near ``wave``, from the narrow bands less the line in them.

    wave, width: of a line and its observed equivalent width, Angstrom, one per source
    wave, width, and the answer: (num_sources,)
    """
    bands = narrow_bands()
    flux = light.of([band.token for band in bands])
    nearest = np.argmin(np.abs(wave[:, None] - np.array([band.wave for band in bands])), axis=1)
    in_band = np.take_along_axis(flux, nearest[:, None], axis=1)[:, 0]
    fwhm = np.array([band.fwhm for band in bands])[nearest]
    return np.asarray(np.clip(in_band, 1e-4, None) / (1 + np.clip(width, 0, None) / fwhm))


def _found(rng: np.random.Generator, truth: Columns, deltachi2: Floats) -> NDArray[np.str_]:
    """The class redrock finds.

    A quasar that its host outshines is a galaxy, a galaxy with a strong broad H-alpha a quasar, and
    noise confuses a few of any class.
    """
    is_quasar = truth["spectype"] == "QSO"
    host = np.nan_to_num(truth["host_fraction"])
    is_host = is_quasar & (host + 0.05 * rng.standard_normal(len(host)) > HOST_DOMINATES)
    broad = np.nan_to_num(truth["broad_fraction"] * truth["HALPHA_6562_EW"])
    is_nucleus = ~is_quasar & (broad + 10 * rng.standard_normal(len(host)) > BROAD_DOMINATES)
    found = np.where(is_host, "GALAXY", np.where(is_nucleus, "QSO", truth["spectype"]))
    confused = rng.random(len(host)) < 0.3 * np.exp(-deltachi2 / 6)
    return np.where(confused, rng.permutation(found), found)


def _redshift_error(truth: Columns, deltachi2: Floats) -> Floats:
    unit = np.array([REDSHIFT_ERROR[kind] for kind in truth["spectype"]])
    sharper = np.clip(5 / np.sqrt(deltachi2 + 1), 0.05, 3)
    sharper = np.where(truth["spectype"] == "QSO", np.maximum(sharper, 1), sharper)
    return np.asarray(unit * sharper * (1 + truth["z"]))
