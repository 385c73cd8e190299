"""The J-PAS table: what J-PAS and the Legacy Surveys observed, without labels.

Section 2.2 of the paper: sources of the dual-mode catalogue seen in at least 50 of the 54 narrow
bands. The spectral shape is the aperture-corrected 3 arcsec photometry over its own i flux; the
total light is MAG_AUTO in i, with g, r, z, W1, W2 and morphology of the nearest Legacy source.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from astropy import units as u
from astropy_healpix import HEALPix
from numpy.typing import NDArray
from tqdm import tqdm

from ojala.bands import narrow_bands
from ojala.rejects import Rejects
from ojala.shards import Columns, as_table, jpas_schema, write_shards
from ojala.surveys.jpas import Detections, count_rows, read_dual
from ojala.surveys.jpas_filters import I_BAND, NARROW, mag_of_flux
from ojala.surveys.legacy import Legacy
from ojala.writing import written_whole

MIN_BANDS = 50
"""Narrow bands that a source needs, of 54 (Section 2.2)."""

NSIDE = 64
"""HEALPix resolution of the column healpix, nested order."""


def table(
    dual_path: str | Path,
    legacy_path: str | Path | None,
    rejects: Rejects,
    *,
    min_bands: int = MIN_BANDS,
    rows_per_block: int = 20_000,
) -> Iterator[Columns]:
    """Blocks of rows of the J-PAS table; what is set aside is added to ``rejects``.

    dual_path: dual-mode table or directory of tables (see ``surveys.jpas.read_dual``)
    legacy_path: Legacy sweep or directory of sweeps; None: no g, r, z, W1, W2, morphology

    Rows yielded and rejects add up to the rows read. Raises ValueError as the readers do.
    """
    legacy = Legacy(legacy_path) if legacy_path else None
    for detections in read_dual(dual_path, rows_per_block=rows_per_block):
        columns, reasons = observed(detections), _reasons(detections, min_bands)
        for reason in sorted(set(reasons) - {""}):
            rows = np.flatnonzero(reasons == reason)
            names = [f"{detections.tile_id[row]}-{detections.number[row]}" for row in rows]
            places = (rows + detections.first_row).tolist()
            rejects.add(names, places, file=detections.path, reason=reason)
        kept = reasons == ""
        columns = {name: values[kept] for name, values in columns.items()}
        if legacy:
            columns |= legacy.match(columns["ra"], columns["dec"])
        yield columns


def observed(detections: Detections) -> Columns:
    """J-PAS's own columns of the table: keys, narrow bands over i, and the total i light."""
    shape, shape_err = over_i(
        detections.flux[:, NARROW],
        detections.flux_err[:, NARROW],
        detections.flux[:, I_BAND],
        detections.flux_err[:, I_BAND],
    )
    mag_i, mag_i_err = mag_of_flux(detections.i_flux, detections.i_flux_err, I_BAND)
    columns: Columns = {
        "tile_id": detections.tile_id,
        "number": detections.number,
        "healpix": healpix(detections.ra, detections.dec),
        "ra": detections.ra,
        "dec": detections.dec,
        "num_bands": np.isfinite(shape).sum(axis=1).astype(np.int16),
        "AUTO_iSDSS": detections.i_flux.astype(np.float32),
        "MAG_i": mag_i.astype(np.float32),
        "MAG_i_ERR": mag_i_err.astype(np.float32),
    }
    for position, band in enumerate(narrow_bands()):
        columns[band.token] = shape[:, position].astype(np.float32)
        columns[f"{band.token}_ERR"] = shape_err[:, position].astype(np.float32)
    return columns


def over_i(
    flux: NDArray[np.float64],
    flux_err: NDArray[np.float64],
    i_flux: NDArray[np.float64],
    i_flux_err: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """f_lambda over f_lambda(i) and the ratio's 1 sigma, both measurements' errors included.

    flux, flux_err: (num_sources, num_bands); i_flux, i_flux_err: (num_sources,), same aperture.
    NaN where the i flux is not positive.
    """
    norm = np.where(i_flux > 0, i_flux, np.nan)[:, None]
    ratio = flux / norm
    return ratio, np.hypot(flux_err, ratio * i_flux_err[:, None]) / norm


def healpix(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> NDArray[np.int32]:
    """Nested HEALPix pixels (nside 64) of positions in degrees; -1 where there is no position."""
    known = np.isfinite(ra) & np.isfinite(dec)
    pixels = np.full(len(ra), -1, dtype=np.int32)
    grid = HEALPix(nside=NSIDE, order="nested")
    pixels[known] = grid.lonlat_to_healpix(ra[known] * u.deg, dec[known] * u.deg)
    return pixels


def _reasons(detections: Detections, min_bands: int) -> NDArray[np.object_]:
    """Why each source is set aside, "" for the good ones; the first cause counts."""
    with np.errstate(invalid="ignore"):
        has_i = (detections.flux[:, I_BAND] > 0) & (detections.i_flux > 0)
    num_bands = np.isfinite(detections.flux[:, NARROW]).sum(axis=1)
    reasons = np.full(len(detections), "", dtype=object)
    reasons[num_bands < min_bands] = f"fewer than {min_bands} bands"
    reasons[~has_i] = "no i-band flux"
    reasons[~(np.isfinite(detections.ra) & np.isfinite(detections.dec))] = "no position"
    return reasons


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``ojala jpas``."""
    parser.add_argument("dual", type=Path, help="J-PAS dual-mode table, or a directory of tables")
    parser.add_argument("--legacy", type=Path, help="Legacy sweep, or a directory of sweeps")
    parser.add_argument(
        "--out", type=Path, required=True, help="a file *.parquet, or a directory of shards"
    )
    parser.add_argument("--rejects", type=Path, help="table of the sources set aside (Parquet)")
    parser.add_argument("--min-bands", type=int, default=MIN_BANDS, help="narrow bands needed")


def main(arguments: argparse.Namespace) -> None:
    """Make the J-PAS table: ``ojala jpas DUAL --legacy SWEEP --out FILE``."""
    rejects = Rejects()
    blocks = table(arguments.dual, arguments.legacy, rejects, min_bands=arguments.min_bands)
    num_rows = write(_with_progress(blocks, count_rows(arguments.dual), rejects), arguments.out)
    rejects_path = arguments.rejects or _beside(arguments.out)
    rejects.write(rejects_path)
    print(f"{num_rows} sources in {arguments.out}, {len(rejects)} set aside in {rejects_path}")
    for reason, count in rejects.counts().items():
        print(f"{count:12d} {reason}")


def write(blocks: Iterable[Columns], out: str | Path) -> int:
    """Write blocks of the J-PAS table into one Parquet file or a directory of shards."""
    if Path(out).suffix != ".parquet":
        return write_shards(iter(blocks), out, jpas_schema())
    num_rows = 0
    with written_whole(out) as partial, pq.ParquetWriter(partial, jpas_schema()) as writer:
        for block in blocks:
            writer.write_table(as_table(block, jpas_schema()))
            num_rows += len(block["tile_id"])
    return num_rows


def _beside(out: Path) -> Path:
    return out.with_name(f"{out.stem}_rejects.parquet")


def _with_progress(
    blocks: Iterator[Columns], total: int | None, rejects: Rejects
) -> Iterator[Columns]:
    num_rows = 0
    with tqdm(total=total, unit="source", disable=not sys.stderr.isatty()) as bar:
        for block in blocks:
            num_rows += len(block["tile_id"])
            bar.update(num_rows + len(rejects) - bar.n)
            yield block
