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
from ojala.tables.catalogues import Catalogue, open_catalogue
from ojala.tables.files import UNPACKED
from ojala.tables.pixels import healpix
from ojala.tables.rejects import Rejects
from ojala.tables.shards import (
    CATEGORICAL,
    DESI_KEYS,
    EXTRA_LABELS,
    Columns,
    codes_given,
    mocks_schema,
)
from ojala.vocabulary.bands import broad_bands, narrow_bands, reference_band
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


CSV_SUFFIXES = (".csv", *(f".csv{packed}" for packed in UNPACKED))


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
            values = frame[given].to_numpy()
            is_id = name == "targetid"
            columns[name] = whole(values, f"{file}: column {given}", first_row) if is_id else values
    for name in mocks_schema().names:
        if name in CATEGORICAL and name in frame:
            columns[name] = _codes(frame[name].to_numpy(), name, file, first_row)
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


def _codes(values: NDArray[Any], token: str, file: Path, first_row: int) -> NDArray[np.int8]:
    """Codes of a class, given as codes (NaN: not known) or as words."""
    try:
        codes = codes_given(values, token, first_row)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    return np.where(codes == codes, codes, NO_CODE).astype(np.int8)


def is_photometry(path: str | Path, prefix: str = "APER_COR_3_0") -> bool:
    """True for a CSV file with the released columns, such as ``APER_COR_3_0_J0660``."""
    path = Path(path)
    if not path.is_file() or not path.name.lower().endswith(CSV_SUFFIXES):
        return False
    return f"{prefix}_{narrow_bands()[0].token}".lower() in open_catalogue(path).names


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
    table = open_catalogue(path)
    tokens = [band.token for band in narrow_bands()]
    fluxes = {token: f"{prefix}_{token}" for token in (*tokens, "iSDSS")}
    errors = _error_columns(table, prefix, fluxes)
    broad = [band.token for band in broad_bands()]
    _need(table, [*(fluxes[token] for token in tokens), *broad])
    wanted = {*fluxes.values(), *errors.values(), *broad, *(f"{token}_ERR" for token in broad)}
    wanted |= {*POSITIONS.values(), "AUTO_iSDSS", "MORPHTYPE"}
    ratios = None
    for first_row, block in _released_rows(table, sorted(wanted), rows_per_block):
        flux = _matrix(block, [fluxes[token] for token in tokens])
        flux_err = _matrix(block, [errors.get(token, "") for token in tokens])
        columns = _released_keys(block, table.path, first_row)
        columns |= _released_light(block, table.path, first_row)
        if ratios is None:
            ratios = are_ratios(flux, columns["AUTO_iSDSS"])
        if not ratios:
            _need(table, [fluxes["iSDSS"]])
            i_flux = number(block[fluxes["iSDSS"]])
            i_flux_err = _matrix(block, [errors.get("iSDSS", "")])[:, 0]
            flux, flux_err = over_i(flux, flux_err, i_flux, i_flux_err)
        columns["num_bands"] = np.isfinite(flux).sum(axis=1).astype(np.int16)
        for position, token in enumerate(tokens):
            columns[token] = flux[:, position].astype(np.float32)
            columns[f"{token}_ERR"] = flux_err[:, position].astype(np.float32)
        yield columns


def _released_rows(
    table: Catalogue, wanted: Sequence[str], rows_per_block: int
) -> Iterator[tuple[int, Columns]]:
    """Blocks of the wanted columns that are there, by the release's names, and where they begin."""
    there = [name for name in wanted if name.lower() in table.names]
    lower = [name.lower() for name in there]
    for first_row, block, _ in table.blocks(lower, rows_per_block=rows_per_block):
        yield first_row, {name: block[name.lower()] for name in there}


def are_ratios(flux: NDArray[np.float64], i_flux: NDArray[np.floating[Any]]) -> bool:
    """True where narrow bands are ratios to i, of order 1, and not fluxes, of the order of i.

    flux: (num_sources, num_bands); i_flux: total i flux, (num_sources,). The faintest sources
    of the release have i fluxes of some 10 x 1e-19, so the two cannot be taken for each other.
    """
    middle, middle_i = np.nanmedian(np.abs(flux)), np.nanmedian(i_flux)
    return bool(abs(np.log(middle)) < abs(np.log(middle / middle_i)))


def _need(table: Catalogue, needed: Iterable[str]) -> None:
    for name in needed:
        if name.lower() not in table.names:
            raise ValueError(
                f"{table.path}: column {name} is missing, expected the released photometry"
            )


def _error_columns(table: Catalogue, prefix: str, fluxes: dict[str, str]) -> dict[str, str]:
    """The columns of the errors by band, called in any of the ways of ERROR_NAMES."""
    for form in ERROR_NAMES:
        errors = {token: form.format(prefix=prefix, band=token) for token in fluxes}
        errors = {token: name for token, name in errors.items() if name.lower() in table.names}
        if errors:
            return errors
    said = f"{table.path}: no errors of {prefix} found, they are left unknown"
    warnings.warn(said, stacklevel=3)
    return {}


def _matrix(block: Columns, names: Sequence[str]) -> NDArray[np.float64]:
    missing = np.full(len(next(iter(block.values()))), np.nan)
    return np.stack([number(block[n]) if n in block else missing for n in names], axis=1)


def _released_keys(block: Columns, path: Path, first_row: int) -> Columns:
    columns: Columns = {
        key: whole(block[POSITIONS[key]], f"{path}: column {POSITIONS[key]}", first_row)
        for key in ("tile_id", "number")
        if POSITIONS[key] in block
    }
    if POSITIONS["ra"] in block and POSITIONS["dec"] in block:
        columns |= {key: number(block[POSITIONS[key]]) for key in ("ra", "dec")}
        columns["healpix"] = healpix(columns["ra"], columns["dec"])
    return columns


def _released_light(block: Columns, path: Path, first_row: int) -> Columns:
    """Broad-band magnitudes, morphology, and the total i flux (from MAG_i where not given)."""
    columns: Columns = {}
    for band in broad_bands():
        for name in (band.token, f"{band.token}_ERR"):
            columns[name] = _matrix(block, [name])[:, 0].astype(np.float32)
    if "MORPHTYPE" in block:
        columns["MORPHTYPE"] = _codes(block["MORPHTYPE"], "MORPHTYPE", path, first_row)
    i_flux = _matrix(block, ["AUTO_iSDSS"])[:, 0]
    reference = reference_band().token
    of_mag, _ = flux_of_mag(columns[reference], columns[f"{reference}_ERR"], ARCHIVE_I_WAVE)
    columns["AUTO_iSDSS"] = np.where(np.isfinite(i_flux), i_flux, of_mag).astype(np.float32)
    return columns
