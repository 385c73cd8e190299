"""DESI coadds and redrock files, written as DESI writes them, for simulated sources.

There is no RESOLUTION HDU and no EXP_FIBERMAP; FIBERMAP has the columns of desi_layout alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from ojala.surveys.desi.arms import check_grid
from ojala.surveys.desi.layout import FIBERMAP, FLUX_UNIT, IVAR_UNIT, REDSHIFTS, SCORES
from ojala.surveys.fits.bit_masks import erase_times
from ojala.surveys.fits.hdus import Formats, table_hdu
from ojala.tables.pixels import NSIDE
from ojala.tables.shards import Columns
from ojala.tables.writing import written_whole

Arm = tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating]]
"""wave (Angstrom), flux and ivar (num_sources, num_pixels) of one arm."""

DEFAULTS: dict[str, Any] = {
    "OBJTYPE": "TGT",
    "SUBTYPE": "",
    "PHOTSYS": "S",
    "MORPHTYPE": "",
    "MEAN_PSF_TO_FIBER_SPECFLUX": 0.78,
}
"""Columns that are not given; the others are 0. 0.78 is typical (real files: 0.73-0.79)."""


def write_coadd(
    path: str | Path,
    *,
    targetid: NDArray[np.int64],
    fibermap: Columns,
    arms: Mapping[str, Arm],
    survey: str,
    program: str,
    healpix: int,
    masks: Mapping[str, NDArray[Any]] | None = None,
) -> None:
    """Write a coadd of one healpix pixel (nside 64, nested).

    fibermap: columns of desi_layout.FIBERMAP, TARGET_RA and TARGET_DEC at least; DEFAULTS else
    arms: "b", "r", "z": wave, flux and ivar, 1e-17 erg/s/cm2/Angstrom, on the grids of arms.ARMS
    masks: bits per pixel and arm, 0 = good; all good by default

    SCORES has the median signal-to-noise ratio per pixel, and as TSNR2_LRG the mean ivar of the r
    and z arms: like DESI's, it grows as the exposure time; its scale is not DESI's.

    Raises ValueError for a column that a coadd does not have, or wavelengths that are not DESI's.
    """
    hdus = [
        fits.PrimaryHDU(header=_header(survey, program, healpix)),
        _table("FIBERMAP", FIBERMAP, {**fibermap, "TARGETID": targetid}),
    ]
    for arm, (wave, flux, ivar) in arms.items():
        mask = np.zeros(flux.shape) if masks is None else masks[arm]
        hdus += _arm_hdus(arm, wave, flux, ivar, mask)
    hdus.append(table_hdu("SCORES", SCORES, _scores(targetid, arms)))
    with written_whole(path) as partial:
        fits.HDUList(hdus).writeto(partial)
        erase_times(partial)


def write_redrock(
    path: str | Path,
    *,
    redshifts: Columns,
    fibermap: Columns,
    survey: str,
    program: str,
    healpix: int,
) -> None:
    """Write a redrock file of one healpix pixel.

    redshifts: columns of desi_layout.REDSHIFTS, TARGETID, Z, ZERR, ZWARN and SPECTYPE at least
    fibermap: as for write_coadd, TARGETID included

    Raises ValueError for a column that a redrock file does not have.
    """
    hdus = [
        fits.PrimaryHDU(header=_header(survey, program, healpix)),
        _table("REDSHIFTS", REDSHIFTS, redshifts),
        _table("FIBERMAP", FIBERMAP, fibermap),
    ]
    with written_whole(path) as partial:
        fits.HDUList(hdus).writeto(partial)


def _header(survey: str, program: str, healpix: int) -> fits.Header:
    header = fits.Header()
    header["SPGRP"], header["SPGRPVAL"] = "healpix", healpix
    header["HPXPIXEL"], header["HPXNSIDE"], header["HPXNEST"] = healpix, NSIDE, True
    header["SURVEY"], header["PROGRAM"] = survey, program
    return header


def _table(name: str, formats: Formats, columns: Columns) -> fits.BinTableHDU:
    num_rows = len(columns["TARGETID"])
    absent = {
        column: np.full(num_rows, DEFAULTS.get(column, 0))
        for column in formats
        if column not in columns
    }
    return table_hdu(name, formats, absent | columns)


def _arm_hdus(
    arm: str,
    wave: NDArray[np.floating],
    flux: NDArray[np.floating],
    ivar: NDArray[np.floating],
    mask: NDArray[Any],
) -> list[Any]:
    check_grid(wave, arm)
    letter = arm.upper()
    hdus = [
        fits.ImageHDU(np.asarray(wave, np.float64), name=f"{letter}_WAVELENGTH"),
        fits.ImageHDU(np.asarray(flux, np.float32), name=f"{letter}_FLUX"),
        fits.ImageHDU(np.asarray(ivar, np.float32), name=f"{letter}_IVAR"),
        fits.CompImageHDU(
            np.asarray(mask, np.uint32), name=f"{letter}_MASK", compression_type="GZIP_1"
        ),
    ]
    for hdu, unit in zip(hdus, ("Angstrom", FLUX_UNIT, IVAR_UNIT), strict=False):
        hdu.header["BUNIT"] = unit
    return hdus


def _scores(targetid: NDArray[np.int64], arms: Mapping[str, Arm]) -> Columns:
    snr = {
        f"MEDIAN_COADD_SNR_{arm.upper()}": np.median(flux * np.sqrt(ivar), axis=1)
        for arm, (_, flux, ivar) in arms.items()
    }
    depth = (arms["r"][2].mean(axis=1) + arms["z"][2].mean(axis=1)) / 2
    return {"TARGETID": targetid, **snr, "TSNR2_LRG": depth}
