"""J-PAS dual-mode catalogues: one row per source detected in i, arrays over the filters.

Two tables of the CEFCA archive hold the same sources: ``jpas.MagABDualObj`` (AB magnitudes, 99
for the value and its error where a source is not detected) and ``jpas.FLambdaDualObj`` (fluxes
in 1e-19 erg/s/cm2/Angstrom and their relative errors). Both are read into the same fluxes; only
the second keeps fluxes that noise has made negative, so prefer it for faint sources.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ojala.physics.jpas_filters import (
    APERTURES,
    ARCHIVE_I_WAVE,
    FILTERS,
    FLUX_UNIT,
    I_BAND,
    I_WAVE_CARD,
    NOT_DETECTED,
    VALUE_AND_ERROR,
    Form,
    flux_of_mag,
    mag_of_flux,
    pivots,
    usable,
)
from ojala.surveys.fits.flux_units import in_flux_density
from ojala.surveys.jpas.writing import write_dual
from ojala.tables.array_cells import number, whole
from ojala.tables.catalogues import Catalogue, catalogue_paths, open_catalogue
from ojala.tables.qualified_names import without_schema
from ojala.tables.shards import Columns

TOTAL, SHAPE = APERTURES[:2]
"""The aperture of the total i flux, and the one of the spectral shape."""

__all__ = [
    "APERTURES",
    "FILTERS",
    "Detections",
    "count_rows",
    "read_dual",
    "write_dual",
]

AB_RANGE = (0.0, 60.0)
"""Magnitudes outside are none: noise alone gives faint ones, but 60 is 1e-15 nanomaggies."""


@dataclass(frozen=True, kw_only=True)
class Detections:
    """Sources of a block of rows of a dual-mode table.

    tile_id, number: the key of a source; ra, dec: degrees
    flux, flux_err: f_lambda and 1 sigma in FILTERS, aperture-corrected 3 arcsec aperture,
        1e-19 erg/s/cm2/Angstrom, shape (num_sources, num_filters), NaN where not observed
    i_flux: total (AUTO) f_lambda in i, same unit, shape (num_sources,)
    mag_i, mag_i_err: the same as AB magnitude and 1 sigma; NaN where not positive
    path, first_row: where the block was read; the first row of a file is 0 here
    faults: what is wrong with a source's arrays, which are NaN then; "" where nothing is
    """

    tile_id: NDArray[np.int64]
    number: NDArray[np.int64]
    ra: NDArray[np.float64]
    dec: NDArray[np.float64]
    flux: NDArray[np.float64]
    flux_err: NDArray[np.float64]
    i_flux: NDArray[np.float64]
    mag_i: NDArray[np.float64]
    mag_i_err: NDArray[np.float64]
    path: Path
    first_row: int
    faults: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.tile_id)


def count_rows(path: str | Path) -> int | None:
    """Number of sources in a dual-mode table or a directory of them, None where CSV hides it."""
    counts = [open_catalogue(part).num_rows for part in catalogue_paths(path)]
    return None if None in counts else sum(count or 0 for count in counts)


def read_dual(path: str | Path, *, rows_per_block: int = 20_000) -> Iterator[Detections]:
    """Blocks of sources of a dual-mode table, or of a directory of such tables (pages).

    FITS, VOTable, CSV or Parquet; column names in any case; magnitudes or fluxes (fluxes where
    a table has both). Measurements with UNUSABLE_FLAGS or under a mask are not observed.

    Raises ValueError naming file, column and row for a table that is not a J-PAS dual-mode
    table: 60 filters (miniJPAS), fluxes in place of magnitudes, another unit, a missing column,
    an array of another length, a (tile_id, number) that comes twice.
    """
    seen: dict[int, NDArray[np.int64]] = {}
    for part in catalogue_paths(path):
        for block in detections(without_schema(open_catalogue(part)), rows_per_block):
            _take_down(seen, block)
            yield block


def detections(table: Catalogue, rows_per_block: int) -> Iterator[Detections]:
    """Blocks of sources of an opened dual-mode table. Raises ValueError as ``read_dual`` does."""
    _refuse_minijpas(table)
    form, wave = _form(table), pivots(float(table.header.get(I_WAVE_CARD, ARCHIVE_I_WAVE)))
    values, errors = VALUE_AND_ERROR[form]
    arrays = [kind.format(aperture) for aperture in (TOTAL, SHAPE) for kind in (values, errors)]
    flags = [name for name in ("flags", "mask_flags") if _has(table, name)]
    scalars = ["tile_id", "number", "alpha_j2000", "delta_j2000"]
    for first_row, columns, lengths in table.blocks(
        scalars, arrays + flags, elements=FILTERS, rows_per_block=rows_per_block
    ):
        for name in arrays + flags:
            if first_row == 0:
                _check_width(table.path, name, lengths[name])
        ids = [
            whole(columns[name], f"{table.path}: column {name}", first_row) for name in scalars[:2]
        ]
        good = usable(*(_flags(columns, name) for name in ("flags", "mask_flags")))
        total, shape = (
            _fluxes(table, aperture, form, columns, wave, first_row) for aperture in (TOTAL, SHAPE)
        )
        i_flux, i_flux_err = (np.where(good, part, np.nan)[:, I_BAND] for part in total)
        mag_i, mag_i_err = mag_of_flux(i_flux, i_flux_err, wave[I_BAND])
        yield Detections(
            tile_id=ids[0],
            number=ids[1],
            ra=number(columns["alpha_j2000"]),
            dec=number(columns["delta_j2000"]),
            flux=np.where(good, shape[0], np.nan),
            flux_err=np.where(good, shape[1], np.nan),
            i_flux=i_flux,
            mag_i=mag_i,
            mag_i_err=mag_i_err,
            path=table.path,
            first_row=first_row,
            faults=_faults(lengths),
        )


def _faults(lengths: Columns) -> NDArray[np.object_]:
    """What is wrong with the arrays of each source, "" where nothing is; the first one counts."""
    faults = np.full(len(next(iter(lengths.values()))), "", dtype=object)
    for name, found in lengths.items():
        for length in set(found[found != len(FILTERS)].tolist()):
            fault = f"{name} has {length} elements, expected {len(FILTERS)}"
            faults[(found == length) & (faults == "")] = fault if length else f"{name} is null"
    return faults


def _has(table: Catalogue, name: str) -> bool:
    return name in table.names or f"{name}_{FILTERS[I_BAND].lower()}" in table.names


def _form(table: Catalogue) -> Form:
    if _has(table, f"flux_{SHAPE}"):
        return "flux"
    if _has(table, f"mag_{SHAPE}"):
        return "mag"
    raise ValueError(
        f"{table.path}: column mag_{SHAPE} (or flux_{SHAPE}) is missing, "
        "expected a table as jpas.MagABDualObj or jpas.FLambdaDualObj"
    )


def _refuse_minijpas(table: Catalogue) -> None:
    if any(name.endswith(("_ujpas", "_gsdss", "_rsdss")) for name in table.names):
        raise _minijpas(table.path)


def _minijpas(path: Path) -> ValueError:
    return ValueError(
        f"{path}: a miniJPAS table of 60 filters, expected the {len(FILTERS)} filters of J-PAS "
        f"({FILTERS[0]}, {FILTERS[1]} ... {FILTERS[-2]}, {FILTERS[-1]})"
    )


def _check_width(path: Path, name: str, lengths: NDArray[np.intp]) -> None:
    """Raise ValueError where all arrays have one length, and another one than they should."""
    given = set(lengths[lengths > 0].tolist())
    if given == {60}:
        raise _minijpas(path)
    if len(given) == 1 and given != {len(FILTERS)}:
        raise ValueError(
            f"{path}: column {name} has {given.pop()} elements per row, "
            f"expected the {len(FILTERS)} filters of J-PAS"
        )


def _flags(columns: Columns, name: str) -> NDArray[np.int64]:
    """Flags as integers; a table without them, or an element that is missing, has none set."""
    if name not in columns:
        return np.zeros(1, dtype=np.int64)
    return np.nan_to_num(np.asarray(columns[name], dtype=np.float64)).astype(np.int64)


def _fluxes(
    table: Catalogue,
    aperture: str,
    form: Form,
    columns: Columns,
    wave: NDArray[np.float64],
    first_row: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """f_lambda and 1 sigma of one aperture, FLUX_UNIT; NaN where not observed."""
    names = [kind.format(aperture) for kind in VALUE_AND_ERROR[form]]
    value, error = (np.asarray(columns[name], dtype=np.float64) for name in names)
    if form == "mag":
        _check_magnitudes(table, names[0], value, first_row)
        detected = (np.abs(value) != NOT_DETECTED) & (np.abs(error) != NOT_DETECTED)
        flux, flux_err = flux_of_mag(np.where(detected, value, np.nan), error, wave)
    else:
        flux = value * _flux_scale(table, names[0])
        flux_err = np.abs(error * flux)
        _check_fluxes(table, names[0], flux)
    observed = np.isfinite(flux) & np.isfinite(flux_err) & (flux_err > 0)
    return np.where(observed, flux, np.nan), np.where(observed, flux_err, np.nan)


def _check_magnitudes(
    table: Catalogue, name: str, mag_ab: NDArray[np.float64], first_row: int
) -> None:
    unit = table.units.get(name, "")
    if unit.lower() not in ("", "mag", "ab", "mag(ab)", "abmag"):
        raise ValueError(f"{table.path}: column {name} is in {unit}, expected AB magnitudes (mag)")
    outside = (mag_ab < AB_RANGE[0]) | (mag_ab > AB_RANGE[1])
    wrong = outside & (np.abs(mag_ab) != NOT_DETECTED)
    if np.any(wrong):
        row, element = np.argwhere(wrong)[0]
        raise ValueError(
            f"{table.path}: column {name}, row {first_row + row + 1}, {FILTERS[element]} is "
            f"{mag_ab[row, element]:.6g}, expected an AB magnitude or {NOT_DETECTED:g}: "
            "fluxes belong in columns flux_* (1e-19 erg/s/cm2/Angstrom)"
        )


def _flux_scale(table: Catalogue, name: str) -> float:
    """What a flux column is multiplied with to be in FLUX_UNIT; no unit means FLUX_UNIT."""
    unit = table.units.get(name, "")
    if not unit:
        return 1.0
    try:
        return in_flux_density(unit) / FLUX_UNIT
    except ValueError:
        raise ValueError(
            f"{table.path}: column {name} is in {unit}, expected 1e-19 erg/s/cm2/Angstrom"
        ) from None


BRIGHTEST = 1e9
"""i-band f_lambda of magnitude about 3, FLUX_UNIT: nothing brighter is in a catalogue."""


def _check_fluxes(table: Catalogue, name: str, flux: NDArray[np.float64]) -> None:
    typical = np.nanmedian(np.abs(flux[:, I_BAND])) if np.isfinite(flux[:, I_BAND]).any() else 1.0
    if typical > BRIGHTEST or typical < 1 / BRIGHTEST:
        raise ValueError(
            f"{table.path}: column {name} has a typical flux of {typical:.3g} x 1e-19 "
            f"erg/s/cm2/Angstrom in {FILTERS[I_BAND]}, no catalogue's: its unit, "
            f"{table.units.get(name) or 'not given'}, cannot be right"
        )


def _take_down(seen: dict[int, NDArray[np.int64]], block: Detections) -> None:
    """Add a block's sources to the numbers seen of each tile.

    Raises ValueError where one is there already.
    """
    for tile in np.unique(block.tile_id).tolist():
        rows = np.flatnonzero(block.tile_id == tile)
        numbers = np.concatenate([seen.get(tile, np.empty(0, np.int64)), block.number[rows]])
        seen[tile] = np.sort(numbers, kind="stable")
        twice = seen[tile][1:][np.diff(seen[tile]) == 0]
        if len(twice):
            row = rows[np.flatnonzero(block.number[rows] == twice[0])[-1]]
            raise ValueError(
                f"{block.path}: row {block.first_row + row + 1}, tile_id {tile}, "
                f"number {twice[0]} comes twice, expected every source once"
            )
