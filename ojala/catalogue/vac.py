"""The value-added catalogue: input columns, predictions and derived quantities, with provenance.

Written as Parquet and as FITS. Every column has a unit, a UCD and a description
(``data/vac_columns.ecsv``; bands from ``data/bands.ecsv``), and the header says which model,
data and parameters the numbers come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io import fits
from numpy.typing import NDArray

from ojala.catalogue.in_blocks import growing, write_in_blocks
from ojala.tables.columns import meaning
from ojala.tables.formats.fits_tables import tell_long_text
from ojala.tables.shards import Columns, columns_of, jpas_schema
from ojala.tables.units import described_for_fits, standard_text
from ojala.tables.writing import written_whole
from ojala.vocabulary.catalogue_columns import VacColumn, vac_column
from ojala.vocabulary.quantities import NO_CODE

HEADER_KEYS = {
    "ojala_version": ("OJALAVER", "version of the code"),
    "git_commit": ("GITSHA", "commit of the code"),
    "model_name": ("MODEL", "registered model"),
    "model_version": ("MODELVER", "version of the registered model"),
    "run_id": ("RUNID", "MLflow run that trained it"),
    "bundle_digest": ("BUNDLE", "digest of the bundle that predicted"),
    "engine": ("ENGINE", "backend and precision of its arithmetic"),
    "heads": ("HEADS", "fine-tuned heads and their digests"),
    "params_digest": ("PARAMS", "digest of the parameters"),
    "mocks_digest": ("DESIDATA", "digest of the DESI mocks (DVC)"),
    "jpas_digest": ("JPASDATA", "digest of the J-PAS table (DVC)"),
    "data_source": ("DATASRC", "simulated, desi or release"),
    "domain": ("DOMAIN", "training domain of OUTSIDE_TRAINING"),
    "recalibration": ("RECALIB", "held-out sources behind the sets of 90 %"),
    "cosmology": ("COSMO", "cosmology of the luminosities"),
    "created": ("DATE", "when the catalogue was written (UTC)"),
}
"""FITS card and meaning of each entry of the provenance."""


NO_DOMAIN = "none: OUTSIDE_TRAINING is not judged"
"""Entry of the provenance where no training domain was given."""

NO_RECALIBRATION = "none: answers are as the network gives them"
"""Entry of the provenance where no recalibration was given."""


def write_vac(
    directory: str | Path,
    columns: Columns,
    provenance: Mapping[str, str],
    extra: Sequence[VacColumn] = (),
) -> None:
    """Write ``ojala_vac.parquet`` and ``ojala_vac.fits`` into ``directory``, each whole.

    columns: in the order in which they are to stand; provenance: entries of HEADER_KEYS.
    extra: what columns mean that are not the catalogue's own (fine-tuned heads)
    Raises ValueError for a column without a description or an unknown entry of the provenance.
    """
    write_vac_tables(directory, [vac_table(columns, extra)], provenance)


def vac_table(columns: Columns, extra: Sequence[VacColumn] = ()) -> pa.Table:
    """Rows of the catalogue, whose columns say what they mean.

    columns: in the order in which they are to stand; extra: as of ``write_vac``
    Raises ValueError for a column without a description.
    """
    described = [vac_column(name, extra) for name in columns]
    arrays = [pa.array(_whole(name, values)) for name, values in columns.items()]
    fields = [
        pa.field(
            column.name,
            array.type,
            metadata={"unit": column.unit, "ucd": column.ucd, "description": column.description},
        )
        for column, array in zip(described, arrays, strict=True)
    ]
    return pa.table(arrays, schema=pa.schema(fields))


def write_vac_tables(
    directory: str | Path, tables: Iterable[pa.Table], provenance: Mapping[str, str]
) -> None:
    """Write both files of rows that come table by table (``vac_table``), none of which is kept.

    Raises ValueError for an unknown entry of the provenance.
    """
    unknown = set(provenance) - set(HEADER_KEYS)
    if unknown:
        raise ValueError(f"provenance entry {sorted(unknown)[0]!r} has no header card")
    directory = Path(directory)
    with written_whole(directory / "ojala_vac.parquet") as partial, growing(partial) as write:
        for table in tables:
            write(table.replace_schema_metadata(dict(provenance)))
    written = pq.ParquetFile(directory / "ojala_vac.parquet")
    with written_whole(directory / "ojala_vac.fits") as partial, partial.open("wb") as file:
        write_in_blocks(file, written, lambda table: _hdu(table, provenance))


def _hdu(table: pa.Table, provenance: Mapping[str, str]) -> fits.BinTableHDU:
    meanings = [meaning(field) for field in table.schema]
    fits_columns = [
        fits.Column(
            name=name,
            array=values,
            format=_fits_format(values),
            unit=standard_text(said.get("unit", "")),
        )
        for (name, values), said in zip(_plain(table).items(), meanings, strict=True)
    ]
    hdu = fits.BinTableHDU.from_columns(fits_columns, name="OJALA_VAC")
    for number, said in enumerate(meanings, start=1):
        hdu.header[f"TUCD{number}"] = said.get("ucd", "")
        text = described_for_fits(said.get("description", ""), said.get("unit", ""))
        hdu.header[f"TCOMM{number}"] = text
    for entry, value in provenance.items():
        keyword, comment = HEADER_KEYS[entry]
        value = card_text(entry, str(value))
        hdu.header[keyword] = (value, comment if _fits(value, comment) else "")
    tell_long_text(hdu.header)
    return hdu


def card_text(entry: str, value: str) -> str:
    """An entry of the provenance as a FITS card says it: its dates are UTC and name no zone."""
    return value.removesuffix("+00:00") if entry == "created" else value


def _fits(value: str, comment: str) -> bool:
    """Whether a header card of 80 characters holds both; a value that is longer goes on below."""
    return len(value) > 68 or len("KEYWORD = '' / ") + max(len(value), 8) + len(comment) <= 80


def _whole(name: str, values: NDArray[Any]) -> NDArray[Any]:
    """A column of whole numbers as such, -1 where missing; any other as it is."""
    schema = jpas_schema()
    whole = name in schema.names and pa.types.is_integer(schema.field(name).type)
    if not whole or values.dtype.kind not in "fO":
        return values
    known = np.array([value is not None and value == value for value in values], dtype=bool)
    return np.where(known, values, NO_CODE).astype(schema.field(name).type.to_pandas_dtype())


def _plain(table: pa.Table) -> Columns:
    """Text as fixed-width bytes, anything else as it is."""
    return {
        name: values.astype("S") if values.dtype.kind in "OU" else values
        for name, values in columns_of(table).items()
    }


def _fits_format(values: Any) -> str:
    kinds = {"f4": "E", "f8": "D", "i1": "I", "i2": "I", "i4": "J", "i8": "K", "b1": "L"}
    if values.dtype.kind == "S":
        return f"{max(values.dtype.itemsize, 1)}A"
    return kinds[values.dtype.str[1:]]
