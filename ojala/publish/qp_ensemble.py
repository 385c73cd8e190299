"""The full p(z) of a catalogue as a qp ensemble: an HDF5 file that ``qp.read`` opens.

Mixtures of a few Gaussians ("mixmod"), so that a source takes 60 bytes and not the 2048 of its
steps; beside them, under "ancil", the row of each in the catalogue and its names.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ojala.measures.redshift_pdf import RedshiftPdf
from ojala.publish.mixtures import NUM_GAUSSIANS, Mixtures, mixtures
from ojala.tables.columns import is_text
from ojala.tables.shards import column
from ojala.tables.writing import written_whole

IDS = (
    "targetid",
    "source_id",
    "id",
    "tile_id",
    "number",
    "ra",
    "dec",
    "alpha_j2000",
    "delta_j2000",
)
"""Columns of a catalogue, in any case, that are written beside p(z) where they are there."""


def write_qp(
    pdf: RedshiftPdf, table: pa.Table, path: Path, num_gaussians: int = NUM_GAUSSIANS
) -> Mixtures:
    """Write p(z) of the sources that have one, whole or not at all; what was written.

    pdf: of the rows of the table
    """
    rows = np.flatnonzero(pdf.known)
    found = mixtures(pdf[rows], num_gaussians)
    groups: dict[str, Mapping[str, NDArray[Any]]] = {
        "meta": {"pdf_name": np.array([b"mixmod"]), "pdf_version": np.array([0])},
        "data": {"weights": found.weight, "means": found.mean, "stds": found.sigma},
        "ancil": {"row": rows + 1} | _ids(table.take(rows)),
    }
    with written_whole(path) as partial, h5py.File(partial, "w") as file:
        for group, arrays in groups.items():
            for name, values in arrays.items():
                file.create_dataset(f"{group}/{name}", data=values)
    return found


def _ids(table: pa.Table) -> dict[str, NDArray[Any]]:
    """Names and positions of sources, text as bytes; a column with nulls is left out."""
    found = {}
    for field in table.schema:
        if field.name.lower() not in IDS or table[field.name].null_count:
            continue
        values = column(table, field.name)
        found[field.name] = np.char.encode(values.astype(str)) if is_text(field.type) else values
    return found
