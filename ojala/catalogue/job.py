"""The catalogue job: a large catalogue as shards of answers, each whole or not there.

A shard is made of one piece of the catalogue and knows by what: the digest of its input, the
bundle, the heads and the parameters. A job that was stopped at any moment goes on from the shards
that are finished, and its result is that of one that nobody disturbed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from ojala import __version__
from ojala.catalogue.pieces import Piece, read_piece
from ojala.catalogue.seen import Seen
from ojala.tables.shards import COMPRESSION
from ojala.tables.writing import written_whole

DIGEST, SEEN = b"ojala.shard", b"ojala.seen"
"""Metadata of a shard: what it was made of and by, and what there was of its rows."""


class Answerer(Protocol):
    """What answers about the rows of a piece, opened once by each worker."""

    def __call__(self, table: pa.Table, piece: Piece) -> tuple[pa.Table, Seen]:
        """The rows with their answers, and what there was of them. Raises ValueError."""
        ...


@dataclass(frozen=True, kw_only=True)
class Job:
    """Pieces of a catalogue, and the digests of the shards that they become.

    shards: directory of the shards, ``part-NNNNN.parquet``, which every worker reaches
    """

    pieces: tuple[Piece, ...]
    digests: tuple[str, ...]
    shards: Path

    def shard(self, number: int) -> Path:
        """The file of a shard."""
        return self.shards / f"part-{number:05d}.parquet"

    @property
    def num_rows(self) -> int:
        """Of all pieces."""
        return sum(piece.num_rows for piece in self.pieces)


def job_of(pieces: Sequence[Piece], shards: Path, made_by: Any) -> Job:
    """The job that answers about pieces of a catalogue.

    made_by: whatever else an answer depends on, as JSON knows it: bundle, heads, parameters
    Raises ValueError for a catalogue without rows, and a directory with shards of another job.
    """
    if not sum(piece.num_rows for piece in pieces):
        raise ValueError(f"{pieces[0].path}: it has no rows")
    content = {stored: _content(stored) for stored in {piece.stored for piece in pieces}}
    digests = [
        digest([content[p.stored], p.first, p.num_rows, __version__, made_by]) for p in pieces
    ]
    job = Job(pieces=tuple(pieces), digests=tuple(digests), shards=shards)
    _check_shards(job)
    return job


def finished(job: Job) -> list[int]:
    """Numbers of the shards that are there, whole."""
    return [number for number in range(len(job.pieces)) if job.shard(number).exists()]


def make_shard(job: Job, number: int, answer: Answerer) -> None:
    """Answer about one piece and write its shard.

    Raises ValueError naming the file and what is wrong with it, and for a shard that cannot be
    written.
    """
    piece, path = job.pieces[number], job.shard(number)
    table, found = answer(read_piece(piece), piece)
    known = {DIGEST: job.digests[number].encode(), SEEN: found.to_json()}
    table = table.replace_schema_metadata((table.schema.metadata or {}) | known)
    try:
        with written_whole(path) as partial:
            pq.write_table(table, partial, compression=COMPRESSION)
    except OSError as error:  # it names the shard
        raise ValueError(str(error)) from error


def seen_of(job: Job) -> Iterator[Seen]:
    """What there was of each piece of a finished job, in the order of its rows."""
    for number in range(len(job.pieces)):
        yield Seen.from_json((pq.read_schema(job.shard(number)).metadata or {})[SEEN])


def tables_of(job: Job) -> Iterator[pa.Table]:
    """The shards of a finished job in the order of its rows, without what is known of them.

    Raises ValueError naming a shard that is damaged.
    """
    for number in range(len(job.pieces)):
        path = job.shard(number)
        try:
            table = pq.read_table(path, partitioning=None)
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path, error) from None
        known = dict(table.schema.metadata or {})
        yield table.replace_schema_metadata(
            {name: text for name, text in known.items() if name not in (DIGEST, SEEN)}
        )


def _check_shards(job: Job) -> None:
    """Remove what a kill left half-written.

    Raises ValueError for a shard of another job, one that is damaged, and one of other columns.
    """
    for partial in job.shards.glob(".*.partial.part-*.parquet"):
        partial.unlink(missing_ok=True)
    numbers = {job.shard(number).name: number for number in range(len(job.pieces))}
    names: list[str] = []
    for path in sorted(job.shards.glob("part-*.parquet")):
        try:
            schema = pq.read_schema(path)
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path, error) from None
        number = numbers.get(path.name)
        made_of = (schema.metadata or {}).get(DIGEST, b"")
        if number is None or made_of != job.digests[number].encode():
            raise ValueError(
                f"{job.shards}: {path.name} is of another catalogue, bundle or parameters: "
                "remove these shards, or give another directory"
            )
        names = names or schema.names
        if schema.names != names:
            raise ValueError(
                f"{path}: its columns are not those of the shards before it; remove it, and it is "
                "made again"
            )


def _damaged(path: Path, error: Exception) -> ValueError:
    said = " ".join(str(error).split())
    return ValueError(f"{path}: a damaged shard ({said}); remove it, and it is made again")


def digest(content: Any) -> str:
    """SHA-256 of what JSON can say."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _content(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
