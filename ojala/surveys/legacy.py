"""Legacy Surveys photometry: sweep-like Tractor tables of g, r, z, W1, W2 and morphology.

Fluxes are total model fluxes in nanomaggies (AB zero-point 22.5), as observed: not corrected
for Galactic extinction, since J-PAS photometry and DESI spectra are not either.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from ojala.shards import Columns
from ojala.writing import written_whole

BANDS = ("G", "R", "Z", "W1", "W2")

NANOMAGGIE_ZERO = 22.5
"""AB magnitude of one nanomaggie."""

POGSON = 2.5 / np.log(10)


def ab_of_nanomaggies(flux: NDArray[Any], ivar: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """AB magnitude and 1 sigma of fluxes (nanomaggies) and inverse variances, any shape.

    NaN where nothing was observed (ivar <= 0) or the flux is not positive.
    """
    flux, ivar = np.asarray(flux, dtype=np.float64), np.asarray(ivar, dtype=np.float64)
    positive = (flux > 0) & (ivar > 0) & np.isfinite(flux) & np.isfinite(ivar)
    flux, ivar = np.where(positive, flux, np.nan), np.where(positive, ivar, np.nan)
    return NANOMAGGIE_ZERO - 2.5 * np.log10(flux), POGSON / (flux * np.sqrt(ivar))


def write_sweep(path: str | Path, columns: Columns) -> None:
    """Write a sweep-like FITS table.

    columns: ``RA``, ``DEC`` (degrees), ``TYPE`` (Tractor morphology: PSF, REX, EXP, DEV, SER),
        ``FLUX_<band>`` (nanomaggies) and ``FLUX_IVAR_<band>`` for G, R, Z, W1, W2;
        optional ``EBV`` (mag), ``RELEASE``, ``BRICKID``, ``OBJID``.

    Raises ValueError for a column that is missing.
    """
    for name in ("RA", "DEC", "TYPE", *_flux_columns()):
        if name not in columns:
            raise ValueError(f"{path}: column {name} is missing, a sweep table needs it")
    written = [
        fits.Column(name, kind, unit=unit, array=np.asarray(columns[name]))
        for name, (kind, unit) in _FORMATS.items()
        if name in columns
    ]
    with written_whole(path) as partial:
        table = fits.BinTableHDU.from_columns(written, name="SWEEP")
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(partial)


def _flux_columns() -> tuple[str, ...]:
    return tuple(f"{kind}_{band}" for band in BANDS for kind in ("FLUX", "FLUX_IVAR"))


_FORMATS: dict[str, tuple[str, str | None]] = {
    "RELEASE": ("I", None),
    "BRICKID": ("J", None),
    "OBJID": ("J", None),
    "TYPE": ("4A", None),
    "RA": ("D", "deg"),
    "DEC": ("D", "deg"),
    "EBV": ("E", "mag"),
    **{f"FLUX_{band}": ("E", "nanomaggy") for band in BANDS},
    **{f"FLUX_IVAR_{band}": ("E", "1/nanomaggy^2") for band in BANDS},
}
