"""The catalogue job on many sources: rate, memory over time, three kills, the same rows.

    python -m benchmarks.catalogue_job --place /tmp/job --sources 1000000

Sources are those of a J-PAS table again and again, each time with noise of its own errors and keys
of its own. `ojala vac` runs undisturbed, then with kill -9 at three random moments and once more to
the end. Printed are sources per core-second of the job (all of its processes) and of the Predictor
alone before and after it, the most memory, and whether both catalogues are the same row for row;
--figure draws the memory of both.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.tables.shards import read_table

COMMAND = (
    "import sys; from ojala import cli; own = cli.commands(); "
    "cli.commands = lambda: own | {'vac': 'pipelines.cluster.vac'}; "
    "sys.exit(cli.main(sys.argv[1:]))"
)
"""``ojala vac`` of this checkout, whatever is installed."""

NUM_KILLS = 3
KINDS = ("actors", "driver", "Ray")


@dataclass
class Watched:
    """What was seen of a job's processes: resident bytes of each kind over time, core-seconds."""

    exit_code: int = 0
    seconds: list[float] = field(default_factory=list)
    resident: list[list[float]] = field(default_factory=list)
    core_seconds: dict[int, float] = field(default_factory=dict)

    def look(self, top: psutil.Process, seconds: float) -> None:
        """Take down what is there now."""
        held = dict.fromkeys(KINDS, 0.0)
        for process in [top, *top.children(recursive=True)]:
            try:
                name = " ".join(process.cmdline()[:1])
                kind = "actors" if "MapWorker" in name else "Ray"
                held["driver" if process == top else kind] += process.memory_info().rss
                self.core_seconds[process.pid] = sum(process.cpu_times()[:2])
            except psutil.Error:
                continue
        self.seconds.append(seconds)
        self.resident.append(list(held.values()))

    def working(self) -> float:
        """Seconds since an actor was first seen."""
        since = [s for s, held in zip(self.seconds, self.resident, strict=True) if held[0]]
        return since[-1] - since[0] if since else 0.0

    def most(self) -> dict[str, float]:
        """The most memory of each kind of process, MB."""
        return dict(zip(KINDS, np.max(self.resident, axis=0) / 1e6, strict=True))


def write_sources(jpas: Path, path: Path, num: int, rows: int = 20_000) -> None:
    """Sources of a J-PAS table with fresh noise, block by block."""
    table, rng = read_table(jpas), np.random.default_rng(0)
    names = set(table.column_names)
    with pq.ParquetWriter(path, table.schema) as writer:
        for first in range(0, num, rows):
            block = table.take(rng.integers(0, len(table), min(rows, num - first)))
            for name in [name for name in table.column_names if f"{name}_ERR" in names]:
                value, error = (block[column].to_numpy() for column in (name, f"{name}_ERR"))
                noisy = (value + error * rng.normal(size=len(value))).astype(np.float32)
                block = block.set_column(table.column_names.index(name), name, pa.array(noisy))
            number = np.arange(first, first + len(block))
            for name, values in (("tile_id", number // 1000), ("number", number % 1000)):
                block = block.set_column(table.column_names.index(name), name, pa.array(values))
            writer.write_table(block.cast(table.schema))


def job(options, path, out, *, kill_after=None) -> Watched:
    """Run the job, or kill it after its actors have been there for so many seconds."""
    given = ["vac", path, "--bundle", options.bundle, "--out", out, "--rows", options.rows]
    given += ["--workers", options.workers, "--merged", f"{out}.parquet"]
    begun, watched = time.monotonic(), Watched()
    process = subprocess.Popen([sys.executable, "-c", COMMAND, *map(str, given)])
    top = psutil.Process(process.pid)
    while process.poll() is None:
        watched.look(top, time.monotonic() - begun)
        if kill_after is not None and watched.working() > kill_after:
            process.kill()
            break
        time.sleep(0.5)
    watched.exit_code = process.wait()
    return watched


def killed(options, path, out, seconds) -> list[Watched]:
    """Runs that are killed at random moments of their work, and the one that ends.

    seconds: that the work takes undisturbed
    """
    moments, runs = random.Random(options.seed), []
    for _ in range(NUM_KILLS):
        after = moments.uniform(0.1, 0.3) * seconds
        runs.append(job(options, path, out, kill_after=after))
        done = len(list(out.glob("part-*.parquet")))
        print(f"killed after {after:.0f} s of work: {done} shards are finished", flush=True)
        assert runs[-1].exit_code == -9, "the job ended before it was killed"
    runs.append(job(options, path, out))
    assert runs[-1].exit_code == 0, "the job that was killed does not go on"
    return runs


def same_rows(one: Path, other: Path) -> bool:
    """Whether two Parquet files hold the same values in the same order, NaN included."""
    first, second = pq.ParquetFile(one), pq.ParquetFile(other)
    return first.schema_arrow.equals(second.schema_arrow) and all(
        a.to_pandas().equals(b.to_pandas())
        for a, b in zip(first.iter_batches(20_000), second.iter_batches(20_000), strict=True)
    )


def predictor_rate(options, path) -> float:
    """Sources per core-second that the Predictor answers about, without files."""
    predictor = Predictor(bundle.load(options.bundle))
    table = pa.Table.from_batches([next(pq.ParquetFile(path).iter_batches(options.timed))])
    predictor.predict(table.slice(0, 64))
    begun = time.process_time()
    predictor.predict(table)
    return len(table) / (time.process_time() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, default=Path("models/ojala"))
    parser.add_argument("--jpas", type=Path, default=Path("data/jpas"))
    parser.add_argument("--sources", type=int, default=1_000_000)
    parser.add_argument("--rows", type=int, default=20_000, help="of a shard")
    parser.add_argument("--timed", type=int, default=4_000, help="sources of the Predictor alone")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1, help="of the moments of the kills")
    parser.add_argument("--place", type=Path, required=True, help="an empty directory")
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    options.place.mkdir(parents=True, exist_ok=True)
    path = options.place / "sources.parquet"
    write_sources(options.jpas, path, options.sources)
    before = predictor_rate(options, path)
    calm = job(options, path, options.place / "calm")
    assert calm.exit_code == 0, "the undisturbed job failed"
    alone = (before + predictor_rate(options, path)) / 2
    spent = sum(calm.core_seconds.values())
    print(f"{options.sources} sources in {calm.seconds[-1]:.0f} s and {spent:.0f} core-seconds")
    print(
        f"{options.sources / spent:.0f} sources per core-second, "
        f"{options.sources / spent / alone:.0%} of the Predictor's own {alone:.0f}"
    )
    print("MB at most: " + ", ".join(f"{kind} {mb:.0f}" for kind, mb in calm.most().items()))
    runs = killed(options, path, options.place / "killed", calm.working())
    same = same_rows(options.place / "calm.parquet", options.place / "killed.parquet")
    print(f"row for row the same after {NUM_KILLS} kills: {same}")
    if options.figure:
        draw(calm, runs, options)


def draw(calm, runs, options) -> None:
    """Resident memory of both jobs over time, the second with its kills."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, both = pyplot.subplots(
        2, sharey=True, sharex=True, figsize=(6, 5), layout="constrained"
    )
    for axes, parts in zip(both, ([calm], runs), strict=True):
        start = 0.0
        for number, run in enumerate(parts):
            axes.set_prop_cycle(None)
            for kind, held in zip(KINDS, np.transpose(run.resident) / 1e6, strict=True):
                label = kind if not number else None
                axes.plot(start + np.array(run.seconds), held, label=label)
            start += run.seconds[-1]
            if run.exit_code:
                axes.axvline(start, color="0.3", linestyle=":", label=None if number else "kill -9")
        axes.set(ylabel="resident memory (MB)", ylim=(0, None))
        axes.legend(fontsize="small", ncols=4)
    both[0].set_title(f"{options.sources:,} sources, {options.workers} worker, undisturbed")
    both[1].set_title(f"killed {NUM_KILLS} times")
    both[1].set_xlabel("seconds")
    figure.savefig(options.figure, dpi=120)


if __name__ == "__main__":
    main()
