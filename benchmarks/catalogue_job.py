"""Catalogues of many sources: rate, memory over time, three kills, the same rows.

    python -m benchmarks.catalogue_job --place /tmp/job --sources 1000000

Sources are those of a J-PAS table again and again, each time with noise of its own errors and keys
of its own. `ojala vac` runs undisturbed, then with kill -9 at three random moments and once more to
the end; then `ojala predict` answers about the same file. Each is a process as a user begins it.
Printed are sources per core-second of all of its processes, from the first import to the last byte,
as a share of what the Predictor alone does between them; the most memory; and whether the job that
was killed wrote what the undisturbed one did, row for row. --figure draws the memory.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import time
from contextlib import suppress
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
KINDS = ("worker", "command", "Ray")
COLOURS = {"worker": "#0072b2", "command": "#d55e00", "Ray": "#009e73", "all": "0.2"}


@dataclass
class Watched:
    """What was seen of a command's processes: resident bytes of each kind, core-seconds.

    begin: core-seconds that were spent when a worker was first there, or none where there is none
    """

    exit_code: int = 0
    seconds: list[float] = field(default_factory=list)
    resident: list[list[float]] = field(default_factory=list)
    core_seconds: dict[int, float] = field(default_factory=dict)
    kinds: dict[int, str] = field(default_factory=dict)
    begin: float = 0.0

    def look(self, top: psutil.Process, seconds: float) -> None:
        """Take down what is there now."""
        held = dict.fromkeys(KINDS, 0.0)
        for process in [top, *top.children(recursive=True)]:
            try:
                name = " ".join(process.cmdline()[:1])
                kind = "worker" if "MapWorker" in name else "Ray"
                kind = self.kinds[process.pid] = "command" if process == top else kind
                held[kind] += process.memory_info().rss
                self.core_seconds[process.pid] = sum(process.cpu_times()[:2])
            except psutil.Error:
                continue
        self.seconds.append(seconds)
        self.resident.append(list(held.values()))
        if not self.working():
            self.begin = self.spent() if held["worker"] else 0.0

    def spent(self, kind: str | None = None) -> float:
        """Core-seconds of one kind of process, or of all."""
        kinds = self.kinds
        return sum(s for pid, s in self.core_seconds.items() if kind in (None, kinds[pid]))

    def working(self) -> float:
        """Seconds since a worker was first seen."""
        since = [s for s, held in zip(self.seconds, self.resident, strict=True) if held[0]]
        return since[-1] - since[0] if since else 0.0

    def most(self) -> dict[str, float]:
        """The most memory of each kind of process and of all together, MB."""
        most = dict(zip(KINDS, np.max(self.resident, axis=0) / 1e6, strict=True))
        return most | {"together": float(np.sum(self.resident, axis=1).max() / 1e6)}


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


def run(given, *, kill_after=None, with_workers=False) -> Watched:
    """Run ``ojala``, or kill it after its workers have been there for so many seconds.

    with_workers: kill -9 all of its processes, as where a machine stops; else the driver alone
    """
    begun, watched = time.monotonic(), Watched()
    process = subprocess.Popen([sys.executable, "-c", COMMAND, *map(str, given)])
    top = psutil.Process(process.pid)
    while process.poll() is None:
        watched.look(top, time.monotonic() - begun)
        if kill_after is not None and watched.working() > kill_after:
            for one in [*(top.children(recursive=True) if with_workers else ()), top]:
                with suppress(psutil.NoSuchProcess):
                    one.kill()
            break
        time.sleep(0.5)
    watched.exit_code = process.wait()
    return watched


def job(options, path, out):
    """The arguments of a catalogue job."""
    given = ["vac", path, "--bundle", options.bundle, "--out", out, "--rows", options.rows]
    return [*given, "--workers", options.workers, "--merged", f"{out}.parquet"]


def killed(options, path, out, seconds) -> list[Watched]:
    """Runs that are killed at random moments of their work, and the one that ends.

    seconds: that the work takes undisturbed
    """
    moments, runs = random.Random(options.seed), []
    for number in range(NUM_KILLS):
        after, with_workers = moments.uniform(0.1, 0.3) * seconds, number % 2 == 1
        runs.append(run(job(options, path, out), kill_after=after, with_workers=with_workers))
        done = len(list(out.glob("part-*.parquet")))
        print(f"killed after {after:.0f} s of work: {done} shards are finished", flush=True)
        assert runs[-1].exit_code == -9, "the job ended before it was killed"
    runs.append(run(job(options, path, out)))
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


def told(name, watched, options, path, before) -> float:
    """Print what a command did beside the Predictor alone, whose rate after it is returned.

    before: that rate before the command
    """
    assert watched.exit_code == 0, f"{name} failed"
    after, spent = predictor_rate(options, path), watched.spent()
    rate, alone = options.sources / spent, (before + after) / 2
    print(f"{name}: {options.sources} sources in {watched.seconds[-1]:.0f} s", end="")
    parts = ((kind, watched.spent(kind)) for kind in KINDS)
    print(f", {spent:.0f} core-seconds", end="")
    print(" (" + ", ".join(f"{kind} {part:.0f}" for kind, part in parts if part) + ")", end="")
    print(f", {watched.begin:.0f} before a worker was there" if watched.begin else "")
    print(f"  {rate:.0f} a core-second, {rate / alone:.0%} of {before:.0f} and {after:.0f}", end="")
    most = (f"{kind} {held:.0f}" for kind, held in watched.most().items() if held)
    print("; MB at most: " + ", ".join(most), flush=True)
    return after


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
    alone = predictor_rate(options, path)
    calm = run(job(options, path, options.place / "calm"))
    alone = told("ojala vac", calm, options, path, alone)
    whole = ["--bundle", options.bundle, "--out", options.place / "predicted.parquet"]
    predicted = run(["predict", path, *whole])
    told("ojala predict", predicted, options, path, alone)
    runs = killed(options, path, options.place / "killed", calm.working())
    same = same_rows(options.place / "calm.parquet", options.place / "killed.parquet")
    print(f"row for row the same after {NUM_KILLS} kills: {same}")
    if options.figure:
        draw({"ojala vac": [calm], "killed": runs, "ojala predict": [predicted]}, options)


def draw(commands, options) -> None:
    """Resident memory of each command over time, with the moments of its kills."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(3, sharey=True, figsize=(6.5, 7), layout="constrained")
    workers = "one worker" if options.workers == 1 else f"{options.workers} workers"
    titles = {
        "ojala vac": f"ojala vac, {options.sources:,} sources, {workers}",
        "killed": f"the same, killed with -9 {NUM_KILLS} times and started again",
        "ojala predict": "ojala predict, the same file",
    }
    for axes, (name, runs) in zip(panels, commands.items(), strict=True):
        for kind, (minutes, held) in lines(runs).items():
            label = kind if name == "killed" else None
            if np.any(held):
                axes.plot(minutes, held, label=label, color=COLOURS[kind], linewidth=1)
        for number, end in enumerate(np.cumsum([run.seconds[-1] for run in runs[:-1]])):
            label = None if number else "kill -9"
            axes.axvline(end / 60, color="0.3", linestyle=":", label=label)
        axes.set_title(titles[name], fontsize="medium")
        axes.set(ylabel="resident (GB)", ylim=(0, None), xlim=(0, minutes[-1]))
    figure.legend(loc="outside upper center", ncols=5, fontsize="small")
    panels[-1].set_xlabel("minutes")
    figure.savefig(options.figure, dpi=110)


def lines(runs) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Minutes and GB of each kind of process and of all, of runs one after the other."""
    starts = np.cumsum([0, *(run.seconds[-1] for run in runs)])[:-1]
    minutes = np.concatenate(
        [start + np.array(run.seconds) for start, run in zip(starts, runs, strict=True)]
    )
    held = np.concatenate([run.resident for run in runs]) / 1e9
    return {
        kind: (minutes / 60, column)
        for kind, column in zip(COLOURS, [*held.T, held.sum(axis=1)], strict=True)
    }


if __name__ == "__main__":
    main()
