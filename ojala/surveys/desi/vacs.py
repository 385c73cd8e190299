"""DESI's value-added catalogues: the labels of the sources that were observed.

Each reader returns ``targetid``, ``survey``, ``program`` and, per token, value and ``<TOKEN>_ERR``
(1 sigma), NaN where the catalogue has no good value. A source without any good value is left out.
The writers take the same columns back: writing and reading again gives the same labels.
Columns: fastspecfit.readthedocs.io and data.desi.lbl.gov/doc/releases/dr1/vac.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ojala.surveys.desi.metallicity import calibrated_feh
from ojala.surveys.desi.vacs_layout import (
    CIGALE,
    FAILED_FIT,
    FASTSPECFIT,
    MWS,
    OII_DOUBLET,
    PAN25,
    RATIO_RANGE,
    SENTINEL,
)
from ojala.surveys.desi.vacs_writing import write_bhmass, write_cigale, write_fastspecfit, write_mws
from ojala.surveys.fits.binary_tables import read_columns
from ojala.surveys.fits.hdus import named, opened
from ojala.tables.shards import Columns

__all__ = [
    "read_bhmass",
    "read_cigale",
    "read_fastspecfit",
    "read_mws",
    "write_bhmass",
    "write_cigale",
    "write_fastspecfit",
    "write_mws",
]

TargetIds = NDArray[np.int64] | None
"""Sources of interest; None: all."""


def read_fastspecfit(path: str | Path, targetid: TargetIds = None) -> Columns:
    """Equivalent widths and continua of FastSpecFit, catalogues v2.1 and v3.0 alike.

    Equivalent widths in rest-frame Angstrom, emission positive, of the narrow components;
    HALPHA_CONT and HBETA_CONT in 1e-17 erg/s/cm2/Angstrom, corrected for Milky-Way dust as the
    catalogue has them; OII_3727_EW, the sum of the doublet, comes without an error.
    A value whose *_IVAR is not positive is missing.

    v2.1 has the HDUs FASTSPEC and METADATA; v3.0 METADATA, SPECPHOT and FASTSPEC. What moved
    between them (LOGMSTAR, SFR, ABSMAG) is not read, so that FASTSPEC serves for both.

    Raises ValueError naming the file and the HDU or column that is missing.
    """
    names = [f"{name}{kind}" for name in FASTSPECFIT.values() for kind in ("", "_IVAR")]
    names += [f"{name}{kind}" for name in OII_DOUBLET for kind in ("", "_IVAR")]
    table = _read(path, "FASTSPEC", names, targetid)
    labels = _keys(table)
    for token, name in FASTSPECFIT.items():
        labels |= _label(token, table[name], _sigma(table[f"{name}_IVAR"]))
    doublet = [np.where(table[f"{name}_IVAR"] > 0, table[name], np.nan) for name in OII_DOUBLET]
    labels["OII_3727_EW"] = np.sum(doublet, axis=0)
    return _with_any_value(labels)


def read_cigale(path: str | Path, targetid: TargetIds = None) -> Columns:
    """Stellar mass and star-formation rate of CIGALE, dex of Msun and of Msun/yr (10 Myr mean).

    Failed fits (LOGM and LOGSFR both exactly 0) and sentinels (-90 and below) are missing, and so
    is a value whose flag, the ratio of best-fit to Bayesian estimate, is not within 0.2 ... 5
    (Siudek et al. 2024, A&A 691, A308).

    Raises ValueError naming the file and the HDU or column that is missing.
    """
    names = [f"{token}{kind}" for token in CIGALE for kind in ("", "_ERR")]
    table = _read(path, "DATA", [*names, *CIGALE.values()], targetid)
    failed = np.all([table[token] == FAILED_FIT for token in CIGALE], axis=0)
    labels = _keys(table)
    for token, flag in CIGALE.items():
        ratio = table[flag]
        good = ~failed & (table[token] > SENTINEL)
        good &= (ratio >= RATIO_RANGE[0]) & (ratio <= RATIO_RANGE[1])
        labels |= _label(token, np.where(good, table[token], np.nan), table[f"{token}_ERR"])
    return _with_any_value(labels)


def read_mws(path: str | Path, targetid: TargetIds = None) -> Columns:
    """Stellar parameters of RVSpecFit (HDU RVTAB): TEFF in K, LOGG, ALPHAFE, FEH in dex.

    Rows with PRIMARY, SUCCESS, RVS_WARN 0 and RR_SPECTYPE "STAR"; FEH is calibrated, and missing
    outside the range of the calibration (metallicity.calibrated_feh).

    Raises ValueError naming the file and the HDU or column that is missing.

    targetid: (num_targets,); None: every row. Columns: (num_rows,)
    """
    names = [f"{token}{kind}" for token in MWS for kind in ("", "_ERR")]
    names += ["RVS_WARN", "RR_SPECTYPE", "SUCCESS", "PRIMARY"]
    table = _read(path, "RVTAB", names, targetid)
    good = (table["PRIMARY"] == 1) & (table["SUCCESS"] == 1) & (table["RVS_WARN"] == 0)
    good &= table["RR_SPECTYPE"] == "STAR"
    table = {name: values[good] for name, values in table.items()}
    table["FEH"] = calibrated_feh(table["FEH"], table["TEFF"], table["LOGG"])
    labels = _keys(table)
    for token in MWS:
        labels |= _label(token, table[token], table[f"{token}_ERR"])
    return _with_any_value(labels)


def read_bhmass(path: str | Path, targetid: TargetIds = None) -> Columns:
    """LOGMASS_DAS_PAN25: log10 of the virial Mg II black-hole mass, Msun (Pan et al. 2025).

    The catalogue is of the main survey and has no SURVEY column.

    Raises ValueError naming the file and the HDU or column that is missing.

    targetid: (num_targets,); None: every row. Columns: (num_rows,)
    """
    table = _read(path, "BHMASS", [PAN25, f"{PAN25}_ERR"], targetid, has_survey=False)
    table["SURVEY"] = np.full(len(table["TARGETID"]), "main")
    mass = np.where(table[PAN25] > 0, table[PAN25], np.nan)
    return _with_any_value(_keys(table) | _label(PAN25, mass, table[f"{PAN25}_ERR"]))


def _read(
    path: str | Path,
    hdu: str,
    names: Sequence[str],
    targetid: TargetIds,
    *,
    has_survey: bool = True,
) -> Columns:
    """The key columns and ``names``, of the sources in ``targetid`` only."""
    keys = ["TARGETID", "PROGRAM", *(["SURVEY"] if has_survey else [])]
    with opened(path) as hdus:
        table = named(hdus, path, hdu)
        if targetid is None:
            return read_columns(table, path, [*keys, *names])
        listed = read_columns(table, path, ["TARGETID"])["TARGETID"]
        rows = np.flatnonzero(np.isin(listed, targetid))
        return read_columns(table, path, [*keys, *names], rows=rows)


def _keys(table: Mapping[str, NDArray[Any]]) -> Columns:
    return {name.lower(): table[name] for name in ("TARGETID", "SURVEY", "PROGRAM")}


def _sigma(ivar: NDArray[Any]) -> NDArray[np.float64]:
    """1 sigma of an inverse variance, NaN where that is not positive."""
    return np.asarray(1 / np.sqrt(np.where(ivar > 0, ivar, np.nan)))


def _label(token: str, value: NDArray[Any], error: NDArray[Any]) -> Columns:
    """Value and error of a label, both NaN unless the value is finite and the error positive."""
    good = np.isfinite(value) & np.isfinite(error) & (error > 0)
    return {
        token: np.where(good, value, np.nan).astype(np.float32),
        f"{token}_ERR": np.where(good, error, np.nan).astype(np.float32),
    }


def _with_any_value(labels: Columns) -> Columns:
    numbers = [values for values in labels.values() if values.dtype.kind == "f"]
    some = np.any([np.isfinite(values) for values in numbers], axis=0)
    return {name: values[some] for name, values in labels.items()}
