"""J-PAS dual-mode catalogues: one row per source detected in i, arrays over the 57 filters.

Two tables of the CEFCA archive hold the same sources: ``jpas.MagABDualObj`` (AB magnitudes, 99
for the value and its error where a source is not detected) and ``jpas.FLambdaDualObj`` (fluxes
in 1e-19 erg/s/cm2/Angstrom and their relative errors). Both are read into the same fluxes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from ojala.bands import band, narrow_bands
from ojala.shards import Columns
from ojala.writing import written_whole

FILTERS = ("uJAVA", *(band.token for band in narrow_bands()), "J1007", "iSDSS")
"""Names of the array elements, in the order of the archive's table jpas.Filter."""

APERTURES = ("auto", "aper_cor_3_0", "aper_cor_6_0")
"""Apertures that are written; the reader takes shapes from the second, the total from the first."""

NOT_DETECTED = 99.0
"""Sentinel of a magnitude, and of its error."""

FLUX_UNIT = 1e-19
"""erg/s/cm2/Angstrom, the unit of FLambdaDualObj."""

AB_FLUX = 3631e-23 * 2.99792458e18 / FLUX_UNIT
"""c x 3631 Jy, FLUX_UNIT x Angstrom^2: AB magnitude 0 is f_lambda = AB_FLUX / pivot^2."""

POGSON = 2.5 / np.log(10)

Form = Literal["mag", "flux"]


def pivots() -> NDArray[np.float64]:
    """Pivot wavelengths of FILTERS, Angstrom; uJAVA and J1007, never used, as the archive says."""
    outside = {"uJAVA": 3497.0, "J1007": 9316.0}
    tokens = {"iSDSS": "MAG_i"}
    return np.array([outside.get(name) or band(tokens.get(name, name)).wave for name in FILTERS])


def flux_of_mag(
    mag_ab: NDArray[Any], mag_ab_err: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """f_lambda and its 1 sigma, 1e-19 erg/s/cm2/Angstrom, of AB magnitudes of the 57 filters.

    Arrays have shape (num_sources, 57); NaN where the magnitude is NaN.
    """
    flux = AB_FLUX / pivots() ** 2 * 10 ** (-0.4 * np.asarray(mag_ab, dtype=np.float64))
    return flux, flux * mag_ab_err / POGSON


def mag_of_flux(flux: NDArray[Any], flux_err: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """AB magnitudes and errors of f_lambda, (num_sources, 57); NaN where flux <= 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        mag_ab = -2.5 * np.log10(np.asarray(flux, dtype=np.float64) * pivots() ** 2 / AB_FLUX)
        mag_ab_err = POGSON * np.asarray(flux_err) / np.asarray(flux)
    positive = np.isfinite(mag_ab) & np.isfinite(mag_ab_err) & (np.asarray(flux) > 0)
    return np.where(positive, mag_ab, np.nan), np.where(positive, mag_ab_err, np.nan)


def write_dual(path: str | Path, columns: Columns, *, form: Form = "mag") -> None:
    """Write a dual-mode FITS table with the archive's column names.

    columns: ``tile_id``, ``number`` (int32), ``alpha_j2000``, ``delta_j2000`` (degrees); for each
        of APERTURES that is written ``flux_<aperture>`` and ``flux_err_<aperture>``, f_lambda and
        1 sigma in 1e-19 erg/s/cm2/Angstrom, shape (num_sources, 57), NaN where not observed;
        optional ``class_star``, ``flags``, ``mask_flags``, ``norm_wmap_val`` (good where left out).
    form: "mag" writes MagABDualObj: magnitudes cannot be negative, so a flux <= 0 becomes 99;
        "flux" writes FLambdaDualObj, NaN where not observed.

    Raises ValueError for a column that is missing or not of 57 elements.
    """
    num_sources = len(columns["tile_id"])
    shape = (num_sources, len(FILTERS))
    good: Columns = {
        "class_star": np.full(num_sources, np.nan),
        "flags": np.zeros(shape),
        "mask_flags": np.zeros(shape),
        "norm_wmap_val": np.ones(shape),
    }
    written = [_scalar(name, kind, unit, columns, good) for name, kind, unit in _SCALARS]
    for aperture in APERTURES:
        if f"flux_{aperture}" in columns:
            written += _aperture(path, aperture, columns, form, shape)
    for name, kind in (("flags", "57J"), ("mask_flags", "57J"), ("norm_wmap_val", "57E")):
        array = np.asarray(columns.get(name, good[name]))
        written.append(fits.Column(name, kind, array=_of_shape(path, name, array, shape)))
    table = fits.BinTableHDU.from_columns(written, name=_TABLE[form])
    with written_whole(path) as partial:
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(partial)


_TABLE = {"mag": "MagABDualObj", "flux": "FLambdaDualObj"}
_SCALARS = (
    ("tile_id", "J", None),
    ("number", "J", None),
    ("alpha_j2000", "D", "deg"),
    ("delta_j2000", "D", "deg"),
    ("class_star", "E", None),
)


def _scalar(name: str, kind: str, unit: str | None, columns: Columns, good: Columns) -> fits.Column:
    return fits.Column(name, kind, unit=unit, array=columns.get(name, good.get(name)))


def _aperture(
    path: str | Path, aperture: str, columns: Columns, form: Form, shape: tuple[int, int]
) -> list[fits.Column]:
    """The value column and the error column of one aperture."""
    flux, flux_err = (
        _of_shape(path, name, np.asarray(columns[name]), shape)
        for name in (f"flux_{aperture}", f"flux_err_{aperture}")
    )
    if form == "mag":
        value, error = (np.nan_to_num(x, nan=NOT_DETECTED) for x in mag_of_flux(flux, flux_err))
        names, unit = (f"mag_{aperture}", f"mag_err_{aperture}"), ("mag", "mag")
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            value, error = flux, flux_err / np.abs(flux)
        names, unit = (f"flux_{aperture}", f"flux_relerr_{aperture}"), (_FLUX_TUNIT, "")
    return [
        fits.Column(name, "57E", unit=tunit or None, array=array)
        for name, tunit, array in zip(names, unit, (value, error), strict=True)
    ]


_FLUX_TUNIT = "1e-19 erg / (s cm2 Angstrom)"


def _of_shape(
    path: str | Path, name: str, array: NDArray[Any], shape: tuple[int, int]
) -> NDArray[Any]:
    if array.shape != shape:
        raise ValueError(f"{path}: column {name} has shape {array.shape}, expected {shape}")
    return array
