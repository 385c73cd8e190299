"""Spectra to band fluxes: all bands of a block of spectra in one pass.

The flux density of a band is the photon-weighted mean of the spectrum,
f_lambda(band) = INT f R lambda dlambda / INT R lambda dlambda. On a fixed wavelength grid it is
a product with weights that are prepared once. A spectrum is taken as linear between its pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ojala.responses import Response

SPEED_OF_LIGHT = 2.99792458e18
"""Angstrom per second."""

AB_ZERO_FLUX = 3.631e-20
"""f_nu of magnitude 0 in the AB system, erg/s/cm2/Hz (Oke & Gunn 1983)."""

FLUX_UNIT = 1e-17
"""erg/s/cm2/Angstrom: the unit of spectra throughout."""


@dataclass(frozen=True, kw_only=True)
class ResponseMatrix:
    """The weights of bands on one wavelength grid.

    wave: Angstrom, shape (num_wave,)
    bands: tokens, in column order
    pivot: pivot wavelength of each whole response, Angstrom, shape (num_bands,)
    weights: share of each pixel in each band, shape (num_wave, num_bands); a column sums to the
        share of the response that the grid covers, 1 where it covers all of it
    """

    wave: NDArray[np.float64]
    bands: tuple[str, ...]
    pivot: NDArray[np.float64]
    weights: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class BandFluxes:
    """Flux densities of a set of spectra in named bands; all arrays (num_sources, num_bands).

    flux_lambda: the spectra's unit, NaN where not observed
    flux_err: 1 sigma of flux_lambda, NaN where not observed or where no errors were given
    coverage: share of the response-weighted integral over pixels with data, 0 to 1
    bands: tokens, in column order
    """

    flux_lambda: NDArray[np.floating]
    flux_err: NDArray[np.floating]
    coverage: NDArray[np.floating]
    bands: tuple[str, ...]

    @property
    def observed(self) -> NDArray[np.bool_]:
        """True where the band has a flux."""
        return np.isfinite(self.flux_lambda)


def prepare(
    wave: NDArray[np.float64], responses: Mapping[str, Response], tokens: Sequence[str]
) -> ResponseMatrix:
    """The weights of the bands ``tokens`` on the grid ``wave`` (Angstrom, increasing)."""
    columns = [_weights(wave, responses[token]) for token in tokens]
    return ResponseMatrix(
        wave=wave,
        bands=tuple(tokens),
        pivot=np.array([pivot_wave(responses[token]) for token in tokens]),
        weights=np.stack(columns, axis=1),
    )


def synthesize(
    flux: NDArray[np.floating],
    ivar: NDArray[np.floating] | None,
    matrix: ResponseMatrix,
    min_coverage: float = 0.95,
) -> BandFluxes:
    """The flux densities of spectra in all bands of ``matrix``.

    flux: any flux per Angstrom, shape (num_sources, num_wave)
    ivar: inverse variance, same shape, 0 = no data; None: every pixel has data, no errors
    min_coverage: smallest share of a response with data for the band to be observed

    A band with pixels missing is the weighted mean over the others.
    """
    weights = matrix.weights.astype(flux.dtype)
    if ivar is None:
        covered = np.broadcast_to(weights.sum(axis=0), (len(flux), len(matrix.bands)))
        total, variance = flux @ weights, np.full(covered.shape, np.nan, flux.dtype)
    else:
        good = ivar > 0
        covered = good.astype(flux.dtype) @ weights
        total = np.where(good, flux, 0) @ weights
        variance = np.divide(1, ivar, out=np.zeros_like(flux), where=good) @ weights**2
    observed = covered >= min_coverage
    share = np.where(observed, covered, np.nan)
    return BandFluxes(
        flux_lambda=total / share,
        flux_err=np.sqrt(variance) / share,
        coverage=covered,
        bands=matrix.bands,
    )


def pivot_wave(response: Response) -> float:
    """The wavelength that links f_lambda and f_nu of a band, Angstrom.

    pivot^2 = INT R lambda dlambda / INT (R / lambda) dlambda (Bessell & Murphy 2012, Eq. A16).
    """
    wave, share = _quadrature(response.wave, response)
    photons = share * wave
    return float(np.sqrt(photons.sum() / (share / wave).sum()))


def ab_mag(flux_lambda: NDArray[np.floating], pivot: NDArray[np.floating]) -> NDArray[np.floating]:
    """AB magnitude of a flux density; NaN where it is not positive.

    flux_lambda: 1e-17 erg/s/cm2/Angstrom; pivot: Angstrom; they broadcast
    """
    flux_nu = np.where(flux_lambda > 0, flux_lambda, np.nan) * FLUX_UNIT * pivot**2 / SPEED_OF_LIGHT
    return np.asarray(-2.5 * np.log10(flux_nu / AB_ZERO_FLUX))


def ab_mag_err(
    flux_lambda: NDArray[np.floating], flux_err: NDArray[np.floating]
) -> NDArray[np.floating]:
    """1 sigma of an AB magnitude, to first order; NaN where the flux is not positive."""
    return np.asarray(2.5 / np.log(10) * flux_err / np.where(flux_lambda > 0, flux_lambda, np.nan))


def flux_density(mag_ab: NDArray[np.floating], pivot: NDArray[np.floating]) -> NDArray[np.floating]:
    """The flux density of an AB magnitude, 1e-17 erg/s/cm2/Angstrom; inverse of ab_mag."""
    flux_nu = AB_ZERO_FLUX * 10 ** (-0.4 * np.asarray(mag_ab))
    return np.asarray(flux_nu * SPEED_OF_LIGHT / pivot**2 / FLUX_UNIT)


def _weights(wave: NDArray[np.float64], response: Response) -> NDArray[np.float64]:
    """Share of each pixel in the photons of a band, for a spectrum linear between pixels."""
    nodes, share = _quadrature(np.union1d(wave, response.wave), response)
    photons = share * nodes
    right = np.clip(np.searchsorted(wave, nodes), 1, len(wave) - 1)
    towards = (nodes - wave[right - 1]) / (wave[right] - wave[right - 1])
    photons[(towards < 0) | (towards > 1)], towards = 0, np.clip(towards, 0, 1)
    weights = np.bincount(right - 1, photons * (1 - towards), len(wave))
    weights += np.bincount(right, photons * towards, len(wave))
    return np.asarray(weights / np.sum(share * nodes))


def _quadrature(
    edges: NDArray[np.float64], response: Response
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points between ``edges`` and throughput times width there (Gauss, exact for cubics)."""
    middle, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    wave = np.concatenate([middle - half / np.sqrt(3), middle + half / np.sqrt(3)])
    throughput = np.interp(wave, response.wave, response.throughput, left=0, right=0)
    return wave, throughput * np.tile(half, 2)
