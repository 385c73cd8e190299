"""Rest-frame spectra of quasars from the principal components of real ones.

pypeit's wheel holds two sets of components of log f_lambda with the coefficients of the quasars
that they were made of: 1200-3100 Angstrom (1,050 quasars) and 2200-5100 Angstrom (3,434). A drawn
quasar is a real one of either set plus scatter, joined to one of the other set that looks like it
where the two overlap.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import distribution

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from ojala.sky.deviates import normals, uniforms

Array = NDArray[np.float64]

UV_END, BLUE_START, RED_END = 1200.0, 1200.0, 5090.0
"""Angstrom: the components are used between BLUE_START and RED_END."""

JOIN = (2300.0, 2650.0)
"""Angstrom: the blue set gives way to the red one, blueward of Mg II."""

SCATTER = 0.3
"""Width of the smoothing of the bootstrap, in standard deviations of the real coefficients."""

NUM_NEIGHBOURS = 8

DISTANT = (0.8, 1.6)
"""Redshifts over which the blue set takes the lead."""


def _rest_wave() -> Array:
    """Rest wavelengths, Angstrom: 300 km/s in the far UV, 150 to 7000, 600 in the infrared."""
    edges = [(400.0, UV_END, 1e-3), (UV_END, 7000.0, 5e-4), (7000.0, 58500.0, 2e-3)]
    return np.concatenate(
        [np.exp(np.arange(np.log(start), np.log(end), step)) for start, end, step in edges]
    )


REST_WAVE = _rest_wave()
"""Rest-frame grid of all quasar spectra, Angstrom."""

PCA_PIXELS = slice(
    int(np.searchsorted(REST_WAVE, BLUE_START)), int(np.searchsorted(REST_WAVE, RED_END))
)
"""Pixels of REST_WAVE that the components describe."""


@dataclass(frozen=True)
class Components:
    """Components of log f_lambda and the coefficients of the real quasars behind them.

    vectors: (num_components, num_wave) on ``REST_WAVE[PCA_PIXELS]``, the first one is the mean
    coefficients: (num_quasars, num_components - 1), clipped to their central 99 per cent
    """

    vectors: Array
    coefficients: Array

    def scattered(self, quasar: NDArray[np.intp], deviates: Array) -> Array:
        """Coefficients of ``quasar`` plus scatter; the sample's mean and variance are kept.

        quasar: rows of the sample, (num_sources,); deviates: (num_sources, num_coefficients)
        """
        mean, std = self.coefficients.mean(axis=0), self.coefficients.std(axis=0)
        moved = self.coefficients[quasar] - mean + SCATTER * std * deviates
        return np.asarray(mean + moved / np.sqrt(1 + SCATTER**2))

    def log_flux(self, coefficients: Array) -> Array:
        """Log f_lambda (base e), shape (num_sources, num_wave)."""
        return np.asarray(self.vectors[0] + coefficients @ self.vectors[1:])


def _read(name: str) -> Components:
    path = distribution("pypeit").locate_file(f"pypeit/data/telluric/models/{name}")
    row = fits.getdata(path, 1)[0]
    wave = row["WAVE_PCA"].ravel().astype(float)
    rest = REST_WAVE[PCA_PIXELS]
    vectors = np.array([np.interp(rest, wave, vector) for vector in row["PCA_COMP"][0]])
    coefficients = row["PCA_COEFFS"][0][:, 1:].astype(float)
    low, high = np.percentile(coefficients, [0.5, 99.5], axis=0)
    return Components(vectors, np.clip(coefficients, low, high))


@cache
def components() -> tuple[Components, Components]:
    """The blue and the red set."""
    return _read("qso_pca_1200_3100.fits"), _read("qso_pca_2200_5100.fits")


@cache
def lookalikes() -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Quasars of the other set most alike each one where the sets overlap.

    Blue ones for each red one, (num_red, NUM_NEIGHBOURS), and the other way round.
    """
    rest = REST_WAVE[PCA_PIXELS]
    overlap = np.flatnonzero((rest > 2230) & (rest < 3080))[::8]
    looks = []
    for part in components():
        look = part.log_flux(part.coefficients)[:, overlap]
        looks.append(look - look.mean(axis=1, keepdims=True))
    blue, red = looks
    distance = (red**2).sum(axis=1)[:, None] - 2 * red @ blue.T + (blue**2).sum(axis=1)
    nearest = (np.argsort(table, axis=1)[:, :NUM_NEIGHBOURS] for table in (distance, distance.T))
    of_red, of_blue = nearest
    return of_red, of_blue


def joined(seed: NDArray[np.integer], z: Array) -> Array:
    """Log f_lambda (base e) on ``REST_WAVE[PCA_PIXELS]``, arbitrary scale.

    A distant quasar is one of the blue set, seen beyond redshift 2, and a red lookalike; a near one
    is one of the red set, seen below redshift 1, and a blue lookalike.
    Shape (num_sources, num_wave).
    """
    blue, red = components()
    pair = _pair(seed, z)
    num_blue, num_red = blue.coefficients.shape[1], red.coefficients.shape[1]
    deviates = normals(seed, num_blue + num_red, stream=2)
    log_blue = blue.log_flux(blue.scattered(pair[0], deviates[:, :num_blue]))
    log_red = red.log_flux(red.scattered(pair[1], deviates[:, num_blue:]))
    return _join(log_blue, log_red)


def _pair(seed: NDArray[np.integer], z: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of the blue and of the red quasar of each source."""
    choice = uniforms(seed, 3, stream=1)
    of_red, of_blue = lookalikes()
    neighbour = (choice[:, 1] * NUM_NEIGHBOURS).astype(np.intp)
    first_blue = (choice[:, 0] * len(of_blue)).astype(np.intp)
    first_red = (choice[:, 0] * len(of_red)).astype(np.intp)
    distant = choice[:, 2] < np.clip((z - DISTANT[0]) / (DISTANT[1] - DISTANT[0]), 0, 1)
    blue = np.where(distant, first_blue, of_red[first_red, neighbour])
    red = np.where(distant, of_blue[first_blue, neighbour], first_red)
    return blue, red


def _join(log_blue: Array, log_red: Array) -> Array:
    """Blend both sets over JOIN after giving the blue one the red one's level and slope there."""
    log_wave = np.log(REST_WAVE[PCA_PIXELS])
    start, end = np.searchsorted(log_wave, np.log(JOIN))
    position = log_wave[start:end] - log_wave[start:end].mean()
    difference = (log_red - log_blue)[:, start:end]
    level = difference.mean(axis=1, keepdims=True)
    slope = (difference @ position / (position @ position))[:, None]
    log_blue = log_blue + level + slope * (log_wave - log_wave[start:end].mean())
    share = np.clip((log_wave - log_wave[start]) / (log_wave[end] - log_wave[start]), 0, 1)
    share = share**2 * (3 - 2 * share)
    return np.asarray(log_blue + share * (log_red - log_blue))
