"""The light of simulated sources as it reaches the telescopes: spectra and band fluxes.

A source is rendered once, on a grid from uJAVA to W2 that is DESI's own where DESI looks; every
survey's photometry and spectrum of it come from that one spectrum.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from ojala.physics.jpas_filters import FILTERS
from ojala.physics.milky_way import transmission
from ojala.physics.responses import LEGACY, WISE, Response, legacy, packaged, wise
from ojala.physics.synphot import ResponseMatrix, ab_mag, prepare, synthesize
from ojala.sky.instruments.depths import jpas_depths
from ojala.sky.population import Sample, render
from ojala.surveys.desi.arms import WAVE
from ojala.vocabulary.bands import reference_band
from ojala.vocabulary.constants import NANOMAGGIE_ZERO

Floats = NDArray[np.float64]

ROWS = 512
"""Sources rendered at a time, which bounds memory."""


@dataclass(frozen=True, kw_only=True)
class BandLight:
    """Noiseless band fluxes of sources, all of their light, behind the Milky Way's dust.

    flux_lambda: 1e-17 erg/s/cm2/A, (num_sources, num_bands)
    bands: the survey's filters, ``uJAVA`` ... ``J1007`` of J-PAS, the reference by its token
        (``MAG_i``), ``MAG_G_S`` ... ``MAG_Z_N``, ``MAG_W1``, ``MAG_W2``; the Legacy
        Surveys' bands twice, for DECam ("S") and for BASS and MzLS ("N")
    pivot: Angstrom, (num_bands,)
    """

    flux_lambda: Floats
    bands: tuple[str, ...]
    pivot: Floats

    def of(self, bands: Sequence[str]) -> Floats:
        """Columns by name, 1e-17 erg/s/cm2/A."""
        return self.flux_lambda[:, [self.bands.index(name) for name in bands]]

    def rows(self, chosen: slice) -> BandLight:
        """The band fluxes of some of the sources."""
        return BandLight(flux_lambda=self.flux_lambda[chosen], bands=self.bands, pivot=self.pivot)

    def mag(self, band: str) -> Floats:
        """AB magnitudes in a band."""
        column = self.bands.index(band)
        return np.asarray(ab_mag(self.flux_lambda[:, column], self.pivot[column]))

    def nanomaggies(self, band: str, photsys: NDArray[np.str_]) -> Floats:
        """Fluxes in G, R, Z, W1 or W2 as the Legacy Surveys' system of each source has them.

        photsys ("N" or "S"), and the fluxes: (num_sources,)
        """
        if band in ("W1", "W2"):
            return np.asarray(10 ** (-0.4 * (self.mag(f"MAG_{band}") - NANOMAGGIE_ZERO)))
        south, north = (self.mag(f"MAG_{band}_{system}") for system in "SN")
        return np.asarray(10 ** (-0.4 * (np.where(photsys == "N", north, south) - NANOMAGGIE_ZERO)))


def joined(lights: Sequence[BandLight]) -> BandLight:
    """The band fluxes of several sets of sources, one after another."""
    flux = np.concatenate([light.flux_lambda for light in lights])
    return BandLight(flux_lambda=flux, bands=lights[0].bands, pivot=lights[0].pivot)


@cache
def grid(step: float) -> Floats:
    """Wavelengths, Angstrom: DESI's pixels or ``step`` over the optical, coarse in W1 and W2."""
    optical = WAVE if step == 0 else np.arange(WAVE[0], WAVE[-1], step)
    blue = np.arange(2990.0, optical[0], 2.0)
    red = np.arange(optical[-1] + 2.0, 11010.0, 2.0)
    return np.concatenate([blue, optical, red, np.arange(25_000.0, 57_000.0, 50.0)])


SPECTRUM_STEP, FIELD_STEP = 0.0, 2.0
"""Of grid(): with DESI's pixels, for sources with a spectrum; coarser, for those without."""


def lights(
    samples: Sequence[Sample], ebv: float, step: float
) -> Iterator[tuple[NDArray[np.float32], BandLight]]:
    """Spectra on grid(step) and band fluxes of samples, ROWS sources at a time, in their order.

    ebv: E(B-V) of the Milky Way, mag
    """
    wave, matrix, dimming = grid(step), response_matrix(step), _dimming(ebv, step)
    for sample in samples:
        for flux in render(sample, wave, ROWS):
            flux *= dimming
            bands = synthesize(flux, None, matrix).flux_lambda.astype(np.float64)
            yield flux, BandLight(flux_lambda=bands, bands=matrix.bands, pivot=matrix.pivot)


def optical(flux: NDArray[np.float32]) -> NDArray[np.float32]:
    """DESI's pixels of spectra on grid(SPECTRUM_STEP).

    flux: (num_sources, num_wave of the grid); returns (num_sources, 7781)
    """
    first = int(np.searchsorted(grid(SPECTRUM_STEP), WAVE[0]))
    return flux[:, first : first + len(WAVE)]


@cache
def response_matrix(step: float) -> ResponseMatrix:
    """All bands of BandLight on grid(step)."""
    curves = packaged() | wise()
    for photsys in LEGACY:
        curves |= {f"{token}_{photsys}": curve for token, curve in legacy(photsys).items()}
    depths = jpas_depths()
    for row, name in enumerate(FILTERS[:-1]):
        if name not in curves:
            curves[name] = _medium_band(depths.wave[row], depths.fwhm[row])
    legacy_bands = [f"MAG_{band}_{photsys}" for photsys in "SN" for band in "GRZ"]
    bands = [*FILTERS[:-1], reference_band().token, *legacy_bands, *WISE]
    return prepare(grid(step), curves, bands)


@lru_cache(maxsize=4)
def _dimming(ebv: float, step: float) -> NDArray[np.float32]:
    """Share of the light that the Milky Way lets through on grid(step)."""
    return transmission(grid(step), ebv).astype(np.float32)


def _medium_band(centre: float, fwhm: float) -> Response:
    """A flat response with edges 20 Angstrom soft, for filters that are no bands of the model."""
    wave = np.arange(centre - fwhm, centre + fwhm, 5.0)
    edges = [erf((wave - centre + side * fwhm / 2) / 20) for side in (1, -1)]
    return Response(wave, np.clip((edges[0] - edges[1]) / 2, 0, None))
