"""A file of a table in, the same format out with the answers beside its columns: /predict_table.

It is ``ojala predict`` on a file that came as the body of a request. A body of 64 MiB may say that
it holds far more: what it unpacks to is looked at before it is read.
"""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from starlette.datastructures import QueryParams

from ojala.catalogue import answers
from ojala.heads.head import Head
from ojala.tables.columns import is_text
from ojala.tables.files import one_sentence, open_table
from serving import access, metrics
from serving.answering import Answering
from serving.schemas import MAX_SOURCES

SUFFIXES = {
    "text/csv": ".csv",
    "application/fits": ".fits",
    "application/x-votable+xml": ".vot",
    "application/vnd.apache.parquet": ".parquet",
}
"""By media type, the end of a file's name that tells its format."""

MOST_BYTES = 256 * 2**20
"""Of a table in memory, whatever it was packed to."""

one_at_a_time = threading.Lock()
"""A table takes seconds, during which the requests that gather have half of the processor."""


def suffix_of(content_type: str) -> str:
    """The end of the name of a file of that media type. Raises Refused for another."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in SUFFIXES:
        told = f"Content-Type is {media_type or 'not given'}, expected {', '.join(SUFFIXES)}"
        raise access.Refused(415, told)
    return SUFFIXES[media_type]


def queries_of(asked: QueryParams) -> tuple[str, ...] | None:
    """The queries of a request; None for all. Raises Refused for another parameter."""
    if unknown := set(asked) - {"queries"}:
        raise access.Refused(400, f"parameter {min(unknown)} is unknown, expected queries")
    return tuple(asked["queries"].split(",")) if "queries" in asked else None


def answered(body: bytes, suffix: str, asked: QueryParams, answering: Answering) -> bytes:
    """The table of a file with answers, as a file of that format.

    asked: ``queries``, with commas between them
    Raises Refused for what ``ojala predict`` refuses, for more than MAX_SOURCES, and while another
    table is being answered.
    """
    queries = queries_of(asked)
    if not one_at_a_time.acquire(blocking=False):
        raise access.Refused(429, "another table is being answered, ask again", retry_after=5)
    try:
        with tempfile.TemporaryDirectory(prefix="ojala-table-") as place:
            given = Path(place) / f"table{suffix}"
            given.write_bytes(body)
            return _answered(given, Path(place) / f"answers{suffix}", queries, answering)
    finally:
        one_at_a_time.release()


def _answered(
    given: Path, out: Path, queries: tuple[str, ...] | None, answering: Answering
) -> bytes:
    predictor = answering.predictor
    heads = [one for one in predictor.heads.values() if isinstance(one, Head)]
    who = answers.Asked(predictor=predictor, queries=queries, heads=heads)
    try:
        predictor.check_queries(queries or ())
        num_rows = count(given, MAX_SOURCES, MOST_BYTES)
        access.take(num_rows)
        began = time.monotonic()
        answers.predict(given, out, who)
    except ValueError as error:
        told = str(error).replace(f"{given}: ", "").replace(f"{out}: ", "")
        raise access.Refused(400, f"the table: {told}") from None
    metrics.count_request(num_rows, time.monotonic() - began)
    return out.read_bytes()


def count(path: Path, most_rows: int, most_bytes: int) -> int:
    """Rows of a table that is not too large to be read.

    most_bytes: in memory, of a table of Parquet
    Raises ValueError where it is too large, empty or no table.
    """
    with path.open("rb") as file:
        is_parquet = file.read(4) == b"PAR1"
    if is_parquet:
        with one_sentence(path):
            size = _unpacked(path, most_rows, most_bytes)
        if size > most_bytes:
            raise ValueError(f"unpacked it is larger than {most_bytes // 2**20} MiB")
    table = open_table(path)
    num_rows = table.num_rows
    if num_rows is None:
        num_rows = sum(map(len, table.blocks(table.names[:1], MAX_SOURCES)))
    if not 0 < num_rows <= most_rows:
        raise ValueError(f"{num_rows} sources, expected 1 to {most_rows}")
    return num_rows


def _unpacked(path: Path, most_rows: int, most_bytes: int) -> int:
    """Bytes of a Parquet file in memory: values repeated again and again take few in the file.

    Of one that is too large already what is known of it without reading it.
    """
    metadata = pq.read_metadata(path)
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    chunks = [one.column(place) for one in groups for place in range(one.num_columns)]
    size: int = sum(max(one.total_uncompressed_size, 8 * one.num_values) for one in chunks)
    texts = [one.name for one in metadata.schema.to_arrow_schema() if _is_long(one.type)]
    if size <= most_bytes and metadata.num_rows <= most_rows:
        for column in pq.read_table(path, columns=texts, read_dictionary=texts).columns:
            size += sum(_length(chunk) for chunk in column.chunks)
    return size


def _is_long(kind: pa.DataType) -> bool:
    """Whether values of a type are of any length: text, and bytes."""
    return is_text(kind) or bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _length(column: pa.Array) -> int:
    """Bytes of a column of text, written out."""
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    lengths = pc.binary_length(column.dictionary).take(column.indices)
    return int(pc.sum(lengths).as_py() or 0)
