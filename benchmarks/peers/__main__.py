"""Peers on the same rows: python -m benchmarks.peers --mocks data/weights --test data/crossmatch.

Trains each peer on the split "train" of the training table and scores it on both matched test sets
with the functions that score OJALA. Writes the report as JSON and its tables as Markdown beside it,
after each peer. Times are seconds of processor time of one thread.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.peers import scoring
from benchmarks.peers.table import markdown
from ojala.evaluation.config import TITLES, EvaluateConfig
from ojala.tables.shards import Columns, column, columns_of, read_table
from ojala.tables.writing import written_whole
from pipelines import params
from pipelines.stage import with_nulls

PEERS = {
    "lightgbm": "boosting.Boosting",
    "catboost": "catboosting.CatBoosting",
    "flexzboost": "flexzboost.FlexZBoost",
    "eazy": "template_fit.TemplateFit",
    "knn": "neighbours.Neighbours",
    "plain_network": "plain_network.PlainNetwork",
    "ann2021": "line_networks.LineNetworks",
}
"""Module and class of each peer."""

ORDER = (
    *("OJALA", "plain network", "LightGBM", "CatBoost", "FlexZBoost", "eazy"),
    *("kNN", "ANN of 2021"),
)
"""Columns of the table."""


def main() -> None:
    """The command."""
    args = _arguments()
    train = training_rows(args.mocks, args.num_train)
    tests, config = test_sets(args.test), params.section("evaluate", EvaluateConfig)
    report = {
        "num_train": len(train["z"]),
        "num_test": {name: len(truth["z"]) for name, truth in tests.items()},
        "faint_limit": config.faint_limit,
    }
    out = Path(args.out)
    found = kept(out, report) if args.keep else {}
    with threadpool_limits(1):
        for name, entry in reports(args, train, tests, config):
            found[name] = entry
            write(out, report | {"peers": in_order(found)})
    print(f"{out} and {out.with_suffix('.md')}")


def reports(
    args: argparse.Namespace, train: Columns, tests: dict[str, Columns], config: EvaluateConfig
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and report of the bundle, where there is one, and of each peer."""
    if args.bundle:
        itself = import_module("benchmarks.peers.ojala_itself").Itself.of_bundle(args.bundle)
        yield itself.name, itself.provenance() | scoring.answered(itself, tests, config)
    yield from compare(args.only, train, tests, config, {"eazy": args.eazy_sources})


def compare(
    names: Sequence[str],
    train: Columns,
    tests: dict[str, Columns],
    config: EvaluateConfig,
    most: Mapping[str, int | None] | None = None,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and report of each peer; one whose packages are missing is left out, and said so.

    most: sources of a test set that a slow peer is asked about, by its name
    """
    for name in names:
        try:
            peer = made(name)
        except ImportError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
            continue
        report = scoring.report(peer, train, tests, config, (most or {}).get(name))
        seconds, rate = report["train_seconds"], report["objects_per_second"]
        print(f"{peer.name}: trained in {seconds:.1f} s, {rate:.0f} objects/s", file=sys.stderr)
        yield peer.name, report


def kept(out: Path, report: dict[str, Any]) -> dict[str, Any]:
    """Peers of an earlier report. Raises ValueError if it is of other numbers of sources."""
    if not out.exists():
        return {}
    earlier: dict[str, Any] = json.loads(out.read_text())
    for key, value in report.items():
        if earlier[key] != value:
            raise ValueError(f"{out}: {key} is {earlier[key]}, expected {value}; drop --keep")
    peers: dict[str, Any] = earlier["peers"]
    return peers


def in_order(found: dict[str, Any]) -> dict[str, Any]:
    """The same in the order of the table, whatever ran first."""
    return {name: found[name] for name in ORDER if name in found}


def write(out: Path, report: dict[str, Any]) -> None:
    """The report as JSON, and its tables as Markdown beside it."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(out) as partial:
        partial.write_text(json.dumps(with_nulls(report), indent=1) + "\n")
    with written_whole(out.with_suffix(".md")) as partial:
        partial.write_text(markdown(with_nulls(report)))


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


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mocks", default="data/weights", help="training table")
    parser.add_argument("--test", default="data/crossmatch", help="directory of the matched sets")
    parser.add_argument("--out", default="reports/peers.json")
    parser.add_argument("--bundle", help="a trained bundle, to stand beside its peers")
    parser.add_argument("--num-train", type=int, help="train on so many sources alone")
    parser.add_argument("--keep", action="store_true", help="what --out has of other peers stays")
    parser.add_argument(
        "--eazy-sources", type=int, help="sources of each set that eazy is asked about, at random"
    )
    parser.add_argument("--only", nargs="*", choices=PEERS, default=list(PEERS))
    return parser.parse_args()


if __name__ == "__main__":
    main()
