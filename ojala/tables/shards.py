"""The training table: few large Parquet shards with the released column names.

Every token of the vocabulary is a column: float32 with NaN where nothing is known (and
``<TOKEN>_ERR``, 1 sigma), or an int8 code with -1 where it is not known (MORPHTYPE, SPECTYPE).
Beside them stand the keys, the truth that sampling and fine-tuning use, ``weight`` and ``split``,
and ``<TOKEN>_CLEAN``, the bands before noise was added.
The J-PAS table is the same without labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ojala.tables.columns import flat
from ojala.tables.files import read_table_file
from ojala.tables.writing import written_whole
from ojala.vocabulary.bands import measured_tokens
from ojala.vocabulary.quantities import (
    CLASSES,
    MORPHTYPES,
    NO_CODE,
    observations,
    quantities,
    vocabulary,
)

Columns = dict[str, NDArray[Any]]
"""Columns of a table by name, all of one length."""

COMPRESSION = "zstd"
"""Of every Parquet table that is written by blocks."""

CATEGORICAL = {
    quantity.token: quantity.categories for quantity in quantities() if quantity.categories
}
"""Categories of the tokens that are codes; a code is the position of its category."""

DESI_KEYS = pa.schema(
    [
        ("targetid", pa.int64()),
        ("survey", pa.string()),
        ("program", pa.string()),
        ("healpix", pa.int32()),  # nside 64, nested
        ("ra", pa.float64()),
        ("dec", pa.float64()),
        ("spectype", pa.string()),
        ("z", pa.float64()),
        ("z_err", pa.float64()),
        ("ebv", pa.float32()),
    ]
)
JPAS_KEYS = pa.schema(
    [
        ("tile_id", pa.int64()),
        ("number", pa.int64()),
        ("healpix", pa.int32()),  # nside 64, nested
        ("ra", pa.float64()),
        ("dec", pa.float64()),
        ("num_bands", pa.int16()),  # narrow bands observed
        (
            "AUTO_iSDSS",
            pa.float32(),
        ),  # 1e-19 erg/s/cm2/Angstrom, total i flux: the scale of line fluxes
    ]
)
EXTRA_LABELS = pa.schema(
    [
        ("OII_3727_EW", pa.float32()),  # rest frame, Angstrom: a sampling space of Appendix B
        (
            "LOGMASS_DAS_PAN25",
            pa.float32(),
        ),  # log10 of the black-hole mass, Msun: a fine-tuned head's label
        ("LOGMASS_DAS_PAN25_ERR", pa.float32()),
    ]
)
EXCLUDED = pa.schema([("targetid", pa.int64()), ("survey", pa.string()), ("program", pa.string())])
"""Key of the sources that must not be trained on."""

PERTURBED = measured_tokens()
"""Tokens that J-PAS measures, narrow bands and the reference: they take a donor's error and are
perturbed by it."""

CLEAN_SUFFIX = "_CLEAN"
"""Of the columns that hold what a band was before it was perturbed."""

TRAINING = pa.schema([("weight", pa.float64()), ("split", pa.string())])


def token_fields(tokens: Sequence[str]) -> list[pa.Field]:
    """The columns of tokens: value and 1 sigma, or a code."""
    fields = []
    for token in tokens:
        if token in CATEGORICAL:
            fields.append(pa.field(token, pa.int8()))
        else:
            fields += [pa.field(token, pa.float32()), pa.field(f"{token}_ERR", pa.float32())]
    return fields


def mocks_schema() -> pa.Schema:
    """Columns of the DESI mocks, and of the test sets made from them."""
    return pa.schema([*DESI_KEYS, *token_fields(vocabulary()), *EXTRA_LABELS, *TRAINING])


def noisy_schema() -> pa.Schema:
    """Columns of the mocks with J-PAS noise and of the training table: the noiseless ones too."""
    clean = [pa.field(f"{token}{CLEAN_SUFFIX}", pa.float32()) for token in PERTURBED]
    return pa.schema([*mocks_schema(), *clean])


def jpas_schema() -> pa.Schema:
    """Columns of the J-PAS table: keys and the observations, no labels."""
    return pa.schema([*JPAS_KEYS, *token_fields(observations())])


def matched_schema() -> pa.Schema:
    """Columns of the test and validation sets: a mock's, and the keys of its J-PAS counterpart."""
    counterpart = [
        JPAS_KEYS.field(name) for name in ("tile_id", "number", "num_bands", "AUTO_iSDSS")
    ]
    separation = pa.field("separation", pa.float32())  # arcsec
    return pa.schema([*mocks_schema(), *counterpart, separation])


def as_table(columns: Mapping[str, NDArray[Any]], schema: pa.Schema) -> pa.Table:
    """Arrow table in the schema's order and types; columns left out are missing values.

    columns: of the same rows, each (num_rows,)
    Raises ValueError for a column that the schema does not know, columns of different length,
    or a class code out of range.
    """
    unknown = set(columns) - set(schema.names)
    if unknown:
        raise ValueError(f"column {sorted(unknown)[0]!r} is not part of the table")
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        raise ValueError(f"columns differ in length: {sorted(lengths)}")
    num_rows = lengths.pop() if lengths else 0
    for token in set(columns) & set(CATEGORICAL):
        check_codes(columns[token], token)
    arrays = [
        _filled(columns[field.name], field) if field.name in columns else _missing(field, num_rows)
        for field in schema
    ]
    return pa.table(arrays, schema=schema)


def write_blocks(blocks: Iterator[Columns], out: str | Path, schema: pa.Schema) -> int:
    """Write blocks of columns into one file ``*.parquet`` or a directory of shards; number of rows.

    Whole or not at all; either way with the same compression.
    """
    if Path(out).suffix != ".parquet":
        return write_shards(blocks, out, schema)
    num_rows = 0
    with (
        written_whole(out) as partial,
        pq.ParquetWriter(partial, schema, compression=COMPRESSION) as writer,
    ):
        for block in blocks:
            table = as_table(block, schema)
            writer.write_table(table)
            num_rows += table.num_rows
    return num_rows


def write_shards(
    blocks: Iterator[Columns],
    directory: str | Path,
    schema: pa.Schema,
    *,
    rows_per_shard: int = 1_000_000,
) -> int:
    """Stream blocks of columns into ``directory/part-NNNNN.parquet``; returns the number of rows.

    The directory appears whole or not at all. Sources keep the order in which they come.
    """
    num_rows = 0
    with written_whole(directory) as partial:
        partial.mkdir()
        writer, in_shard, shard = None, 0, 0
        try:
            for block in blocks:
                table = as_table(block, schema)
                if writer is None:
                    writer = pq.ParquetWriter(
                        partial / f"part-{shard:05d}.parquet", schema, compression=COMPRESSION
                    )
                writer.write_table(table)
                num_rows += table.num_rows
                in_shard += table.num_rows
                if in_shard >= rows_per_shard:
                    writer.close()
                    writer, in_shard, shard = None, 0, shard + 1
        finally:
            if writer is not None:
                writer.close()
        if num_rows == 0:
            pq.write_table(schema.empty_table(), partial / "part-00000.parquet")
    return num_rows


def shard_paths(path: str | Path) -> list[Path]:
    """The Parquet files of a table: the file itself, or the shards of a directory, by number.

    Raises ValueError where there are none.
    """
    path = Path(path)
    paths = [path] if path.is_file() else sorted(path.glob("part-*.parquet"), key=_by_number)
    if not paths:
        raise ValueError(f"{path}: no Parquet shards (part-*.parquet) found")
    return paths


def _by_number(shard: Path) -> tuple[int, str]:
    """Of part-99999 and part-100000 the longer name is the later one."""
    return len(shard.name), shard.name


def read_table(path: str | Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A table from one file of any format, or a directory of Parquet shards.

    Raises ValueError naming the file and the column that is missing, or the wrong class code.
    """
    tables = [read_table_file(shard, columns) for shard in shard_paths(path)]
    try:
        table = pa.concat_tables(tables)
    except pa.ArrowException as error:
        raise ValueError(f"{path}: its shards do not have the same columns ({error})") from None
    for token in set(table.column_names) & set(CATEGORICAL):
        codes = column(table, token)
        try:
            if codes.dtype.kind in "iuf":  # names are for who asked for the table
                check_codes(codes, token)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    return table


def column(table: pa.Table, name: str) -> NDArray[Any]:
    """One column as a numpy array; whole numbers with nulls are exact numbers and None."""
    values = flat(table.column(name))
    if pa.types.is_integer(values.type) and values.null_count:
        return np.array(values.to_pylist(), dtype=object)
    return np.asarray(values.to_numpy(zero_copy_only=False))


def columns_of(table: pa.Table) -> Columns:
    """Every column of a table as a numpy array."""
    return {name: column(table, name) for name in table.column_names}


OTHER_TYPES = {"GPSF": "PSF", "SIMP": "REX", "COMP": "SER", "DUP": ""}
"""Morphological types beside MORPHTYPES, as what they are taken for.

GPSF is a point source that Gaia knows; SIMP, a round exponential of one size (DR3 to DR5), became
REX; COMP, a de Vaucouleurs and an exponential profile together (to DR8), became SER. DUP is a Gaia
source on top of a galaxy, which was not fitted: not known.
"""


def spectype_codes(spectype: Sequence[str]) -> NDArray[np.int8]:
    """Codes of spectral classes, -1 for the unknown ones."""
    return _codes(spectype, CLASSES)


def morphtype_codes(morphtype: Sequence[str]) -> NDArray[np.int8]:
    """Codes of Legacy morphological types in any case, -1 for unknown ones.

    Types of older releases and of Gaia are taken as OTHER_TYPES says.
    """
    names = [str(name).strip().upper() for name in morphtype]
    return _codes([OTHER_TYPES.get(name, name) for name in names], MORPHTYPES)


def _codes(names: Sequence[str], categories: Sequence[str]) -> NDArray[np.int8]:
    code = {category: position for position, category in enumerate(categories)}
    return np.array([code.get(str(name).strip(), NO_CODE) for name in names], dtype=np.int8)


def codes_given(values: NDArray[Any], token: str, first_row: int = 0) -> NDArray[Any]:
    """Codes of a column of names or of codes, -1 or NaN where not known.

    values: (num_rows,); first_row: how many rows of the table come before
    Raises ValueError naming the row (the first is 1) of one that is neither.
    """
    if values.dtype.kind == "O" and all(v is None or type(v) in (int, float) for v in values):
        values = numbers(values, token)  # codes with nulls among them
    if values.dtype.kind in "OUS":
        return codes_of_names(values.tolist(), token, first_row)
    if values.dtype.kind not in "iuf":
        known = ", ".join(CATEGORICAL[token])
        raise ValueError(
            f"column {token} holds {values.dtype}, expected the names {known} or codes"
        )
    check_codes(values, token, first_row)
    return values


def codes_of_names(names: Sequence[Any], token: str, first_row: int = 0) -> NDArray[np.int8]:
    """Codes of the names of a token's categories, -1 where blank or None.

    Raises ValueError naming the row (the first is 1) of a name that is none of them.
    """
    said = [_stripped(name) for name in names]
    codes = (morphtype_codes if token == "MORPHTYPE" else spectype_codes)(said)
    for row, (name, code) in enumerate(zip(said, codes, strict=True), start=first_row + 1):
        if name and code == NO_CODE and name.upper() not in OTHER_TYPES:
            known = ", ".join(CATEGORICAL[token])
            raise ValueError(
                f"column {token}, row {row}: {name!r} is not one of {known}; missing is blank"
            )
    return codes


def numbers(values: NDArray[Any], name: str) -> NDArray[np.float64]:
    """A column, (num_rows,), as numbers, NaN where blank or None.

    Raises ValueError naming the row (the first is 1) of what is not a number.
    """
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        found = np.full(len(values), np.nan)
    for row, value in enumerate(np.asarray(values).tolist(), start=1):
        text = _stripped(value)
        try:
            found[row - 1] = float(text or "nan")
        except ValueError:
            raise ValueError(f"column {name}, row {row}: {text!r} is not a number") from None
    return found


def _stripped(value: Any) -> str:
    """A cell as text, "" where it is None or NaN."""
    if value is None or value != value:
        return ""
    return (value.decode(errors="replace") if isinstance(value, bytes) else str(value)).strip()


def check_codes(codes: NDArray[Any], token: str, first_row: int = 0) -> None:
    """Raise ValueError naming the row (the first is 1) of a code that is no category's.

    codes: of a categorical column, (num_rows,), from row ``first_row`` of the table on, from 0;
        NO_CODE or NaN where there is none
    """
    known = len(CATEGORICAL[token])
    wrong = (codes < NO_CODE) | (codes >= known) | ((codes != np.trunc(codes)) & (codes == codes))
    if np.any(wrong):
        row = int(np.argmax(wrong))
        raise ValueError(
            f"column {token}, row {first_row + row + 1}: code {codes[row]} is not one of "
            f"-1 ... {known - 1}"
        )


def _filled(values: NDArray[Any], field: pa.Field) -> pa.Array:
    """A column in its type; NaN stays NaN in a float column and is null in an integer one."""
    keep_nan = pa.types.is_floating(field.type)
    return pa.array(np.asarray(values), type=field.type, from_pandas=not keep_nan)


def _missing(field: pa.Field, num_rows: int) -> pa.Array:
    if pa.types.is_floating(field.type):
        return pa.array(np.full(num_rows, np.nan), type=field.type)
    if field.type == pa.int8():
        return pa.array(np.full(num_rows, NO_CODE), type=field.type)
    return pa.nulls(num_rows, field.type)
