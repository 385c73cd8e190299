"""Spectra to band fluxes: all bands of a block of spectra in one pass.

The flux density of a band is the photon-weighted mean of the spectrum,
f_lambda(band) = INT f R lambda dlambda / INT R lambda dlambda. On a fixed wavelength grid it is
a product with weights that are prepared once, of which a narrow band needs few. A spectrum is
taken as linear between its pixels; the errors of pixels are taken as independent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ojala.physics.responses import Response
from ojala.vocabulary.constants import AB_ZERO_FLUX, ANGSTROM_PER_SECOND

Floats = NDArray[np.floating]

MIN_COVERAGE = 0.95
"""Share of a response that must have data for the band to be observed."""

FLUX_UNIT = 1e-17
"""erg/s/cm2/Angstrom: the unit of spectra throughout."""

BLOCK = 128
"""Spectra taken at a time, so that what is made of them stays in the processor's cache."""

GROUP = 16
"""Spectra of one product. Products of one size add up in one order: the flux of a spectrum does
not depend on its neighbours, to the last bit, nor is a product large enough to be threaded."""


@dataclass(frozen=True, kw_only=True)
class ResponseMatrix:
    """The weights of bands on one wavelength grid: a banded matrix, kept by its columns.

    wave: Angstrom, shape (num_wave,)
    bands: tokens, in column order
    pivot: pivot wavelength of each whole response, Angstrom, shape (num_bands,)
    pixels: the pixels that each band touches
    weights: share of each of those pixels in the band
    coverage: sum of each band's weights, the share of its response that the grid covers: 1 where
        it covers all of it; shape (num_bands,)
    """

    wave: NDArray[np.float64]
    bands: tuple[str, ...]
    pivot: NDArray[np.float64]
    pixels: tuple[slice, ...]
    weights: tuple[NDArray[np.float64], ...]
    coverage: NDArray[np.float64]

    @cached_property
    def squares(self) -> tuple[NDArray[np.float64], ...]:
        """The squared weights, which variances take."""
        return tuple(weights**2 for weights in self.weights)

    @cached_property
    def by_pixel(self) -> csr_array:
        """The weights as a sparse matrix of shape (num_wave, num_bands)."""
        dense = np.zeros((len(self.wave), len(self.bands)))
        for column, (pixels, weights) in enumerate(zip(self.pixels, self.weights, strict=True)):
            dense[pixels, column] = weights
        return csr_array(dense)


@dataclass(frozen=True, kw_only=True)
class BandFluxes:
    """Flux densities of a set of spectra in named bands; all arrays (num_sources, num_bands).

    flux_lambda: the spectra's unit, NaN where not observed
    flux_err: 1 sigma of flux_lambda, NaN where not observed or where no errors were given
    coverage: share of the response-weighted integral over pixels with data, 0 to 1
    bands: tokens, in column order
    """

    flux_lambda: Floats
    flux_err: Floats
    coverage: Floats
    bands: tuple[str, ...]

    @property
    def observed(self) -> NDArray[np.bool_]:
        """True where the band has a flux."""
        return np.asarray(np.isfinite(self.flux_lambda))

    def relative_to(self, token: str) -> BandFluxes:
        """Fluxes over the flux in the band ``token``, errors of both to first order.

        NaN where that band was not observed or its flux is not positive.
        """
        column = self.bands.index(token)
        reference = self.flux_lambda[:, [column]]
        reference = np.where(reference > 0, reference, np.nan)
        ratio = self.flux_lambda / reference
        flux_err = np.hypot(self.flux_err, ratio * self.flux_err[:, [column]]) / reference
        flux_err[:, column] = 0 * reference[:, 0]
        return BandFluxes(
            flux_lambda=ratio, flux_err=flux_err, coverage=self.coverage, bands=self.bands
        )


def prepare(
    wave: NDArray[np.float64], responses: Mapping[str, Response], tokens: Sequence[str]
) -> ResponseMatrix:
    """The weights of the bands ``tokens`` on the grid ``wave``, Angstrom, (num_wave,).

    Raises ValueError for a grid that does not increase and for a token without a response.
    """
    wave = np.asarray(wave, np.float64)
    if wave.ndim != 1 or len(wave) < 2 or not np.all(np.diff(wave) > 0):
        raise ValueError("wavelengths must be one-dimensional and increase strictly")
    unknown = [token for token in tokens if token not in responses]
    if unknown:
        raise ValueError(f"band {unknown[0]!r} has no response")
    columns = [_weights(wave, responses[token]) for token in tokens]
    pixels = tuple(_support(column) for column in columns)
    return ResponseMatrix(
        wave=wave,
        bands=tuple(tokens),
        pivot=np.array([pivot_wave(responses[token]) for token in tokens]),
        pixels=pixels,
        weights=tuple(column[part] for column, part in zip(columns, pixels, strict=True)),
        coverage=np.array([column.sum() for column in columns]),
    )


def synthesize(
    flux: Floats, ivar: Floats | None, matrix: ResponseMatrix, min_coverage: float = MIN_COVERAGE
) -> BandFluxes:
    """The flux densities of spectra in all bands of ``matrix``.

    flux: any flux per Angstrom, shape (num_sources, num_wave)
    ivar: inverse variance, same shape, 0 = no data; None: every pixel has data, no errors
    min_coverage: smallest share of a response with data for the band to be observed

    A band with pixels missing is the weighted mean over the others. The arithmetic is done in
    the precision of ``flux``. Raises ValueError for a flux that is not finite where ivar > 0.
    """
    dtype = _precision(flux, ivar, matrix)
    sums, variance, coverage = np.empty((3, len(flux), len(matrix.bands)), dtype)
    for rows in _blocks(len(flux)):
        spectra = flux[rows].astype(dtype, copy=False)
        inverse = None if ivar is None else ivar[rows].astype(dtype, copy=False)
        sums[rows], variance[rows], coverage[rows] = _integrals(spectra, inverse, matrix)
    _require_numbers(sums, matrix.bands)
    share = np.where(coverage >= min_coverage, coverage, np.nan)
    return BandFluxes(
        flux_lambda=sums / share,
        flux_err=np.sqrt(variance) / share,
        coverage=coverage,
        bands=matrix.bands,
    )


def pivot_wave(response: Response) -> float:
    """The wavelength that links f_lambda and f_nu of a band, Angstrom.

    pivot^2 = INT R lambda dlambda / INT (R / lambda) dlambda (Bessell & Murphy 2012, Eq. A16).
    """
    fine = np.linspace(response.wave[0], response.wave[-1], 1000)
    wave, share = _quadrature(np.union1d(fine, response.wave), response)
    return float(np.sqrt((share * wave).sum() / (share / wave).sum()))


def ab_mag(flux_lambda: Floats, pivot: Floats) -> Floats:
    """AB magnitude of a flux density; NaN where it is not positive.

    flux_lambda: 1e-17 erg/s/cm2/Angstrom; pivot: Angstrom; they broadcast
    Any shapes, (num_sources, num_bands) and (num_bands,) say.
    """
    positive = np.where(flux_lambda > 0, flux_lambda, np.nan)
    return np.asarray(-2.5 * np.log10(positive / flux_density(0.0, pivot)))


def ab_mag_err(flux_lambda: Floats, flux_err: Floats) -> Floats:
    """1 sigma of an AB magnitude, to first order; NaN where the flux is not positive.

    flux_lambda, flux_err, and the answer: any shape, one unit
    """
    return np.asarray(2.5 / np.log(10) * flux_err / np.where(flux_lambda > 0, flux_lambda, np.nan))


def flux_density(mag_ab: Floats | float, pivot: Floats) -> Floats:
    """The flux density of an AB magnitude, 1e-17 erg/s/cm2/Angstrom: the inverse of ab_mag.

    mag_ab: any shape; pivot: Angstrom; they broadcast
    """
    zero = AB_ZERO_FLUX * ANGSTROM_PER_SECOND / FLUX_UNIT / np.asarray(pivot) ** 2
    return np.asarray(zero * 10 ** (-0.4 * np.asarray(mag_ab)))


def _weights(wave: NDArray[np.float64], response: Response) -> NDArray[np.float64]:
    """Share of each pixel in the photons of a band, for a spectrum linear between pixels."""
    nodes, share = _quadrature(np.union1d(wave, response.wave), response)
    photons = share * nodes
    whole = photons.sum()
    inside = (nodes > wave[0]) & (nodes < wave[-1])
    nodes, photons = nodes[inside], photons[inside]
    right = np.searchsorted(wave, nodes)
    towards = (nodes - wave[right - 1]) / (wave[right] - wave[right - 1])
    weights = np.bincount(right - 1, photons * (1 - towards), len(wave))
    weights += np.bincount(right, photons * towards, len(wave))
    return np.asarray(weights / whole)


def _quadrature(
    edges: NDArray[np.float64], response: Response
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points between ``edges`` and throughput times width there (Gauss, exact for cubics)."""
    middle, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    wave = np.concatenate([middle - half / np.sqrt(3), middle + half / np.sqrt(3)])
    throughput = np.interp(wave, response.wave, response.throughput, left=0, right=0)
    return wave, throughput * np.tile(half, 2)


def _support(weights: NDArray[np.float64]) -> slice:
    """The pixels from the first to the last with weight."""
    touched = np.flatnonzero(weights)
    return slice(int(touched[0]), int(touched[-1]) + 1) if len(touched) else slice(0, 0)


def _blocks(num_spectra: int) -> Iterator[slice]:
    for first in range(0, num_spectra, BLOCK):
        yield slice(first, min(first + BLOCK, num_spectra))


Sums = tuple[Floats, Floats, Floats]
"""Weighted sums of flux, of variance, and of the weights themselves, each (spectra, bands)."""


def _integrals(flux: Floats, ivar: Floats | None, matrix: ResponseMatrix) -> Sums:
    """Sums over the pixels with data. Few are lost, and most of those already hold a flux of 0."""
    if ivar is None:
        sums = _product(flux, matrix, matrix.weights)
        return sums, np.full_like(sums, np.nan), np.broadcast_to(matrix.coverage, sums.shape)
    lost = np.flatnonzero(~(ivar > 0))
    with np.errstate(divide="ignore"):
        noise = np.reciprocal(ivar)
    noise.flat[lost] = 0
    if np.any(flux.flat[lost]):
        flux = flux.copy()
        flux.flat[lost] = 0
    sums = _product(flux, matrix, matrix.weights)
    return sums, _product(noise, matrix, matrix.squares), _coverage(lost, len(flux), matrix)


def _coverage(lost: NDArray[np.intp], num_spectra: int, matrix: ResponseMatrix) -> Floats:
    """Share of each band over the pixels with data; ``lost`` counts pixels through all spectra."""
    if not len(lost):
        return np.broadcast_to(matrix.coverage, (num_spectra, len(matrix.bands)))
    num_wave = len(matrix.wave)
    starts = np.searchsorted(lost, np.arange(num_spectra + 1) * num_wave)
    missing = csr_array(
        (np.ones(len(lost)), lost % num_wave, starts), shape=(num_spectra, num_wave)
    )
    return np.asarray(matrix.coverage - (missing @ matrix.by_pixel).toarray()).clip(min=0)


def _product(
    spectra: Floats, matrix: ResponseMatrix, weights: tuple[NDArray[np.float64], ...]
) -> Floats:
    """Weighted sums of spectra over the pixels of each band, (spectra, bands)."""
    spare = -len(spectra) % GROUP
    padded = np.pad(spectra, ((0, spare), (0, 0))) if spare else spectra
    groups = padded.reshape(-1, GROUP, padded.shape[1])
    sums = np.empty((len(padded), len(weights)), spectra.dtype)
    for column, (pixels, shares) in enumerate(zip(matrix.pixels, weights, strict=True)):
        sums[:, column] = (groups[..., pixels] @ shares.astype(spectra.dtype)).ravel()
    return sums[: len(spectra)]


def _precision(flux: Floats, ivar: Floats | None, matrix: ResponseMatrix) -> np.dtype[Any]:
    """The type to compute in. Raises ValueError for shapes that do not fit the matrix."""
    for name, values in (("flux", flux), ("ivar", flux if ivar is None else ivar)):
        if values.shape != (len(flux), len(matrix.wave)):
            expected = f"({len(flux)} spectra, {len(matrix.wave)} pixels)"
            raise ValueError(f"{name} has shape {values.shape}, expected {expected}")
    return np.result_type(flux, np.float32).newbyteorder("=")


def _require_numbers(sums: Floats, bands: tuple[str, ...]) -> None:
    wrong = np.argwhere(~np.isfinite(sums))
    if len(wrong):
        row, column = wrong[0]
        raise ValueError(
            f"flux of spectrum {row} is not finite in {bands[column]}, "
            "expected numbers wherever ivar > 0"
        )
