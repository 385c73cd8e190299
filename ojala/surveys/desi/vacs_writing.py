"""DESI's value-added catalogues, written as released, for simulated sources.

``columns``: ``targetid``, ``survey``, ``program``, and per token value and ``<TOKEN>_ERR`` as the
readers of vacs return them, NaN for what was not measured (it becomes what the catalogue writes
in that case); optional ``healpix``, ``ra``, ``dec`` (degrees), ``z``, ``spectype``.
Only the columns that are read again, and the keys, are written.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from ojala.surveys.desi.metallicity import RVS_DR1
from ojala.surveys.desi.vacs_layout import CIGALE, FAILED_FIT, FASTSPECFIT, MWS, OII_DOUBLET, PAN25
from ojala.surveys.fits.hdus import Formats, table_hdu
from ojala.tables.shards import Columns
from ojala.tables.writing import written_whole

OII_SHARES = (0.42, 0.58)
"""Shares of 3726 and 3729 in the doublet at low density (Osterbrock & Ferland 2006)."""

_KEYS: dict[str, tuple[str, str | None]] = {
    "TARGETID": ("K", None),
    "SURVEY": ("7A", None),
    "PROGRAM": ("7A", None),
    "HEALPIX": ("J", None),
    "SPECTYPE": ("6A", None),
    "RA": ("D", "deg"),
    "DEC": ("D", "deg"),
    "Z": ("D", None),
}


def write_fastspecfit(
    path: str | Path, columns: Columns, *, version: Literal["2.1", "3.0"] = "3.0"
) -> None:
    """Write a FastSpecFit catalogue: tokens of vacs_layout.FASTSPECFIT and OII_3727_EW.

    HALPHA_CONT and HBETA_CONT are f_lambda in the spectrum (fibre) before Milky-Way dust,
    1e-17 erg/s/cm2/Angstrom; OII_3727_EW_ERR is 0.1 Angstrom + 10 % where it is not given.
    """
    table: Columns = {}
    for token, name in FASTSPECFIT.items():
        table |= _with_ivar(name, columns[token], columns[f"{token}_ERR"])
    doublet = columns["OII_3727_EW"]
    doublet_err = columns.get("OII_3727_EW_ERR", 0.1 + 0.1 * np.abs(doublet))
    for name, share in zip(OII_DOUBLET, OII_SHARES, strict=True):
        table |= _with_ivar(name, share * doublet, np.sqrt(share) * doublet_err)
    formats = {name: ("E", _fastspec_unit(name)) for name in table}
    fastspec = _hdu(
        "FASTSPEC", formats, table, columns, ("TARGETID", "SURVEY", "PROGRAM", "HEALPIX")
    )
    metadata = _hdu("METADATA", {}, {}, columns)
    specphot = _hdu("SPECPHOT", {}, {}, columns, ("TARGETID", "SURVEY", "PROGRAM", "HEALPIX"))
    _write(path, [fastspec, metadata] if version == "2.1" else [metadata, specphot, fastspec])


def write_cigale(path: str | Path, columns: Columns) -> None:
    """Write a CIGALE catalogue: LOGM and LOGSFR; where both are NaN the fit failed."""
    failed = np.all([np.isnan(columns[token]) for token in CIGALE], axis=0)
    table: Columns = {}
    formats: dict[str, tuple[str, str | None]] = {}
    units = {"LOGM": "log(solMass)", "LOGSFR": "log(solMass"}  # as released, bracket and all
    for token, flag in CIGALE.items():
        absent = np.where(failed, FAILED_FIT, -99.0)
        table[token] = np.where(np.isnan(columns[token]), absent, columns[token])
        table[f"{token}_ERR"] = np.nan_to_num(columns[f"{token}_ERR"])
        table[flag] = np.ones(len(failed))
        formats |= {name: ("E", units[token]) for name in (token, f"{token}_ERR")}
        formats[flag] = ("E", None)
    _write(path, [_hdu("DATA", formats, table, columns)])


def write_mws(path: str | Path, columns: Columns) -> None:
    """Write a stellar catalogue (RVTAB): TEFF, LOGG, ALPHAFE, FEH of PRIMARY stars.

    FEH is the true one: what is written has the systematic error that the recommended
    calibration takes away again, where there is a calibration.
    """
    num_rows = len(columns["targetid"])
    table: Columns = {
        "RVS_WARN": np.zeros(num_rows),
        "RR_SPECTYPE": np.full(num_rows, "STAR"),
        "SUCCESS": np.ones(num_rows, bool),
        "PRIMARY": np.ones(num_rows, bool),
    }
    for token in MWS:
        table[token], table[f"{token}_ERR"] = columns[token], columns[f"{token}_ERR"]
    offset = RVS_DR1.offset(columns["TEFF"], columns["LOGG"])
    table["FEH"] = columns["FEH"] + np.nan_to_num(offset)
    formats: dict[str, tuple[str, str | None]] = {
        f"{token}{kind}": ("D", "K" if token == "TEFF" else None)
        for token in MWS
        for kind in ("", "_ERR")
    }
    formats |= {"RVS_WARN": ("K", None), "RR_SPECTYPE": ("6A", None)}
    formats |= {"SUCCESS": ("L", None), "PRIMARY": ("L", None)}
    keys = ("TARGETID", "SURVEY", "PROGRAM", "HEALPIX")
    _write(path, [_hdu("RVTAB", formats, table, columns, keys)])


def write_bhmass(path: str | Path, columns: Columns) -> None:
    """Write a black-hole mass catalogue: LOGMASS_DAS_PAN25, of sources of the main survey."""
    table = {name: columns[name] for name in (PAN25, f"{PAN25}_ERR")}
    formats = {name: ("D", None) for name in table}
    keys = ("TARGETID", "PROGRAM", "HEALPIX", "RA", "DEC")
    _write(path, [_hdu("BHMASS", formats, table, columns, keys)])


def _with_ivar(name: str, value: NDArray[Any], error: NDArray[Any]) -> Columns:
    """A FastSpecFit column and its inverse variance, both 0 where nothing was measured."""
    good = np.isfinite(value) & np.isfinite(error) & (error > 0)
    ivar = np.divide(1, np.square(error), out=np.zeros(len(value)), where=good)
    return {name: np.where(good, value, 0), f"{name}_IVAR": ivar}


def _fastspec_unit(name: str) -> str:
    if name.endswith("_IVAR"):
        return "1e+34 Angstrom2 cm4 s2 / erg2" if "_CONT" in name else "1 / Angstrom2"
    return "1e-17 erg / (Angstrom cm2 s)" if "_CONT" in name else "Angstrom"


def _hdu(
    name: str,
    formats: Formats,
    table: Columns,
    columns: Columns,
    keys: tuple[str, ...] = tuple(_KEYS),
) -> fits.BinTableHDU:
    """A table of the keys that ``columns`` holds and of ``table``."""
    held = {key: columns[key.lower()] for key in keys if key.lower() in columns}
    return table_hdu(name, {key: _KEYS[key] for key in keys} | dict(formats), held | table)


def _write(path: str | Path, hdus: list[fits.BinTableHDU]) -> None:
    with written_whole(path) as partial:
        fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(partial)
