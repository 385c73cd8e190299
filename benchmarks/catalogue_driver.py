"""What the driver of a catalogue job keeps and does, up to a billion rows: names of shards alone.

    python benchmarks/catalogue_driver.py

Pieces, digests and shards are those of `ojala vac`; no row exists, and every other shard is an
empty file in the place of one. Printed by number of rows: pieces; the most memory that Python held,
in all and by piece; what each worker is sent; seconds to plan, and to find the shards.
"""

from __future__ import annotations

import argparse
import pickle
import tempfile
import time
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ojala.catalogue import job
from ojala.catalogue.pieces import ROWS, Piece


def planned(path, num_rows, rows):
    """The pieces of a file of so many rows, as `ojala.catalogue.pieces.planned` has them."""
    return [
        Piece(path=path, stored=path, first=at, num_rows=min(rows, num_rows - at), before=at)
        for at in range(0, num_rows, rows)
    ]


def measured(num_rows, rows, place):
    stored = place / "catalogue.parquet"
    pq.write_table(pa.table({"MAG_i": pa.array([], pa.float32())}), stored)
    shards = place / f"shards-{num_rows}"
    shards.mkdir()
    tracemalloc.start()
    begun = time.perf_counter()
    work = job.job_of(planned(stored, num_rows, rows), shards, {"bundle": "of a benchmark"})
    plan_s = time.perf_counter() - begun
    for number in range(0, len(work.pieces), 2):
        work.shard(number).touch()
    begun = time.perf_counter()
    found = job.finished(work)
    look_s = time.perf_counter() - begun
    assert len(found) == (len(work.pieces) + 1) // 2 and work.num_rows == num_rows
    left = sorted(set(range(len(work.pieces))) - set(found))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    sent = len(pickle.dumps(work))
    assert len(left) == len(work.pieces) // 2
    return len(work.pieces), peak, sent, plan_s, look_s


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=ROWS, help="of a piece (%(default)s)")
    parser.add_argument("--most", type=int, default=10**9, help="rows of the catalogue")
    arguments = parser.parse_args()
    print("       rows   pieces   peak MB   bytes/piece   to a worker MB   plan s   look s")
    num_rows = 10**6
    with tempfile.TemporaryDirectory() as place:
        while num_rows <= arguments.most:
            pieces, peak, sent, plan_s, look_s = measured(num_rows, arguments.rows, Path(place))
            print(
                f"{num_rows:11,} {pieces:8,} {peak / 1e6:9.2f} {peak / pieces:13.0f} "
                f"{sent / 1e6:16.2f} {plan_s:8.2f} {look_s:8.2f}"
            )
            num_rows *= 10


if __name__ == "__main__":
    main()
