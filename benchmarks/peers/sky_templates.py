"""Templates from the simulated sky itself: galaxies and quasars, and their fluxes at any redshift.

Templates are sources of the sky, as different from each other as it has them: those nearest to the
centres of clusters in what shapes a spectrum. No template set of a real survey could be as right as
this one is about the sky that it is fitted to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from benchmarks.peers.fluxes import MICROJANSKY
from ojala.physics.cosmology import sphere_area
from ojala.physics.responses import Response
from ojala.physics.synphot import FLUX_UNIT, ResponseMatrix, prepare, synthesize
from ojala.sky.galaxies import galaxies
from ojala.sky.quasars import quasars
from ojala.tables.shards import Columns
from ojala.vocabulary.constants import ANGSTROM_PER_SECOND

Floats = NDArray[np.float64]

LOG_STEP = 2e-4
"""Step of the galaxies' wavelengths in ln(wave), 60 km/s: a redshift is a whole number of steps."""

QUASAR_STEP = 5e-4
"""The same of quasars, whose lines are broad."""

OBSERVED = (3000.0, 56_000.0)
"""Observed wavelengths that the bands span, Angstrom, from the bluest narrow band to W2."""

SAMPLES = ("bgs", "lrg", "elg")
LINES = ("HALPHA_6562_EW", "HBETA_4861_EW", "NII_6584_EW", "OIII_5007_EW", "OII_3727_EW")
NUM_DRAWN = 1500
"""Sources of a sample among which templates are chosen."""

UNIT_MASS = 1e10
"""Solar masses of a galaxy template whose coefficient is one."""


@dataclass(frozen=True, kw_only=True)
class Galaxies:
    """Rest-frame spectra of galaxies per solar mass that they hold.

    wave: Angstrom, even in log; luminosity: erg/s/Angstrom/Msun, (num_templates, num_wave)
    specific_rate: star-formation rate per mass, 1/yr, (num_templates,)
    """

    wave: Floats
    luminosity: Floats
    specific_rate: Floats


def galaxy_templates(num_templates: int, highest_z: float) -> Galaxies:
    """Galaxies for redshifts up to ``highest_z``."""
    rng = np.random.default_rng(7)
    drawn = [galaxies.draw(rng, NUM_DRAWN, sample) for sample in SAMPLES]
    truth = {name: np.concatenate([part[name] for part in drawn]) for name in drawn[0]}
    axes = [np.arcsinh(truth[name]) for name in LINES]
    axes += [np.log10(truth["age_old"]), truth["ebv_dust"], truth["LOGSFR"] - truth["LOGM"]]
    rows = medoids(np.column_stack(axes), num_templates)
    wave = log_grid(OBSERVED[0] / (1 + highest_z), OBSERVED[1], LOG_STEP)
    rest = [_rest({name: values[[row]] for name, values in truth.items()}, wave) for row in rows]
    return Galaxies(
        wave=wave,
        luminosity=np.stack(rest),
        specific_rate=10 ** (truth["LOGSFR"] - truth["LOGM"])[rows],
    )


def quasar_templates(num_templates: int) -> Columns:
    """Truth of quasars, to be rendered at any redshift."""
    truth = quasars.draw(np.random.default_rng(7), 2 * NUM_DRAWN, "qso")
    axes = [truth[name] for name in ("alpha", "host_fraction", "host_young", "LOGL3000")]
    axes += [np.log10(truth["ew_mgii"].clip(1)), np.sqrt(truth["ebv"])]
    rows = medoids(np.column_stack(axes), num_templates)
    return {name: values[rows] for name, values in truth.items()}


def medoids(points: Floats, num: int) -> NDArray[np.int64]:
    """Rows of the points nearest to the centres of ``num`` clusters, without repeats.

    Every axis counts with unit width.
    """
    scaled = (points - points.mean(axis=0)) / points.std(axis=0)
    centres = KMeans(num, n_init=1, random_state=1).fit(scaled).cluster_centers_
    distance = np.linalg.norm(scaled[:, None] - centres[None], axis=2)
    return np.unique(distance.argmin(axis=0))


def log_grid(low: float, high: float, step: float) -> Floats:
    """Wavelengths between two, Angstrom, that are whole steps in ln(wave)."""
    return np.exp(np.arange(np.ceil(np.log(low) / step), np.floor(np.log(high) / step) + 1) * step)


def redshift_grid(highest_z: float, steps: int) -> Floats:
    """Redshifts ``steps`` steps of LOG_STEP apart, from the first above 0."""
    return np.expm1(np.arange(steps, np.log1p(highest_z) / LOG_STEP, steps) * LOG_STEP)


def galaxy_fluxes(
    templates: Galaxies,
    redshifts: Floats,
    responses: Mapping[str, Response],
    tokens: Sequence[str],
) -> Floats:
    """Microjansky of UNIT_MASS of each template, (num_redshifts, num_templates, num_bands).

    redshifts: of ``redshift_grid``. On wavelengths even in log a redshift moves a spectrum by whole
    pixels, and neither smooths its lines nor loses their flux.
    """
    wave = log_grid(*OBSERVED, LOG_STEP)
    bands = prepare(wave, responses, tokens)
    fluxes = np.empty((len(redshifts), len(templates.luminosity), len(tokens)))
    for row, z in enumerate(redshifts):
        first = int(np.rint(np.log(wave[0] / (1 + z) / templates.wave[0]) / LOG_STEP))
        seen = templates.luminosity[:, first : first + len(wave)]
        area = sphere_area(np.array([z]))
        fluxes[row] = _microjansky(UNIT_MASS * seen / area / (1 + z) / FLUX_UNIT, bands)
    return fluxes


def quasar_fluxes(
    truth: Columns, redshifts: Floats, responses: Mapping[str, Response], tokens: Sequence[str]
) -> Floats:
    """Microjansky of each quasar at each redshift, (num_redshifts, num_templates, num_bands).

    Hydrogen on the way is that of the redshift.
    """
    wave = log_grid(*OBSERVED, QUASAR_STEP)
    bands = prepare(wave, responses, tokens)
    fluxes = np.empty((len(redshifts), len(truth["z"]), len(tokens)))
    for row, z in enumerate(redshifts):
        there = truth | {"z": np.full(len(truth["z"]), z)}
        fluxes[row] = _microjansky(quasars.render(there, wave), bands)
    return fluxes


def _microjansky(flux: Floats, bands: ResponseMatrix) -> Floats:
    """Band fluxes of spectra in FLUX_UNIT, as f_nu in microjansky."""
    per_hertz = FLUX_UNIT * bands.pivot**2 / ANGSTROM_PER_SECOND
    return np.asarray(synthesize(flux, None, bands).flux_lambda * per_hertz / MICROJANSKY)


def _rest(truth: Columns, wave: Floats) -> Floats:
    """Luminosity per solar mass of one galaxy, rendered at the redshift that it has."""
    z = truth["z"]
    flux = galaxies.render(truth, wave * (1 + z[0]))[0].astype(np.float64) * FLUX_UNIT
    return np.asarray(flux * (1 + z) * sphere_area(z) / 10 ** truth["LOGM"])
