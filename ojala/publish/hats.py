"""A HATS collection: a catalogue in HEALPix pixels, with margins and an index, as LSDB opens it.

The Hierarchical Adaptive Tiling Scheme 1.0 (IVOA note): Parquet files by pixel, sorted by place;
beside them the sources just outside of each pixel, so that a cross-match misses none at its edges;
and for a column of names the pixels in which to look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ojala import __version__
from ojala.publish.partitions import FINEST, Pixel, finest_pixels, margins, partitions
from ojala.publish.voparquet import with_votable
from ojala.tables.pixels import placed
from ojala.tables.shards import COMPRESSION, column, numbers
from ojala.tables.writing import written_whole

HEALPIX = f"_healpix_{FINEST}"

MARGIN = 10.0
"""Arcsec about a pixel whose sources stand in its margin."""

ROWS_PER_PIXEL = 200_000
"""Sources of a pixel, at most."""

POSITIONS = (("ra", "dec"), ("alpha_j2000", "delta_j2000"), ("ra_deg", "dec_deg"))
"""Names of the columns of positions, in any case; degrees."""

NAMES = ("targetid", "source_id", "id", "number")
"""Names of the column that is indexed, in any case: the first that there is."""


class Written(NamedTuple):
    """What a collection holds: sources, pixels, rows of margins, and sources without a place."""

    num_rows: int
    num_pixels: int
    num_margin: int
    num_unplaced: int


def write_hats(
    table: pa.Table,
    out: Path,
    name: str,
    *,
    margin: float = MARGIN,
    rows_per_pixel: int = ROWS_PER_PIXEL,
) -> Written:
    """Write a collection into the directory ``out``, whole or not at all.

    Sources without a position are left out, and counted. margin: arcsec
    Raises ValueError where there are no columns of positions, or no source with one.
    """
    ra_name, dec_name = position_columns(table.column_names)
    ra, dec = (numbers(column(table, name), name) for name in (ra_name, dec_name))
    there = placed(ra, dec)
    if not there.any():
        raise ValueError(f"no source has a position in {ra_name} and {dec_name}")
    finest = np.full(len(ra), -1, dtype=np.int64)
    finest[there] = finest_pixels(ra[there], dec[there])
    order = np.flatnonzero(there)
    order = order[np.argsort(finest[order], kind="stable")]
    table = table.take(order).append_column(HEALPIX, pa.array(finest[order]))
    ra, dec, finest = ra[order], dec[order], finest[order]
    table = with_votable(table)
    pixels = dict(partitions(finest, rows_per_pixel))
    near = margins(ra, dec, list(pixels), finest, margin)
    near = {pixel: rows for pixel, rows in near.items() if len(rows)}
    place = {"hats_col_ra": ra_name, "hats_col_dec": dec_name}
    indexed = next((n for want in NAMES for n in table.column_names if n.lower() == want), "")
    beside = f"{name}_margin"
    with written_whole(out) as partial:
        partial.mkdir()
        _catalogue(partial / name, table, pixels, {"dataproduct_type": "object", **place})
        collection = {"obs_collection": name, "hats_primary_table_url": name}
        if near:
            told = {"hats_primary_table_url": name, "hats_margin_threshold": f"{margin:g}"}
            kind = {"dataproduct_type": "margin", **place, **told}
            _catalogue(partial / beside, table, near, kind)
            collection |= {"all_margins": beside, "default_margin": beside}
        if indexed:
            _index(partial / f"{name}_index", table, pixels, indexed, name)
            collection |= {"all_indexes": f"{indexed} {name}_index", "default_index": indexed}
        _tell(partial / "collection.properties", collection)
    return Written(len(table), len(pixels), sum(map(len, near.values())), int(np.sum(~there)))


def position_columns(names: Sequence[str]) -> tuple[str, str]:
    """The columns of right ascension and declination. Raises ValueError where there are none."""
    by_name = {name.lower(): name for name in names}
    for ra, dec in POSITIONS:
        if ra in by_name and dec in by_name:
            return by_name[ra], by_name[dec]
    known = ", ".join(" and ".join(pair) for pair in POSITIONS)
    raise ValueError(f"no columns of positions, expected {known}")


def _catalogue(
    place: Path,
    table: pa.Table,
    rows: Mapping[Pixel, slice | np.ndarray],
    properties: Mapping[str, str],
) -> None:
    """Parquet files of some rows by pixel, with what tells of them."""
    dataset, collected, most, total = place / "dataset", [], 0, 0
    for pixel, chosen in rows.items():
        part = table[chosen] if isinstance(chosen, slice) else table.take(chosen)
        inside = _file_of(pixel)
        (dataset / inside).parent.mkdir(parents=True, exist_ok=True)
        metadata: list[pq.FileMetaData] = []
        pq.write_table(part, dataset / inside, compression=COMPRESSION, metadata_collector=metadata)
        metadata[0].set_file_path(inside)
        collected += metadata
        most, total = max(most, len(part)), total + len(part)
    pq.write_metadata(table.schema, dataset / "_common_metadata")
    pq.write_metadata(table.schema, dataset / "_metadata", metadata_collector=collected)
    lines = ["Norder,Npix", *(f"{pixel.order},{pixel.number}" for pixel in rows)]
    (place / "partition_info.csv").write_text("\n".join(lines) + "\n")
    size = sum(path.stat().st_size for path in dataset.rglob("*.parquet"))
    told = {
        "obs_collection": place.name,
        **properties,
        "hats_nrows": total,
        "hats_col_healpix": HEALPIX,
        "hats_col_healpix_order": FINEST,
        "hats_npix_suffix": ".parquet",
        "hats_order": max(pixel.order for pixel in rows),
        "hats_max_rows": most,
        "hats_estsize": max(1, size // 1024),
        "moc_sky_fraction": f"{sum(1 / (12 * 4**pixel.order) for pixel in rows):.6g}",
    }
    for name in ("hats.properties", "properties"):
        _tell(place / name, told)


def _index(
    place: Path, table: pa.Table, pixels: Mapping[Pixel, slice], indexed: str, name: str
) -> None:
    """For each value of a column the pixel that holds it, sorted by value."""
    orders, npix = (np.empty(len(table), dtype=np.int64) for _ in range(2))
    for pixel, rows in pixels.items():
        orders[rows], npix[rows] = pixel
    found = pa.table(
        {
            indexed: table[indexed],
            "Norder": pa.array(orders, pa.uint8()),
            "Dir": pa.array(npix // 10_000 * 10_000, pa.uint64()),
            "Npix": pa.array(npix, pa.uint64()),
        }
    ).sort_by(indexed)
    inside = "index/part.0.parquet"
    dataset = place / "dataset"
    (dataset / inside).parent.mkdir(parents=True)
    metadata: list[pq.FileMetaData] = []
    pq.write_table(found, dataset / inside, metadata_collector=metadata)
    metadata[0].set_file_path(inside)
    pq.write_metadata(found.schema, dataset / "_common_metadata")
    pq.write_metadata(found.schema, dataset / "_metadata", metadata_collector=metadata)
    told = {
        "obs_collection": place.name,
        "dataproduct_type": "index",
        "hats_nrows": len(found),
        "hats_primary_table_url": name,
        "hats_index_column": indexed,
    }
    for file in ("hats.properties", "properties"):
        _tell(place / file, told)


def _file_of(pixel: Pixel) -> str:
    folder = pixel.number // 10_000 * 10_000
    return f"Norder={pixel.order}/Dir={folder}/Npix={pixel.number}.parquet"


def _tell(path: Path, properties: Mapping[str, object]) -> None:
    """Write properties as ``name=value``."""
    made = {
        "hats_builder": f"ojala {__version__}",
        "hats_creation_date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%MUTC"),
        "hats_version": "v1.0",
    }
    text = "".join(f"{name}={value}\n" for name, value in {**properties, **made}.items())
    path.write_text(f"#HATS {'collection' if path.stem == 'collection' else 'catalog'}\n{text}")
