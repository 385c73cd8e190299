"""Legacy Surveys photometry: sweep-like Tractor tables of g, r, z, W1, W2 and morphology.

Fluxes are total model fluxes in nanomaggies (AB zero-point 22.5), as observed: not corrected
for Galactic extinction, since J-PAS photometry and DESI spectra are not either.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u
from astropy.io import fits
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ojala.tables.array_cells import number
from ojala.tables.catalogues import catalogue_paths, open_catalogue
from ojala.tables.pixels import chord, placed, unit_vectors
from ojala.tables.qualified_names import without_schema
from ojala.tables.shards import Columns, morphtype_codes
from ojala.tables.writing import written_whole
from ojala.vocabulary.constants import NANOMAGGIE_ZERO, POGSON

BANDS = ("G", "R", "Z", "W1", "W2")

NORTH_DEC = 32.375
"""Degrees: north of it and of the Galactic plane the Legacy Surveys are BASS and MzLS."""

GALACTIC_POLE = (192.8595, 27.1284)
"""Right ascension and declination (J2000), degrees."""


def in_north(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> NDArray[np.bool_]:
    """True where BASS and MzLS observed, False where DECam did; (num_positions,), degrees."""
    above = unit_vectors(ra, dec) @ unit_vectors(*np.array(GALACTIC_POLE)[:, None])[0] > 0
    return np.asarray((dec > NORTH_DEC) & above)


def ab_of_nanomaggies(flux: NDArray[Any], ivar: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """AB magnitude and 1 sigma of fluxes (nanomaggies) and inverse variances, any shape.

    NaN where nothing was observed (ivar <= 0) or the flux is not positive.
    """
    flux, ivar = np.asarray(flux, dtype=np.float64), np.asarray(ivar, dtype=np.float64)
    positive = (flux > 0) & (ivar > 0) & np.isfinite(flux) & np.isfinite(ivar)
    flux, ivar = np.where(positive, flux, np.nan), np.where(positive, ivar, np.nan)
    return NANOMAGGIE_ZERO - 2.5 * np.log10(flux), POGSON / (flux * np.sqrt(ivar))


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """The Legacy photometry of one table, with a tree of its positions.

    columns: ``MAG_<band>``, ``MAG_<band>_ERR`` (AB, float32) and ``MORPHTYPE`` (codes)
    """

    tree: cKDTree
    columns: Columns

    def __len__(self) -> int:
        return int(self.tree.n)


def read_sweep(path: str | Path, *, rows_per_block: int = 100_000) -> Sweep:
    """The magnitudes and morphologies of a sweep-like table (FITS, VOTable, CSV or Parquet).

    Sources of type DUP are left out: they repeat a source that Gaia and Tractor both hold; so are
    those without a position.
    Raises ValueError naming the file and the column that is missing, or a file whose sources have
    no positions.
    """
    num_rows = 0
    vectors, blocks = [np.empty((0, 3))], [_magnitudes(_no_sources())]
    columns = [name.lower() for name in ("RA", "DEC", "TYPE", *_flux_columns())]
    table = without_schema(open_catalogue(path))
    for _, block, _ in table.blocks(columns, rows_per_block=rows_per_block):
        block = {name.upper(): values for name, values in block.items()}
        block["TYPE"] = _texts(block["TYPE"])
        ra, dec = number(block["RA"]), number(block["DEC"])
        directions = unit_vectors(ra, dec)
        single = block["TYPE"] != "DUP"
        kept = single & placed(ra, dec)
        num_rows += int(single.sum())
        vectors.append(directions[kept])
        blocks.append(_magnitudes({name: values[kept] for name, values in block.items()}))
    if num_rows and not any(map(len, vectors)):
        raise ValueError(f"{path}: no source has a position in columns RA and DEC")
    return Sweep(
        tree=cKDTree(np.concatenate(vectors)),
        columns={name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]},
    )


@dataclass
class Legacy:
    """One sweep table or a directory of them, of which the few last used are kept in memory.

    A file called sweep-RRRsDDD-RRRsDDD is read only for positions inside the box of its name.
    """

    path: str | Path
    kept: int = 8
    _read: dict[Path, Sweep] = field(default_factory=dict)

    def match(
        self, ra: NDArray[np.float64], dec: NDArray[np.float64], *, radius: float = 1.0
    ) -> Columns:
        """The photometry of the nearest Legacy source of each position.

        ra, dec: degrees; radius: arcsec. Where none is within the radius, magnitudes are NaN
        and MORPHTYPE is -1.

        ra, dec, and every column: (num_positions,)
        """
        columns = _magnitudes(_no_sources(len(ra)))
        nearest = np.full(len(ra), chord(radius))
        vectors, known = unit_vectors(ra, dec), placed(ra, dec)
        for path in catalogue_paths(self.path):
            inside = np.flatnonzero(known & _in_box(path, ra, dec, margin=radius / 3600))
            if len(inside):
                sweep = self._sweep(path)
                distance, row = sweep.tree.query(vectors[inside])
                closer = distance <= nearest[inside]
                nearest[inside[closer]] = distance[closer]
                for name, values in sweep.columns.items():
                    columns[name][inside[closer]] = values[row[closer]]
        return columns

    def _sweep(self, path: Path) -> Sweep:
        sweep = self._read.pop(path) if path in self._read else read_sweep(path)
        self._read[path] = sweep  # last in the order of use
        while len(self._read) > self.kept:
            del self._read[next(iter(self._read))]
        return sweep


_BOX = re.compile(r"sweep-(\d{3})([mp])(\d{3})-(\d{3})([mp])(\d{3})")


def _in_box(
    path: Path, ra: NDArray[np.float64], dec: NDArray[np.float64], margin: float
) -> NDArray[np.bool_]:
    """True for positions in the box that a sweep file is named after; all, where it is not."""
    named = _BOX.search(path.name)
    if not named:
        return np.ones(len(ra), dtype=bool)
    ra_low, ra_high = float(named[1]), float(named[4])
    dec_low, dec_high = (float(named[k + 1]) * (1 if named[k] == "p" else -1) for k in (2, 5))
    wide = margin / np.cos(np.radians(np.clip(dec, -89.9, 89.9)))
    across = np.asarray(ra) - ra_low
    # Boxes end at 360 but do not cross it; a margin may.
    beside = (across >= -wide) & (across <= ra_high - ra_low + wide)
    beside |= (np.abs(across - 360) <= wide) | (np.abs(across + 360 - (ra_high - ra_low)) <= wide)
    return np.asarray(beside & (dec >= dec_low - margin) & (dec <= dec_high + margin))


def _magnitudes(sweep: Columns) -> Columns:
    """AB magnitudes, errors and morphology codes of rows of a sweep table."""
    columns: Columns = {"MORPHTYPE": morphtype_codes(sweep["TYPE"].tolist())}
    for band in BANDS:
        flux, ivar = number(sweep[f"FLUX_{band}"]), number(sweep[f"FLUX_IVAR_{band}"])
        mag_ab, mag_ab_err = ab_of_nanomaggies(flux, ivar)
        columns[f"MAG_{band}"] = mag_ab.astype(np.float32)
        columns[f"MAG_{band}_ERR"] = mag_ab_err.astype(np.float32)
    return columns


def _no_sources(num_rows: int = 0) -> Columns:
    """Rows of a sweep table in which nothing was observed."""
    empty = np.zeros(num_rows)
    return {"TYPE": np.full(num_rows, "")} | dict.fromkeys(_flux_columns(), empty)


def _texts(values: NDArray[Any]) -> NDArray[Any]:
    """Stripped text in capitals, "" where null."""
    words = ("" if value is None else str(value) for value in values)
    return np.array([word.strip().upper() for word in words], dtype=object)


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
    with written_whole(path) as partial, warnings.catch_warnings():
        # The Legacy Surveys' own unit names, which FITS does not know.
        warnings.simplefilter("ignore", u.UnitsWarning)
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
