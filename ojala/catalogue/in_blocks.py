"""Tables that are written block by block, so that none is ever held whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from astropy.io import fits

from ojala.tables.columns import is_text
from ojala.tables.shards import COMPRESSION

ROWS = 20_000
"""Of a block of a FITS table."""

RECORD = 2880
"""Bytes that a FITS file is a multiple of."""


@contextmanager
def growing(path: Path) -> Iterator[Callable[[pa.Table], None]]:
    """What adds a table to a Parquet file; the first that is added tells columns and header.

    Raises ValueError for a later one of other columns.
    """
    writers: list[pq.ParquetWriter] = []

    def write(table: pa.Table) -> None:
        if not writers:
            writers.append(pq.ParquetWriter(path, table.schema, compression=COMPRESSION))
        writers[0].write_table(table.cast(writers[0].schema))

    try:
        yield write
    finally:
        for writer in writers:
            writer.close()


def write_in_blocks(
    file: BinaryIO, table: pq.ParquetFile, hdu_of: Callable[[pa.Table], fits.BinTableHDU]
) -> None:
    """Write a Parquet file as FITS.

    Every block is laid out by astropy, beside rows that settle how wide a text is; the header is
    that of the first block with the number of all rows.

    hdu_of: the HDU of some rows; texts are as wide as the widest of them
    """
    settling = _widest(table)
    num_rows, written = table.metadata.num_rows, 0
    for block in _blocks(table):
        hdu = hdu_of(pa.concat_tables([settling, block]))
        if not written:
            hdu.header["NAXIS2"] = num_rows
            file.write(_bytes(fits.PrimaryHDU()) + hdu.header.tostring().encode("ascii"))
            hdu.header["NAXIS2"] = len(settling) + len(block)
        width, begin = hdu.header["NAXIS1"], len(hdu.header.tostring())
        first = begin + width * len(settling)
        file.write(_bytes(hdu)[first : first + width * len(block)])
        written += width * len(block)
    file.write(bytes(-written % RECORD))


def _blocks(table: pq.ParquetFile) -> Iterator[pa.Table]:
    if not table.metadata.num_rows:
        yield table.read()
    for batch in table.iter_batches(ROWS):
        yield pa.Table.from_batches([batch])


def _bytes(hdu: Any) -> bytes:
    """An HDU as it stands in a file, without one before it."""
    content = BytesIO()
    hdu.writeto(content)
    whole = content.getvalue()
    before = 0 if isinstance(hdu, fits.PrimaryHDU) else len(fits.PrimaryHDU().header.tostring())
    return whole[before:]


def _widest(table: pq.ParquetFile) -> pa.Table:
    """A row with the widest text of every column, none where there is no text."""
    texts = [field.name for field in table.schema_arrow if is_text(field.type)]
    schema = table.schema_arrow
    if not texts or not table.metadata.num_rows:
        return schema.empty_table()
    widest = dict.fromkeys(texts, "")
    for batch in table.iter_batches(ROWS, columns=texts):
        for name in texts:
            lengths = pc.binary_length(batch[name]).fill_null(0)
            longest = batch[name][int(np.argmax(lengths.to_numpy(zero_copy_only=False)))].as_py()
            widest[name] = max(widest[name], longest or "", key=lambda text: len(text.encode()))
    first = next(table.iter_batches(1)).to_pylist()[0]
    return pa.Table.from_pylist([first | widest], schema=schema)
