"""A catalogue written in every format that the field reads, side by side."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ojala.catalogue.light import light
from ojala.model.predictor import Predictor
from ojala.publish.hats import write_hats
from ojala.publish.qp_ensemble import write_qp
from ojala.publish.voparquet import with_votable
from ojala.tables.files import check_writable, write_table_file
from ojala.tables.shards import COMPRESSION
from ojala.tables.writing import written_whole

FORMATS = ("parquet", "fits", "vot", "hats")
WITH_NETWORK = "qp"
"""The full p(z), which a network has to be asked for."""


def publish(
    table: pa.Table,
    out: Path,
    name: str,
    formats: tuple[str, ...] = FORMATS,
    predictor: Predictor | None = None,
) -> list[str]:
    """Write a catalogue into the directory ``out``; what was written, a line each.

    formats: of FORMATS, and WITH_NETWORK, which asks the predictor
    Raises ValueError before anything is written for a format that cannot hold a column.
    """
    for suffix in ("fits", "vot"):
        if suffix in formats:
            check_writable(table, out / f"{name}.{suffix}")
    writers: dict[str, Callable[[], list[str]]] = {
        "parquet": lambda: _parquet(table, out / f"{name}.parquet"),
        "fits": lambda: _plain(table, out / f"{name}.fits"),
        "vot": lambda: _plain(table, out / f"{name}.vot"),
        "hats": lambda: _hats(table, out, name),
        WITH_NETWORK: lambda: _qp(table, out, name, predictor),
    }
    return [line for each in formats for line in writers[each]()]


def _parquet(table: pa.Table, path: Path) -> list[str]:
    with written_whole(path) as partial:
        pq.write_table(with_votable(table), partial, compression=COMPRESSION)
    return [f"{path}: {len(table)} sources, VOParquet"]


def _plain(table: pa.Table, path: Path) -> list[str]:
    write_table_file(table, path)
    return [f"{path}: {len(table)} sources"]


def _hats(table: pa.Table, out: Path, name: str) -> list[str]:
    place = out / f"{name}_hats"
    written = write_hats(table, place, name)
    lines = [
        f"{place}: {written.num_rows} sources in {written.num_pixels} pixels, "
        f"{written.num_margin} in margins"
    ]
    if written.num_unplaced:
        lines.append(f"{place}: {written.num_unplaced} sources without a position are left out")
    return lines


def _qp(table: pa.Table, out: Path, name: str, predictor: Predictor | None) -> list[str]:
    assert predictor is not None, "p(z) needs a network"
    lines = []
    for token, pdf in predictor.redshifts(light(table)).items():
        path = out / f"{name}_{token.lower()}_qp.hdf5"
        found = write_qp(pdf, table, path)
        lines.append(f"{path}: {len(found)} sources, {found.bytes_per_source} bytes each")
    return lines
