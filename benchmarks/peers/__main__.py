"""Peers on the same rows: python -m benchmarks.peers --mocks data/weights --test data/crossmatch.

Trains each peer on the split "train" of the training table and scores it on both matched test sets
with the functions that score OJALA. Writes the report as JSON and its tables as Markdown beside it.
Times are seconds of processor time of one thread.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import math
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.peers import scoring
from benchmarks.peers.table import TITLES, markdown
from ojala.evaluate_config import EvaluateConfig
from ojala.shards import Columns, column, columns_of, read_table
from ojala.writing import written_whole
from pipelines import params

PEERS = {
    "lightgbm": "boosting.Boosting",
    "flexzboost": "flexzboost.FlexZBoost",
    "eazy": "template_fit.TemplateFit",
    "knn": "neighbours.Neighbours",
    "ann2021": "line_networks.LineNetworks",
}
"""Module and class of each peer."""


def main() -> None:
    """The command."""
    args = _arguments()
    train = training_rows(args.mocks, args.num_train)
    tests, config = test_sets(args.test), params.section("evaluate", EvaluateConfig)
    with threadpool_limits(1):
        peers = of_bundle(args.bundle, tests, config) if args.bundle else {}
        peers |= compare(args.only, train, tests, config)
    report = {
        "num_train": len(train["z"]),
        "num_test": {name: len(truth["z"]) for name, truth in tests.items()},
        "faint_limit": config.faint_limit,
        "peers": peers,
    }
    out = Path(args.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(out) as partial:
        partial.write_text(json.dumps(without_nan(report), indent=1) + "\n")
    with written_whole(out.with_suffix(".md")) as partial:
        partial.write_text(markdown(without_nan(report)))
    print(f"{out} and {out.with_suffix('.md')}")


def of_bundle(directory: str, tests: dict[str, Columns], config: EvaluateConfig) -> dict[str, Any]:
    """OJALA's own report, by its name."""
    itself = import_module("benchmarks.peers.ojala_itself").Itself.of_bundle(directory)
    return {itself.name: itself.provenance() | scoring.answered(itself, tests, config)}


def compare(
    names: Sequence[str], train: Columns, tests: dict[str, Columns], config: EvaluateConfig
) -> dict[str, Any]:
    """Reports of the peers by name; one whose packages are missing is left out, and said so."""
    reports: dict[str, Any] = {}
    for name in names:
        try:
            peer = made(name)
        except ImportError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
            continue
        reports[peer.name] = scoring.report(peer, train, tests, config)
        seconds, rate = (reports[peer.name][key] for key in ("train_seconds", "objects_per_second"))
        print(f"{peer.name}: trained in {seconds:.1f} s, {rate:.0f} objects/s", file=sys.stderr)
    return reports


def made(name: str) -> scoring.Peer:
    """A peer that has learnt nothing yet. Raises ImportError where its packages are missing."""
    module, kind = PEERS[name].split(".")
    peer: scoring.Peer = getattr(import_module(f"benchmarks.peers.{module}"), kind)()
    return peer


def test_sets(directory: str | Path) -> dict[str, Columns]:
    """Test-Real and Test-Synth."""
    return {name: columns_of(read_table(Path(directory) / f"{name}.parquet")) for name in TITLES}


def training_rows(mocks: str | Path, num_train: int | None = None) -> Columns:
    """The split "train" of the training table, or ``num_train`` of its rows drawn at random.

    Fewer rows are a part of more rows, so that a learning curve adds sources and changes none.
    """
    table = read_table(mocks)
    table = table.filter(column(table, "split") == "train")
    order = np.random.default_rng(5).permutation(table.num_rows)
    return columns_of(table.take(np.sort(order[:num_train])))


def without_nan(value: Any) -> Any:
    """The same with None for numbers that are not finite, which JSON does not know."""
    if isinstance(value, dict):
        return {key: without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mocks", default="data/weights", help="training table")
    parser.add_argument("--test", default="data/crossmatch", help="directory of the matched sets")
    parser.add_argument("--out", default="reports/peers.json")
    parser.add_argument("--bundle", help="a trained bundle, to stand beside its peers")
    parser.add_argument("--num-train", type=int, help="train on so many sources alone")
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS))
    return parser.parse_args()


if __name__ == "__main__":
    main()
