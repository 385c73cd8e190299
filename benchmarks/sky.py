"""Speed and memory of the simulated sky, and what a million sources would take.

    python benchmarks/sky.py [--desi 4000] [--jpas 16000] [--workers 1] [--out DIR]

Makes a sky from random numbers to files, in its own process, and prints sources per second and
core (processor time, so that a busy machine does not count), the peak memory of one process, and
bytes on disk. The stages of one cell are then timed one by one, in the same run.
"""

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from ojala.sky.instruments import desi_side
from ojala.sky.instruments.light import FIELD_STEP, lights
from ojala.sky.population import SAMPLES, draw
from ojala.sky.streams import Stream
from ojala.sky.survey import SkyConfig, simulate

MILLION = 1_000_000
GIB = 2**30


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--desi", type=int, default=4_000)
    parser.add_argument("--jpas", type=int, default=16_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, help="keep the sky here")
    arguments = parser.parse_args()
    config = SkyConfig(
        num_desi=arguments.desi, num_jpas=arguments.jpas, num_both=arguments.desi // 4
    )
    warm_up()
    with tempfile.TemporaryDirectory() as scratch:
        whole_sky(config, arguments.out or Path(scratch) / "sky", arguments.workers)
    for name in SAMPLES:
        one_sample(name)


def warm_up():
    """Templates are read and tables made once per process: not part of the rate."""
    small = SkyConfig(num_desi=40, num_jpas=80, num_both=20, desi_per_cell=20, jpas_per_cell=40)
    with tempfile.TemporaryDirectory() as scratch:
        start = time.process_time()
        simulate(small, Path(scratch) / "sky")
        print(f"warm-up {time.process_time() - start:9.1f} s")


def whole_sky(config, out, num_workers):
    start, used = time.perf_counter(), processor_time()
    counts = simulate(config, out, num_workers=num_workers)
    wall, used = time.perf_counter() - start, processor_time() - used
    rate = counts["sources"] / used
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    peak = max(peak_memory(resource.RUSAGE_SELF), peak_memory(resource.RUSAGE_CHILDREN))
    print(f"{counts['sources']:>9,} sources, {counts['DESI spectra']:,} of them with spectra")
    print(f"{wall:9.1f} s by the clock, {used:.1f} s of processor time, {num_workers} workers")
    print(f"{rate:9.0f} sources per second and core, files included")
    print(f"{peak:9.2f} GiB peak memory of one process")
    print(f"{size / GIB:9.2f} GiB on disk, {size / counts['sources'] / 1e3:.1f} kB per source")
    scale = MILLION / counts["sources"]
    hours, disk = used * scale / 3600, size * scale / GIB
    print(f"a million such sources: {hours:.2f} core hours, {disk:.0f} GiB")


def one_sample(name, num_sources=500):
    """Draw, render and, for DESI's samples, spectra with noise, of one sample."""
    start = time.process_time()
    samples = draw(1, 10375, num_sources, {name: 1.0}, Stream.MIX)
    drawn = time.process_time()
    for _ in lights(samples, 0.03, FIELD_STEP):
        pass
    rendered = time.process_time()
    line = f"{name:15s} draw {num_sources / (drawn - start):8.0f}/s"
    line += f"  light in 65 bands {num_sources / (rendered - drawn):8.0f}/s"
    if SAMPLES[name][2]:
        start = time.process_time()
        desi_side.expose(1, 10375, samples, 0.03)
        line += f"  light and spectrum {num_sources / (time.process_time() - start):8.0f}/s"
    print(line)


def processor_time():
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(sum(resource.getrusage(kind)[:2]) for kind in kinds)


def peak_memory(kind):
    return resource.getrusage(kind).ru_maxrss * 1024 / GIB


if __name__ == "__main__":
    main()
