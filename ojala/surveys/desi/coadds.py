"""DESI coadds and redrock redshifts: the files of DR1, read and written.

Both generations of coadds are read: those by tile (FIBERMAP with fibre positions, no SURVEY or
PROGRAM in the header) and those by healpix. Spectra are flux as observed, 1e-17 erg/s/cm2/A.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from ojala.physics.spectra import Spectra
from ojala.surveys.desi.arms import ARMS, WAVE, check_grid, merge_arms
from ojala.surveys.desi.layout import FIBERMAP, FLUX_UNIT, IVAR_UNIT
from ojala.surveys.desi.writing import write_coadd, write_redrock
from ojala.surveys.fits.binary_tables import Rows, column_names, read_columns
from ojala.surveys.fits.bit_masks import any_bit
from ojala.surveys.fits.hdus import check_unit, named, opened
from ojala.surveys.fits.images import holds_whole_numbers, pixels, shape
from ojala.tables.pixels import healpix
from ojala.tables.shards import Columns

__all__ = [
    "Coadd",
    "Fibermap",
    "check_coadd",
    "read_coadd",
    "read_fibermap",
    "read_redrock",
    "read_tsnr2",
    "write_coadd",
    "write_redrock",
]


TARGET_BITS = {
    "cmx": "CMX_TARGET",
    "sv1": "SV1_DESI_TARGET",
    "sv2": "SV2_DESI_TARGET",
    "sv3": "SV3_DESI_TARGET",
}
"""The FIBERMAP column that only files of that survey have; the main survey's have none."""


@dataclass(frozen=True, kw_only=True)
class Coadd:
    """Coadded spectra of one file.

    spectra: arms merged, on arms.WAVE
    fibermap: columns of FIBERMAP by name, row by row with spectra
    survey, program: of the header; a file by tile has the survey of its target bits ("sv1", "sv3"
        or "main") and the program "tile<TILEID>", which keeps its keys unique
    healpix: pixel of each source, nside 64, nested; -1 where it has no position
    """

    path: Path
    spectra: Spectra
    fibermap: Columns
    survey: str
    program: str
    healpix: NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class Fibermap:
    """The sources of a coadd, without their spectra; survey and program as a Coadd's."""

    path: Path
    columns: Columns
    survey: str
    program: str

    def __len__(self) -> int:
        return len(self.columns["TARGETID"])


def read_fibermap(path: str | Path, names: Sequence[str] = tuple(FIBERMAP)) -> Fibermap:
    """Everything of a coadd but its spectra; of FIBERMAP the columns ``names``.

    Raises ValueError naming the file and the HDU or column that is missing.
    """
    path = Path(path)
    with opened(path) as hdus:
        table = named(hdus, path, "FIBERMAP")
        columns = read_columns(table, path, list(names))
        survey, program = _survey_program(hdus[0].header, table)
    return Fibermap(
        path=path,
        columns=columns,
        survey=survey,
        program=program,
    )


def read_coadd(
    path: str | Path, rows: Rows | None = None, *, fibermap: Fibermap | None = None
) -> Coadd:
    """Spectra of a coadd with their FIBERMAP; pixels with MASK != 0 get ivar 0.

    rows: the rows to read, all by default; fibermap: of this file, where it was read before

    Raises ValueError naming the file and HDU: not FITS, cut off, an HDU or column missing, a
    wrong unit, wavelengths that are not DESI's, or a TARGETID that comes twice.
    """
    path = Path(path)
    whole = fibermap if fibermap is not None else read_fibermap(path)
    picked = slice(None) if rows is None else rows
    span, within = _span(picked)
    check_coadd(path, len(whole))
    with opened(path) as hdus:
        arms = {arm: _read_arm(hdus, path, arm, span) for arm in ARMS}
        if within is not None:
            arms = {arm: (flux[within], ivar[within]) for arm, (flux, ivar) in arms.items()}
        flux, ivar = merge_arms(arms)
        # A sum finds NaN and infinity in a whole block, at a fraction of the cost of a search.
        if not (np.isfinite(flux.sum()) and np.isfinite(ivar.sum())):
            flux, ivar = merge_arms(_finite(arms))
    columns = {name: values[picked] for name, values in whole.columns.items()}
    try:
        spectra = Spectra(wave=WAVE, flux=flux, ivar=ivar, targetid=columns["TARGETID"])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return Coadd(
        path=path,
        spectra=spectra,
        fibermap=columns,
        survey=whole.survey,
        program=whole.program,
        healpix=healpix(columns["TARGET_RA"], columns["TARGET_DEC"]),
    )


def check_coadd(path: str | Path, num_spectra: int) -> None:
    """Look at everything of a coadd's arms but the pixels: shapes, wavelengths, units.

    Raises ValueError as read_coadd does.
    """
    path = Path(path)
    with opened(path) as hdus:
        for arm in ARMS:
            _check_arm(hdus, path, arm, num_spectra)


def read_redrock(path: str | Path) -> Columns:
    """TARGETID, Z, ZERR, ZWARN, SPECTYPE of a redrock file (HDU REDSHIFTS, before 2022 ZBEST).

    Raises ValueError naming the file and the HDU or column that is missing, or the TARGETID that
    comes twice.
    """
    with opened(path) as hdus:
        older = "REDSHIFTS" not in hdus and "ZBEST" in hdus
        table = named(hdus, path, "ZBEST" if older else "REDSHIFTS")
        columns = read_columns(table, path, ["TARGETID", "Z", "ZERR", "ZWARN", "SPECTYPE"])
    ids, counts = np.unique(columns["TARGETID"], return_counts=True)
    if np.any(counts > 1):
        raise ValueError(
            f"{path}: HDU {table.name} has TARGETID {ids[counts > 1][0]} more than once"
        )
    return columns


def read_tsnr2(path: str | Path) -> NDArray[np.float32]:
    """TSNR2_LRG of a coadd's SCORES: squared signal-to-noise ratio of a template, per row."""
    with opened(path) as hdus:
        table = named(hdus, path, "SCORES")
        return read_columns(table, path, ["TSNR2_LRG"])["TSNR2_LRG"]


def _span(rows: Rows) -> tuple[slice, NDArray[np.intp] | None]:
    """The range that holds ``rows``, and their places in it unless they are all of it."""
    if isinstance(rows, slice):
        return rows, None
    if len(rows) == 0:
        return slice(0, 0), None
    first, last = int(rows.min()), int(rows.max())
    within = None if np.array_equal(rows, np.arange(first, last + 1)) else rows - first
    return slice(first, last + 1), within


def _survey_program(header: fits.Header, fibermap: Any) -> tuple[str, str]:
    if "SURVEY" in header and "PROGRAM" in header:
        return str(header["SURVEY"]).strip(), str(header["PROGRAM"]).strip()
    names = column_names(fibermap)
    surveys = [survey for survey, bits in TARGET_BITS.items() if bits in names]
    return (surveys or ["main"])[0], f"tile{header.get('TILEID', '')}"


def _read_arm(
    hdus: fits.HDUList, path: Path, arm: str, rows: slice
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Flux and ivar of one arm; ivar is 0 where MASK is set."""
    flux, ivar = (_real(hdus, path, f"{arm.upper()}_{kind}", rows) for kind in ("FLUX", "IVAR"))
    masked = any_bit(named(hdus, path, f"{arm.upper()}_MASK"), path, rows)
    return flux, np.where(masked, np.float32(0), ivar) if masked.any() else ivar


def _real(hdus: fits.HDUList, path: Path, name: str, rows: slice) -> NDArray[np.floating]:
    try:
        return pixels(named(hdus, path, name), rows)
    except (OSError, zlib.error):
        raise ValueError(f"{path}: HDU {name}: compressed pixels cannot be read") from None


def _check_arm(hdus: fits.HDUList, path: Path, arm: str, num_rows: int) -> None:
    """Raise ValueError unless the HDUs of an arm are there, whole, of its grid and in its units."""
    letter = arm.upper()
    wave = named(hdus, path, f"{letter}_WAVELENGTH")
    try:
        check_grid(pixels(wave), arm)
    except ValueError as error:
        raise ValueError(f"{path}: HDU {wave.name}: {error}") from None
    for kind, unit, power in (("FLUX", FLUX_UNIT, 1), ("IVAR", IVAR_UNIT, -2), ("MASK", "", 0)):
        hdu = named(hdus, path, f"{letter}_{kind}")
        _check_shape(hdu, path, (num_rows, len(ARMS[arm])))
        if unit:
            check_unit(hdu, path, unit, power)
            if holds_whole_numbers(hdu):
                raise ValueError(f"{path}: HDU {hdu.name} holds integers, expected real numbers")


def _check_shape(hdu: Any, path: Path, expected: tuple[int, int]) -> None:
    found = shape(hdu)
    if found != expected:
        raise ValueError(f"{path}: HDU {hdu.name} has shape {found}, expected {expected}")


def _finite(
    arms: dict[str, tuple[NDArray[np.floating], NDArray[np.floating]]],
) -> dict[str, tuple[NDArray[np.floating], NDArray[np.floating]]]:
    """The arms with ivar and flux 0 wherever one of them is not finite."""
    finite = {}
    for arm, (flux, ivar) in arms.items():
        good = np.isfinite(flux) & np.isfinite(ivar)
        finite[arm] = np.where(good, flux, np.float32(0)), np.where(good, ivar, np.float32(0))
    return finite
