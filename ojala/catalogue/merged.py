"""The shards of a finished job as one table."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from ojala.catalogue.in_blocks import growing
from ojala.catalogue.job import Job, tables_of
from ojala.tables.files import table_format, write_table_file
from ojala.tables.writing import written_whole


def merge(job: Job, path: Path) -> None:
    """Write all answers of a finished job to one file, in the format of its name.

    Into Parquet shard by shard; any other format is whole in memory. Raises ValueError as
    ``tables_of`` does, and for a file that cannot be written.
    """
    if table_format(path) != "Parquet":
        write_table_file(pa.concat_tables(tables_of(job)), path)
        return
    with written_whole(path) as partial, growing(partial) as write:
        for table in tables_of(job):
            write(table)
