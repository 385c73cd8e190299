"""Sources per core-second: the loop of the release, torch, and a chosen engine, turn by turn.

    python -m benchmarks.inference --bundle models/ojala --test data/crossmatch/test_real.parquet
    python -m benchmarks.inference --preset released --backend openvino

The loop of the release pads to 75 tokens and asks one query at a time, keys and values anew for
each. Counted is the processor time of one thread, best of several turns, of the network alone and
of the whole Predictor; the peak is that of a matrix product in the engine's precision. On a test
set: RMSE over that of torch in float32, the worst quantity, and the largest change in sigmas.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from ojala.engines.engine import BACKENDS, PRECISIONS, Engine, predictor, settled
from ojala.model import bundle
from ojala.model.bundle import Bundle
from ojala.model.context import full_context
from ojala.model.device import autocast
from ojala.model.network import Ojala
from ojala.model.predictor import Predictor
from ojala.model.presets import preset
from ojala.tables.shards import columns_of
from ojala.vocabulary.quantities import observations, queries, vocabulary

ROWS, PADDED, TURNS = 64, 75, 5
CPU = torch.device("cpu")
IDS = {token: number for number, token in enumerate(vocabulary(), start=1)}


def sources(num):
    """A batch of sources with all observations, as a context and as queries."""
    torch.manual_seed(0)
    values = torch.full((num, len(vocabulary())), torch.nan)
    values[:, [IDS[token] - 1 for token in observations()]] = torch.randn(num, len(observations()))
    values[:, IDS["MORPHTYPE"] - 1] = 1.0
    given = full_context(values, torch.ones(len(vocabulary()), dtype=torch.bool))
    asked = torch.tensor([IDS[token] for token in queries()]).expand(num, -1)
    return given, asked


def as_released(model, given, asked):
    missing = PADDED - given.ids.shape[1]
    ids, values = (F.pad(part, (0, missing)) for part in (given.ids, given.values))
    padding = ids == 0
    memory = model.encode(ids, values, padding)
    return [model.answer(memory, asked[:, i : i + 1], padding) for i in range(asked.shape[1])]


def at_once(model, given, asked):
    return model.answer(model.encode(given.ids, given.values), asked)


def best(functions):
    """Least processor seconds of each function, in turns."""
    least = dict.fromkeys(functions, np.inf)
    for _ in range(TURNS + 1):
        for name, function in functions.items():
            begun = time.process_time()
            function()
            least[name] = min(least[name], time.process_time() - begun)
    return least


def product(precision, size=1024):
    """A matrix product, and its operations."""
    dtype = getattr(torch, precision)
    one, other = (torch.randn(size, size).to(dtype) for _ in range(2))
    return lambda: one @ other, 2 * size**3


def in_inference(function, *given, precision="float32"):
    def run():
        with torch.inference_mode(), autocast(CPU, precision):
            return function(*given)

    return run


def speed(plain, made):
    """Least seconds for a batch, of each way, with those of matrix products."""
    given, asked = sources(ROWS)
    values = np.full((ROWS, len(vocabulary())), np.nan, dtype=np.float32)
    values[:, given.ids[0].numpy() - 1] = given.values.numpy()
    table = {"MAG_i": np.full(ROWS, 19.0)}
    table |= {token: np.full(ROWS, 1.0) for token in observations() if token.startswith("J")}
    gemm = {name: product(name) for name in {"float32", made.precision}}
    ways = {
        "release-style loop": in_inference(as_released, plain.model, given, asked),
        "torch, float32": in_inference(at_once, plain.model, given, asked),
        "chosen": in_inference(at_once, made.model, given, asked, precision=made.precision),
        "Predictor, torch": lambda: plain.predict(table),
        "Predictor, chosen": lambda: made.predict(table),
    } | {f"product {name}": run for name, (run, _) in gemm.items()}
    found = best(ways)
    peaks = {name: work / found.pop(f"product {name}") for name, (_, work) in gemm.items()}
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        at_once(plain.model, given, asked)
    return found, peaks, counted.get_total_flops() / ROWS


def numerics(plain, made, path):
    """RMSE over that of torch in float32, the worst quantity, and the largest change in sigmas."""
    table = columns_of(pq.read_table(path))
    one, other = plain.predict(table), made.predict(table)
    ratios, moved = {}, {}
    for token in queries():
        if f"{token}_ERR" not in one:
            continue
        known = np.isfinite(one[token])
        change = np.abs(one[token] - other[token]) / one[f"{token}_ERR"]
        moved[token] = float(change[known].max())
        truth = table.get(token)
        if truth is not None and np.any(used := known & np.isfinite(truth)):
            rmse = [np.sqrt(np.mean((given[token] - truth)[used] ** 2)) for given in (one, other)]
            ratios[token] = float(rmse[1] / rmse[0])
    worst = max(ratios, key=lambda token: abs(ratios[token] - 1))
    most = max(moved, key=moved.get)
    print(f"{len(table['z'])} sources of {path}:")
    print(f"  RMSE over that of torch in float32, the worst: {ratios[worst]:.4f} ({worst})")
    print(f"  largest |dmu| / sigma: {moved[most]:.2g} ({most})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, default=Path("models/ojala"))
    parser.add_argument("--preset", help="random weights of this size, with the bundle's scaling")
    parser.add_argument("--test", type=Path, help="matched test set with labels")
    parser.add_argument("--backend", choices=BACKENDS, default="auto")
    parser.add_argument("--precision", choices=PRECISIONS, default="auto")
    options = parser.parse_args()
    torch.set_num_threads(1)
    opened = bundle.load(options.bundle)
    if options.preset:
        torch.manual_seed(0)
        opened = Bundle(model=Ojala(preset(options.preset)).eval(), scaling=opened.scaling)
    engine = Engine(backend=options.backend, precision=options.precision)
    engine = settled(opened, replace(engine, beside=None), device=CPU)
    plain, made = Predictor(opened, device=CPU), predictor(opened, engine, device=CPU)
    found, peaks, work = speed(plain, made)
    print(f"{options.preset or options.bundle}, chosen: {engine.said()}; {work / 1e6:.0f} MFLOP")
    print(", ".join(f"peak {name} {peak / 1e9:.0f} GFLOP/s" for name, peak in peaks.items()))
    loop = found["release-style loop"]
    for name, seconds in found.items():
        peak = peaks[made.precision if "chosen" in name else "float32"]
        share = "" if "loop" in name else f", {work * ROWS / seconds / peak:.0%} of the peak"
        print(f"{name}: {ROWS / seconds:.0f} sources/s, {loop / seconds:.1f} x the loop{share}")
    if options.test:
        numerics(plain, made, options.test)


if __name__ == "__main__":
    main()
