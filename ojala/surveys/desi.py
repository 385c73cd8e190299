"""DESI coadds and redrock redshifts: the files of DR1, read and written.

Both generations of coadds are read: those by tile (FIBERMAP with fibre positions, no SURVEY or
PROGRAM in the header) and those by healpix. Spectra are flux as observed, 1e-17 erg/s/cm2/A.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units
from astropy.io import fits
from astropy_healpix import lonlat_to_healpix
from numpy.typing import NDArray

from ojala.shards import Columns
from ojala.spectra import Spectra
from ojala.surveys.arms import ARMS, WAVE, check_grid, merge_arms
from ojala.surveys.desi_layout import FIBERMAP, FLUX_UNIT, IVAR_UNIT, NSIDE
from ojala.surveys.desi_writing import write_coadd, write_redrock
from ojala.surveys.hdus import Rows, check_unit, column_names, named, opened, read_columns

__all__ = [
    "Coadd",
    "Fibermap",
    "healpix_of",
    "read_coadd",
    "read_fibermap",
    "read_redrock",
    "read_tsnr2",
    "write_coadd",
    "write_redrock",
]


@dataclass(frozen=True, kw_only=True)
class Coadd:
    """Coadded spectra of one file.

    spectra: arms merged, on arms.WAVE
    fibermap: columns of FIBERMAP by name, row by row with spectra
    survey, program: of the header; a file by tile has the survey of its target bits ("sv1", "sv3"
        or "main") and the program "tile<TILEID>", which keeps its keys unique
    healpix: pixel of each source, nside 64, nested
    """

    path: Path
    spectra: Spectra
    fibermap: Columns
    survey: str
    program: str
    healpix: NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class Fibermap:
    """The sources of a coadd, without their spectra; the same fields as a Coadd's."""

    path: Path
    columns: Columns
    survey: str
    program: str
    healpix: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.columns["TARGETID"])


def read_fibermap(path: str | Path) -> Fibermap:
    """Everything of a coadd but its spectra.

    Raises ValueError naming the file and the HDU or column that is missing.
    """
    path = Path(path)
    with opened(path) as hdus:
        table = named(hdus, path, "FIBERMAP")
        columns = read_columns(table, path, list(FIBERMAP))
        survey, program = _survey_program(hdus[0].header, column_names(table))
    return Fibermap(
        path=path,
        columns=columns,
        survey=survey,
        program=program,
        healpix=healpix_of(columns["TARGET_RA"], columns["TARGET_DEC"]),
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
    with opened(path) as hdus:
        arms = {arm: _read_arm(hdus, path, arm, picked, len(whole)) for arm in ARMS}
    flux, ivar = merge_arms(arms)
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
        healpix=whole.healpix[picked],
    )


def read_redrock(path: str | Path) -> Columns:
    """TARGETID, Z, ZERR, ZWARN, SPECTYPE of a redrock file.

    Raises ValueError naming the file and the HDU or column that is missing, or the TARGETID that
    comes twice.
    """
    with opened(path) as hdus:
        table = named(hdus, path, "REDSHIFTS")
        columns = read_columns(table, path, ["TARGETID", "Z", "ZERR", "ZWARN", "SPECTYPE"])
    ids, counts = np.unique(columns["TARGETID"], return_counts=True)
    if np.any(counts > 1):
        raise ValueError(f"{path}: HDU REDSHIFTS has TARGETID {ids[counts > 1][0]} more than once")
    return columns


def read_tsnr2(path: str | Path) -> NDArray[np.float32]:
    """TSNR2_LRG of a coadd's SCORES: squared signal-to-noise ratio of a template, per row."""
    with opened(path) as hdus:
        table = named(hdus, path, "SCORES")
        return read_columns(table, path, ["TSNR2_LRG"])["TSNR2_LRG"]


def healpix_of(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> NDArray[np.int32]:
    """Nested pixels of nside 64 of positions in degrees."""
    pixels = lonlat_to_healpix(ra * units.deg, dec * units.deg, NSIDE, order="nested")
    return np.asarray(pixels, dtype=np.int32)


def _survey_program(header: fits.Header, names: list[str]) -> tuple[str, str]:
    if "SURVEY" in header and "PROGRAM" in header:
        return str(header["SURVEY"]).strip(), str(header["PROGRAM"]).strip()
    surveys = [survey for survey in ("cmx", "sv1", "sv2", "sv3") if _bits(survey) in names]
    return (surveys or ["main"])[0], f"tile{header.get('TILEID', '')}"


def _bits(survey: str) -> str:
    return "CMX_TARGET" if survey == "cmx" else f"{survey.upper()}_DESI_TARGET"


def _read_arm(
    hdus: fits.HDUList, path: Path, arm: str, rows: Rows, num_rows: int
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Flux and ivar of one arm; ivar is 0 where MASK is set or a value is not finite."""
    letter = arm.upper()
    try:
        check_grid(np.asarray(named(hdus, path, f"{letter}_WAVELENGTH").data), arm)
    except ValueError as error:
        raise ValueError(_once(path, f"HDU {letter}_WAVELENGTH: ", error)) from None
    flux = _pixels(hdus, path, f"{letter}_FLUX", FLUX_UNIT, num_rows, arm)[rows]
    ivar = _pixels(hdus, path, f"{letter}_IVAR", IVAR_UNIT, num_rows, arm)[rows]
    bad = _masked(hdus, path, f"{letter}_MASK", num_rows, arm)[rows]
    # One sum finds NaN and infinity in a whole block, at a fifth of the cost of looking for them.
    if not (np.isfinite(flux.sum()) and np.isfinite(ivar.sum())):
        bad = bad | ~np.isfinite(flux) | ~np.isfinite(ivar)
        flux = np.where(bad, np.float32(0), flux)
    return flux, np.where(bad, np.float32(0), ivar) if bad.any() else ivar


def _pixels(
    hdus: fits.HDUList, path: Path, name: str, unit: str, num_rows: int, arm: str
) -> NDArray[np.floating]:
    hdu = named(hdus, path, name)
    check_unit(hdu, path, unit)
    _check_shape(hdu, path, name, (num_rows, len(ARMS[arm])))
    return np.asarray(hdu.data)


def _masked(
    hdus: fits.HDUList, path: Path, name: str, num_rows: int, arm: str
) -> NDArray[np.bool_]:
    """True where a pixel is not to be used; DESI stores the bits as unsigned, offset by BZERO."""
    hdu = named(hdus, path, name)
    _check_shape(hdu, path, name, (num_rows, len(ARMS[arm])))
    return np.asarray(hdu.data != -hdu.header.get("BZERO", 0))


def _check_shape(hdu: Any, path: Path, name: str, shape: tuple[int, int]) -> None:
    if hdu.shape != shape:
        raise ValueError(f"{path}: HDU {name} has shape {hdu.shape}, expected {shape}")


def _once(path: Path, where: str, error: ValueError) -> str:
    text = str(error)
    return text if text.startswith(str(path)) else f"{path}: {where}{text}"
