"""Objects set aside, each with its reason: nothing is dropped silently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ojala.tables.writing import written_whole

SCHEMA = pa.schema(
    [
        ("source_id", pa.string()),
        ("file", pa.string()),
        ("row", pa.int64()),
        ("reason", pa.string()),
        ("ra", pa.float64()),
        ("dec", pa.float64()),
    ]
)


@dataclass(kw_only=True)
class Rejects:
    """A growing table of rejected objects, and of whole files that could not be read.

    source_id: what the survey calls the object (a TARGETID, or "tile_id-number"); "" for a file
    file, row: where it was read (None for a whole file)
    reason: a short phrase, the same for the same cause
    ra, dec: degrees, NaN where not known
    """

    source_id: list[str] = field(default_factory=list)
    file: list[str] = field(default_factory=list)
    row: list[int | None] = field(default_factory=list)
    reason: list[str] = field(default_factory=list)
    ra: list[float] = field(default_factory=list)
    dec: list[float] = field(default_factory=list)

    def add(
        self,
        source_ids: Sequence[object],
        rows: Sequence[int],
        *,
        file: str | Path,
        reason: str,
        position: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    ) -> None:
        """Set aside the objects ``source_ids``, found at ``rows`` of ``file``.

        position: right ascensions and declinations, degrees
        Both positions: (num_rejects,).
        """
        assert len(source_ids) == len(rows), "one row number per object"
        ra, dec = position or (np.full(len(rows), np.nan),) * 2
        self.ra.extend(ra.tolist())
        self.dec.extend(dec.tolist())
        self.source_id.extend(str(source) for source in source_ids)
        self.row.extend(int(row) for row in rows)
        self.file.extend([str(file)] * len(rows))
        self.reason.extend([reason] * len(rows))

    def add_file(self, file: str | Path, reason: str) -> None:
        """Set aside a file whose objects are not known."""
        self.source_id.append("")
        self.file.append(str(file))
        self.row.append(None)
        self.reason.append(reason)
        self.ra.append(np.nan)
        self.dec.append(np.nan)

    def extend(self, other: Rejects) -> None:
        """Take over the rows of another table."""
        self.source_id.extend(other.source_id)
        self.file.extend(other.file)
        self.row.extend(other.row)
        self.reason.extend(other.reason)
        self.ra.extend(other.ra)
        self.dec.extend(other.dec)

    def __len__(self) -> int:
        return len(self.source_id)

    def counts(self) -> dict[str, int]:
        """Number of objects per reason, most frequent first; files are not objects."""
        objects = zip(self.source_id, self.reason, strict=True)
        return dict(Counter(reason for source, reason in objects if source).most_common())

    def write(self, path: str | Path) -> None:
        """Write the table as Parquet."""
        table = pa.table([getattr(self, name) for name in SCHEMA.names], schema=SCHEMA)
        with written_whole(path) as partial:
            pq.write_table(table, partial)
