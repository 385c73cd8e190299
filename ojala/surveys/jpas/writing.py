"""Dual-mode tables as the CEFCA archive gives them out, written for the simulated sky."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from ojala.physics.jpas_filters import (
    APERTURES,
    FILTERS,
    I_BAND,
    I_WAVE_CARD,
    NOT_DETECTED,
    VALUE_AND_ERROR,
    Form,
    mag_of_flux,
    pivots,
)
from ojala.tables.shards import Columns
from ojala.tables.writing import written_whole


def write_dual(path: str | Path, columns: Columns, *, form: Form = "mag") -> None:
    """Write a dual-mode FITS table with the archive's column names.

    columns: ``tile_id``, ``number`` (int32), ``alpha_j2000``, ``delta_j2000`` (degrees); for each
        of APERTURES that is written ``flux_<aperture>`` and ``flux_err_<aperture>``, f_lambda and
        1 sigma in 1e-19 erg/s/cm2/Angstrom, shape (num_sources, num_filters), NaN where not
        observed;
        optional ``class_star``, ``flags``, ``mask_flags``, ``norm_wmap_val`` (good where left out).
    form: "mag" writes MagABDualObj: magnitudes cannot be negative, so a flux <= 0 becomes 99;
        "flux" writes FLambdaDualObj, NaN where not observed.

    Raises ValueError for a column that is missing or not of an element per filter.
    """
    num_sources = len(columns["tile_id"])
    shape = (num_sources, len(FILTERS))
    good: Columns = {
        "class_star": np.full(num_sources, np.nan),
        "flags": np.zeros(shape),
        "mask_flags": np.zeros(shape),
        "norm_wmap_val": np.ones(shape),
    }
    columns = good | columns
    written = [
        fits.Column(name, kind, unit=unit, array=_of_shape(path, name, columns, shape[:1]))
        for name, kind, unit in _SCALARS
    ]
    for aperture in APERTURES:
        if f"flux_{aperture}" in columns:
            written += _aperture(path, aperture, columns, form, shape)
    for name, kind in (("flags", "J"), ("mask_flags", "J"), ("norm_wmap_val", "E")):
        written.append(
            fits.Column(name, f"{len(FILTERS)}{kind}", array=_of_shape(path, name, columns, shape))
        )
    table = fits.BinTableHDU.from_columns(written, name=_TABLE[form])
    i_wave = float(pivots()[I_BAND])
    table.header[I_WAVE_CARD] = (i_wave, f"pivot wavelength of {FILTERS[I_BAND]}, Angstrom")
    with written_whole(path) as partial:
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(partial)


_TABLE = {"mag": "MagABDualObj", "flux": "FLambdaDualObj"}
_UNITS = {"mag": ("mag", "mag"), "flux": ("1e-19 erg / (s cm2 Angstrom)", None)}
_SCALARS = (
    ("tile_id", "J", None),
    ("number", "J", None),
    ("alpha_j2000", "D", "deg"),
    ("delta_j2000", "D", "deg"),
    ("class_star", "E", None),
)


def _aperture(
    path: str | Path, aperture: str, columns: Columns, form: Form, shape: tuple[int, ...]
) -> list[fits.Column]:
    """The value column and the error column of one aperture."""
    flux = _of_shape(path, f"flux_{aperture}", columns, shape)
    flux_err = _of_shape(path, f"flux_err_{aperture}", columns, shape)
    if form == "mag":
        stored = tuple(np.nan_to_num(x, nan=NOT_DETECTED) for x in mag_of_flux(flux, flux_err))
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            stored = (flux, flux_err / np.abs(flux))
    return [
        fits.Column(kind.format(aperture), f"{len(FILTERS)}E", unit=unit, array=array)
        for kind, unit, array in zip(VALUE_AND_ERROR[form], _UNITS[form], stored, strict=True)
    ]


def _of_shape(
    path: str | Path, name: str, columns: Columns, shape: tuple[int, ...]
) -> NDArray[Any]:
    if name not in columns:
        raise ValueError(f"{path}: column {name} is missing")
    array = np.asarray(columns[name])
    if array.shape != shape:
        raise ValueError(f"{path}: column {name} has shape {array.shape}, expected {shape}")
    return array
