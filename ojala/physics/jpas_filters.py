"""The filters of a dual-mode table, 57 of J-PAS: their order, their AB fluxes, their flags."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ojala.vocabulary.bands import narrow_bands, reference_band
from ojala.vocabulary.constants import AB_ZERO_FLUX, ANGSTROM_PER_SECOND, POGSON
from ojala.vocabulary.filters import filters

FILTERS = tuple(each.name for each in filters())
"""Names of the array elements, in the order of the archive's table jpas.Filter."""

I_BAND = len(FILTERS) - 1
"""The reference, iSDSS of J-PAS: the last element."""


def _narrow() -> slice | NDArray[np.intp]:
    places = [FILTERS.index(band.token) for band in narrow_bands()]
    in_a_row = list(range(places[0], places[0] + len(places)))
    return slice(places[0], in_a_row[-1] + 1) if places == in_a_row else np.array(places)


NARROW = _narrow()
"""Elements of the narrow bands: 54 of J-PAS, in a row."""

APERTURES = ("auto", "aper_cor_3_0", "aper_cor_6_0")
"""Apertures of the archive that this project reads or writes."""

Form = Literal["mag", "flux"]
"""AB magnitudes (jpas.MagABDualObj) or fluxes (jpas.FLambdaDualObj)."""

VALUE_AND_ERROR = {"mag": ("mag_{}", "mag_err_{}"), "flux": ("flux_{}", "flux_relerr_{}")}
"""Column names of an aperture's values and errors, by form."""

NOT_DETECTED = 99.0
"""Sentinel of a magnitude, and of its error."""

FLUX_UNIT = 1e-19
"""erg/s/cm2/Angstrom, the unit of J-PAS fluxes."""

ARCHIVE_I_WAVE = 7725.0 if FILTERS[I_BAND] == "iSDSS" else reference_band().wave
"""iSDSS in the archive's table jpas.Filter, Angstrom: what links its magnitudes and fluxes.

Of another survey, the pivot of its reference.
"""

I_WAVE_CARD = "IWAVE"
"""Header card of tables whose i band has another pivot, as that of the simulated sky."""

UNUSABLE_FLAGS = {
    4: "saturated",
    8: "cut by the image border",
    16: "aperture incomplete or corrupted",
    32: "isophote incomplete or corrupted",
    64: "memory overflow while deblending",
    128: "memory overflow while extracting",
}
"""Bits of FLAGS that make a measurement unusable, as SExtractor defines them.

Bits 1 (neighbours or bad pixels) and 2 (deblended) warn only: both are common and mild.
"""


def usable(flags: NDArray[Any], mask_flags: NDArray[Any]) -> NDArray[np.bool_]:
    """True where no flag of UNUSABLE_FLAGS is set and the archive's masks (any bit) are clear.

    mask_flags tell that a source lies outside the window of a filter's image, or near a bright
    star or an artefact.

    flags, mask_flags, and the answer: any shape
    """
    bits = sum(UNUSABLE_FLAGS)
    clear = (np.asarray(flags, dtype=np.int64) & bits == 0) & (np.asarray(mask_flags) == 0)
    return np.asarray(clear)


def pivots(i_wave: float | None = None) -> NDArray[np.float64]:
    """Pivot wavelengths of FILTERS, Angstrom; those that are no bands, as the archive says.

    i_wave: of the reference; None: of its band, which mocks and the simulated sky use
    """
    known = {band.token: band.wave for band in narrow_bands()}
    waves = [known.get(each.name, each.wave) for each in filters()[:-1]]
    return np.array([*waves, i_wave or reference_band().wave])


def flux_of_mag(
    mag_ab: NDArray[Any], mag_ab_err: NDArray[Any], wave: NDArray[np.float64] | float | None = None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """f_lambda and its 1 sigma, 1e-19 erg/s/cm2/Angstrom, of AB magnitudes.

    f_lambda = c x 3631 Jy / wave^2 x 10^(-0.4 m); NaN where the magnitude is NaN.
    wave: pivot wavelengths, Angstrom; None: those of FILTERS, for (num_sources, num_filters) arrays
    """
    flux = _flux_of_zero(wave) * 10 ** (-0.4 * np.asarray(mag_ab, dtype=np.float64))
    return flux, flux * mag_ab_err / POGSON


def mag_of_flux(
    flux: NDArray[Any], flux_err: NDArray[Any], wave: NDArray[np.float64] | float | None = None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """AB magnitudes and errors of f_lambda, as in ``flux_of_mag``; NaN where flux <= 0.

    All of any shape that broadcasts with wave: (num_sources, num_filters) where wave is None.
    """
    flux = np.where(np.asarray(flux) > 0, np.asarray(flux, dtype=np.float64), np.nan)
    mag_ab, mag_ab_err = -2.5 * np.log10(flux / _flux_of_zero(wave)), POGSON * flux_err / flux
    observed = np.isfinite(mag_ab) & np.isfinite(mag_ab_err)
    return np.where(observed, mag_ab, np.nan), np.where(observed, mag_ab_err, np.nan)


def over_i(
    flux: NDArray[np.float64],
    flux_err: NDArray[np.float64],
    i_flux: NDArray[np.float64],
    i_flux_err: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """f_lambda over f_lambda(i) and the ratio's 1 sigma, both measurements' errors included.

    flux, flux_err: (num_sources, num_bands); i_flux, i_flux_err: (num_sources,), same aperture.
    NaN where the i flux is not positive.
    """
    norm = np.where(i_flux > 0, i_flux, np.nan)[:, None]
    ratio = flux / norm
    return ratio, np.hypot(flux_err, ratio * i_flux_err[:, None]) / norm


def _flux_of_zero(wave: NDArray[np.float64] | float | None) -> NDArray[np.float64]:
    """f_lambda of AB magnitude 0 at a pivot wavelength, FLUX_UNIT."""
    pivot = pivots() if wave is None else np.asarray(wave)
    return np.asarray(AB_ZERO_FLUX * ANGSTROM_PER_SECOND / FLUX_UNIT / pivot**2)
