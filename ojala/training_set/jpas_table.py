"""The J-PAS table: what J-PAS and the Legacy Surveys observed, without labels.

Section 2.2 of the paper: sources of the dual-mode catalogue seen in at least 50 of the 54 narrow
bands. The spectral shape is the aperture-corrected 3 arcsec photometry over its own i flux; the
total light is MAG_AUTO in i, with g, r, z, W1, W2 and morphology of the nearest Legacy source.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ojala.physics.jpas_filters import I_BAND, NARROW, over_i
from ojala.surveys import release
from ojala.surveys.jpas.dual_mode import Detections, read_dual
from ojala.surveys.legacy import Legacy
from ojala.tables.pixels import healpix, placed
from ojala.tables.rejects import Rejects
from ojala.tables.shards import Columns, jpas_schema, write_blocks
from ojala.vocabulary.bands import beside_tokens, narrow_bands, reference_band

MIN_BANDS = math.ceil(50 / 54 * len(narrow_bands()))
"""Narrow bands that a source needs: 50 of 54 (Section 2.2), and as many of another survey's."""

REFERENCE = reference_band().token
BESIDE = {f"{token}{end}" for token in beside_tokens() for end in ("", "_ERR")} | {"MORPHTYPE"}
"""Columns of a Legacy source that are wanted."""


def table(
    dual_path: str | Path,
    legacy_path: str | Path | None,
    rejects: Rejects,
    *,
    min_bands: int = MIN_BANDS,
    rows_per_block: int = 20_000,
) -> Iterator[Columns]:
    """Blocks of rows of the J-PAS table; what is set aside is added to ``rejects``.

    dual_path: dual-mode table or directory of tables (see ``surveys.jpas.read_dual``), or the
        CSV of the released photometry (see ``surveys.release``), which needs no Legacy table
    legacy_path: Legacy sweep or directory of sweeps; None: no g, r, z, W1, W2, morphology

    Rows yielded and rejects add up to the rows read. Raises ValueError as the readers do.
    """
    if release.is_photometry(dual_path):
        yield from _released(Path(dual_path), rejects, min_bands, rows_per_block)
        return
    legacy = Legacy(legacy_path) if legacy_path else None
    for detections in read_dual(dual_path, rows_per_block=rows_per_block):
        reasons = _reasons(
            (detections.flux[:, I_BAND] > detections.flux_err[:, I_BAND]) & (detections.i_flux > 0),
            np.isfinite(detections.flux[:, NARROW]).sum(axis=1),
            placed(detections.ra, detections.dec),
            min_bands,
        )
        wrong = detections.faults != ""
        reasons[wrong] = detections.faults[wrong]
        first_row, path = detections.first_row, detections.path
        columns = _kept(observed(detections), reasons, first_row, path, rejects)
        if legacy:
            beside = legacy.match(columns["ra"], columns["dec"])
            columns |= {name: beside[name] for name in beside.keys() & BESIDE}
        yield columns


def _released(
    path: Path, rejects: Rejects, min_bands: int, rows_per_block: int
) -> Iterator[Columns]:
    """The released photometry, which has its Legacy magnitudes already, with the same selection."""
    first_row = 0
    for columns in release.photometry(path, rows_per_block=rows_per_block):
        has_i = np.isfinite(columns[REFERENCE])
        has_position = (
            placed(columns["ra"], columns["dec"]) if "ra" in columns else np.ones_like(has_i)
        )
        reasons = _reasons(has_i, columns["num_bands"], has_position, min_bands)
        yield _kept(columns, reasons, first_row, path, rejects)
        first_row += len(has_i)


def _kept(
    columns: Columns, reasons: NDArray[np.object_], first_row: int, path: Path, rejects: Rejects
) -> Columns:
    """The rows without a reason against them; the others are added to ``rejects``."""
    for reason in sorted(set(reasons) - {""}):
        rows = np.flatnonzero(reasons == reason)
        names = [_name(columns, int(row), first_row) for row in rows]
        rejects.add(
            names,
            (rows + first_row).tolist(),
            file=path,
            reason=reason,
            position=(columns["ra"][rows], columns["dec"][rows]) if "ra" in columns else None,
        )
    return {name: values[reasons == ""] for name, values in columns.items()}


def _name(columns: Columns, row: int, first_row: int) -> str:
    if "number" not in columns:
        return str(first_row + row)
    return f"{columns['tile_id'][row]}-{columns['number'][row]}"


def observed(detections: Detections) -> Columns:
    """J-PAS's own columns of the table: keys, narrow bands over i, and the total i light."""
    shape, shape_err = over_i(
        detections.flux[:, NARROW],
        detections.flux_err[:, NARROW],
        detections.flux[:, I_BAND],
        detections.flux_err[:, I_BAND],
    )
    columns: Columns = {
        "tile_id": detections.tile_id,
        "number": detections.number,
        "healpix": healpix(detections.ra, detections.dec),
        "ra": detections.ra,
        "dec": detections.dec,
        "num_bands": np.isfinite(shape).sum(axis=1).astype(np.int16),
        "AUTO_iSDSS": detections.i_flux.astype(np.float32),
        REFERENCE: detections.mag_i.astype(np.float32),
        f"{REFERENCE}_ERR": detections.mag_i_err.astype(np.float32),
    }
    for position, band in enumerate(narrow_bands()):
        columns[band.token] = shape[:, position].astype(np.float32)
        columns[f"{band.token}_ERR"] = shape_err[:, position].astype(np.float32)
    return columns


def _reasons(
    has_i: NDArray[np.bool_], num_bands: NDArray[Any], has_position: NDArray[Any], min_bands: int
) -> NDArray[np.object_]:
    """Why each source is set aside, "" for the good ones; the gravest cause counts.

    has_i: i is positive beyond 1 sigma: the shape is a ratio to it, without meaning else
    """
    reasons = np.full(len(has_i), "", dtype=object)
    reasons[num_bands < min_bands] = f"fewer than {min_bands} bands"
    reasons[~has_i] = "no i-band flux"
    reasons[~has_position] = "no position"
    return reasons


def write(blocks: Iterable[Columns], out: str | Path) -> int:
    """Write blocks of the J-PAS table into one Parquet file or a directory of shards."""
    return write_blocks(iter(blocks), out, jpas_schema())
