"""The released products of OJALA: HDF5 mocks and the CSV of J-PAS photometry, in blocks of rows.

Mocks: about twenty pandas HDFStore files ``pseudo_batch_*.h5``, key "data", whose columns are
called as the tokens are (``J0378`` ... ``LOGSFR``, each with ``_ERR``). Photometry:
``JPAS_EDR_photometry.csv``, columns ``<prefix>_<band>`` such as ``APER_COR_3_0_J0660``.

A pandas HDFStore holds pickled names: open files of a source that you trust.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ojala.physics.jpas_filters import ARCHIVE_I_WAVE, flux_of_mag, over_i
from ojala.tables.array_cells import number, whole
from ojala.tables.pixels import healpix
from ojala.tables.rejects import Rejects
from ojala.tables.shards import CATEGORICAL, DESI_KEYS, EXTRA_LABELS, Columns, mocks_schema
from ojala.vocabulary.bands import broad_bands, narrow_bands
from ojala.vocabulary.quantities import CLASSES, NO_CODE

WEIGHTS = ("prob2", "prob")
"""Sampling probabilities of the mocks; the first that is there, as the released training reads."""

POSITIONS = {
    "tile_id": "TILE_ID",
    "number": "NUMBER",
    "ra": "ALPHA_J2000",
    "dec": "DELTA_J2000",
}
"""The released CSV's names of the keys of a J-PAS source."""

ERROR_NAMES = ("{prefix}_{band}_ERR", "{prefix}_ERR_{band}", "ERR_{prefix}_{band}")
"""How 1 sigma of a flux may be called: the first as the release's own plots read it."""


def mock_files(path: str | Path) -> list[Path]:
    """The HDF5 files of the released mocks: one file, or all of a directory, in order of name."""
    path = Path(path)
    found = [path] if path.is_file() else sorted((*path.glob("*.h5"), *path.glob("*.hdf5")))
    if not found:
        raise ValueError(f"{path}: no HDF5 mocks found, expected pseudo_batch_*.h5")
    return found


def mocks(path: str | Path, rejects: Rejects, *, rows_per_block: int = 50_000) -> Iterator[Columns]:
    """Blocks of rows of the released mocks, as columns of ``shards.mocks_schema``.

    path: a file or a directory of files; missing values are NaN. Where the release gives no
    TARGETID, a running number over all files stands in. Mocks without a class are set aside.

    Raises ValueError for a file that is no HDFStore, or lacks the key or a column.
    """
    first_id = 0
    for file in mock_files(path):
        for first_row, frame in _stored(file, rows_per_block):
            columns = _mock_columns(frame, file, first_row, first_id + first_row)
            known = columns["SPECTYPE"] != NO_CODE
            rows = np.flatnonzero(~known)
            rejects.add(
                columns["targetid"][rows].tolist(),
                (rows + first_row).tolist(),
                file=file,
                reason="no class",
            )
            yield {name: values[known] for name, values in columns.items()}
        first_id += first_row + len(frame)


def _stored(file: Path, rows_per_block: int) -> Iterator[tuple[int, pd.DataFrame]]:
    """Ranges of rows of a store in either of pandas's formats, each read from disk alone."""
    try:
        store: Any = pd.HDFStore(str(file), mode="r")
    except (OSError, RuntimeError) as error:  # PyTables raises the second
        reason = str(error).strip().splitlines()[-1]
        raise ValueError(f"{file}: not a readable HDF5 store ({reason})") from None
    with store:
        if "/data" not in store.keys():  # noqa: SIM118 - a store is no dictionary
            raise ValueError(f"{file}: key 'data' is missing, expected the released mocks")
        storer = store.get_storer("data")
        num_rows = int(storer.nrows or storer.shape[0])
        for start in range(0, max(num_rows, 1), rows_per_block):
            yield start, store.select("data", start=start, stop=start + rows_per_block)


def _mock_columns(frame: pd.DataFrame, file: Path, first_row: int, first_id: int) -> Columns:
    if "SPECTYPE" not in frame:
        raise ValueError(f"{file}: column SPECTYPE is missing, expected the released mocks")
    columns: Columns = {"targetid": np.arange(first_id, first_id + len(frame))}
    by_name = {str(name).upper(): name for name in frame.columns}
    for name in DESI_KEYS.names:
        given = next((by_name[n] for n in _key_names(name) if n in by_name), None)
        if given is not None:
            columns[name] = frame[given].to_numpy()
    for name in mocks_schema().names:
        if name in CATEGORICAL and name in frame:
            columns[name] = _codes(frame[name], name, file, first_row)
        elif name not in columns and name in frame:
            columns[name] = number(frame[name].to_numpy()).astype(_kind(name))
    for name in WEIGHTS:
        if name in frame:
            columns["weight"] = number(frame[name].to_numpy())
            break
    return columns | _redshifts(columns)


def _key_names(name: str) -> tuple[str, ...]:
    """Names that a key may have; the class and redshift are taken from the labels instead."""
    if name in ("spectype", "z", "z_err"):
        return ()
    return (name.upper(), f"TARGET_{name.upper()}")


def _kind(name: str) -> type[np.floating[Any]]:
    return np.float32 if name in EXTRA_LABELS.names or name.isupper() else np.float64


def _redshifts(columns: Columns) -> Columns:
    """The class in words, and the redshift of the token that belongs to it."""
    names = np.array([*CLASSES, ""])
    spectype = names[columns["SPECTYPE"]]
    missing = np.full(len(spectype), np.nan)
    parts: Columns = {"spectype": spectype.astype(object)}
    for name, suffix in (("z", ""), ("z_err", "_ERR")):
        of_galaxy, of_quasar = (
            columns.get(f"{token}{suffix}", missing) for token in ("Z_GAL", "Z_QSO")
        )
        of_class = np.where(spectype == "GALAXY", of_galaxy, np.nan)
        parts[name] = np.where(spectype == "QSO", of_quasar, of_class).astype(np.float64)
    return parts


def _codes(column: pd.Series, token: str, file: Path, first_row: int) -> NDArray[np.int8]:
    """Codes of a class, given as codes (NaN: not known) or as words."""
    categories = CATEGORICAL[token]
    codes = number(column.to_numpy()).copy()
    words = np.array([str(value).strip().upper() for value in column], dtype=object)
    for code, category in enumerate(categories):
        codes[words == category] = code
    codes[words == "GPSF"] = categories.index("PSF") if "PSF" in categories else np.nan
    wrong = np.isfinite(codes) & ~np.isin(codes, range(NO_CODE, len(categories)))
    if np.any(wrong):
        row = int(np.argmax(wrong))
        raise ValueError(
            f"{file}: column {token}, row {first_row + row} is {column.iloc[row]}, "
            f"expected one of {', '.join(categories)} or its code 0 ... {len(categories) - 1}"
        )
    return np.nan_to_num(codes, nan=NO_CODE).astype(np.int8)


def is_photometry(path: str | Path, prefix: str = "APER_COR_3_0") -> bool:
    """True for a CSV file with the released columns, such as ``APER_COR_3_0_J0660``."""
    path = Path(path)
    if not path.is_file() or not path.name.lower().endswith((".csv", ".csv.gz")):
        return False
    return f"{prefix}_{narrow_bands()[0].token}" in _header(path)


def photometry(
    path: str | Path, *, prefix: str = "APER_COR_3_0", rows_per_block: int = 20_000
) -> Iterator[Columns]:
    """Blocks of rows of the released J-PAS photometry, as columns of ``shards.jpas_schema``.

    prefix: the aperture of the spectral shape. The columns are either fluxes (1e-19
        erg/s/cm2/Angstrom), then divided by ``<prefix>_iSDSS``, or ratios to i already (as the
        released scripts use them): the first block tells, see ``are_ratios``.

    Every row is yielded; values that are missing are NaN. Errors are NaN, with a warning, where
    the file has none. Raises ValueError naming the file and the column that is missing.
    """
    path = Path(path)
    names = _header(path)
    tokens = [band.token for band in narrow_bands()]
    fluxes = {token: f"{prefix}_{token}" for token in (*tokens, "iSDSS")}
    errors = _error_columns(path, prefix, fluxes, names)
    broad = [band.token for band in broad_bands()]
    _need(path, names, [*(fluxes[token] for token in tokens), *broad])
    wanted = {*fluxes.values(), *errors.values(), *broad, *(f"{token}_ERR" for token in broad)}
    wanted |= {*POSITIONS.values(), "AUTO_iSDSS", "MORPHTYPE"}
    first_row, ratios = 0, None
    for frame in pd.read_csv(path, usecols=sorted(wanted & set(names)), chunksize=rows_per_block):
        flux = _matrix(frame, [fluxes[token] for token in tokens])
        flux_err = _matrix(frame, [errors.get(token, "") for token in tokens])
        columns = _released_keys(frame, path, first_row) | _released_light(frame, path, first_row)
        if ratios is None:
            ratios = are_ratios(flux, columns["AUTO_iSDSS"])
        if not ratios:
            _need(path, names, [fluxes["iSDSS"]])
            i_flux = number(frame[fluxes["iSDSS"]].to_numpy())
            i_flux_err = _matrix(frame, [errors.get("iSDSS", "")])[:, 0]
            flux, flux_err = over_i(flux, flux_err, i_flux, i_flux_err)
        columns["num_bands"] = np.isfinite(flux).sum(axis=1).astype(np.int16)
        for position, token in enumerate(tokens):
            columns[token] = flux[:, position].astype(np.float32)
            columns[f"{token}_ERR"] = flux_err[:, position].astype(np.float32)
        yield columns
        first_row += len(frame)


def are_ratios(flux: NDArray[np.float64], i_flux: NDArray[np.floating[Any]]) -> bool:
    """True where narrow bands are ratios to i, of order 1, and not fluxes, of the order of i.

    flux: (num_sources, num_bands); i_flux: total i flux, (num_sources,). The faintest sources
    of the release have i fluxes of some 10 x 1e-19, so the two cannot be taken for each other.
    """
    middle, middle_i = np.nanmedian(np.abs(flux)), np.nanmedian(i_flux)
    return bool(abs(np.log(middle)) < abs(np.log(middle / middle_i)))


def _header(path: Path) -> list[str]:
    try:
        return [str(name) for name in pd.read_csv(path, nrows=0).columns]
    except (OSError, pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a readable CSV table ({error})") from None


def _need(path: Path, names: Sequence[str], needed: Iterable[str]) -> None:
    for name in needed:
        if name not in names:
            raise ValueError(f"{path}: column {name} is missing, expected the released photometry")


def _error_columns(
    path: Path, prefix: str, fluxes: dict[str, str], names: Sequence[str]
) -> dict[str, str]:
    """The columns of the errors by band, called in any of the ways of ERROR_NAMES."""
    for form in ERROR_NAMES:
        errors = {token: form.format(prefix=prefix, band=token) for token in fluxes}
        errors = {token: name for token, name in errors.items() if name in names}
        if errors:
            return errors
    warnings.warn(f"{path}: no errors of {prefix} found, they are left unknown", stacklevel=3)
    return {}


def _matrix(frame: pd.DataFrame, names: Sequence[str]) -> NDArray[np.float64]:
    missing = np.full(len(frame), np.nan)
    return np.stack([number(frame[n].to_numpy()) if n in frame else missing for n in names], axis=1)


def _released_keys(frame: pd.DataFrame, path: Path, first_row: int) -> Columns:
    given = {
        key: number(frame[name].to_numpy()) for key, name in POSITIONS.items() if name in frame
    }
    columns: Columns = {
        key: whole(frame[POSITIONS[key]].to_numpy(), f"{path}: column {POSITIONS[key]}", first_row)
        for key in ("tile_id", "number")
        if key in given
    }
    if "ra" in given and "dec" in given:
        columns |= {"ra": given["ra"], "dec": given["dec"]}
        columns["healpix"] = healpix(given["ra"], given["dec"])
    return columns


def _released_light(frame: pd.DataFrame, path: Path, first_row: int) -> Columns:
    """Broad-band magnitudes, morphology, and the total i flux (from MAG_i where not given)."""
    columns: Columns = {}
    for band in broad_bands():
        for name in (band.token, f"{band.token}_ERR"):
            columns[name] = _matrix(frame, [name])[:, 0].astype(np.float32)
    if "MORPHTYPE" in frame:
        columns["MORPHTYPE"] = _codes(frame["MORPHTYPE"], "MORPHTYPE", path, first_row)
    i_flux = _matrix(frame, ["AUTO_iSDSS"])[:, 0]
    of_mag, _ = flux_of_mag(columns["MAG_i"], columns["MAG_i_ERR"], ARCHIVE_I_WAVE)
    columns["AUTO_iSDSS"] = np.where(np.isfinite(i_flux), i_flux, of_mag).astype(np.float32)
    return columns
