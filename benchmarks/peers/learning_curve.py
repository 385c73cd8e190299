"""What OJALA gains from more sources, longer training and more weights, beside its peers.

python -m benchmarks.peers.learning_curve --num-train 800 1600 3200 6400 --num-epochs 30 120

Trains OJALA and the peers on the same nested parts of the training table and scores each on the
same test sets; every combination of --num-train, --num-epochs and --preset is one point. Settings
are those of the section "train" of params.yaml but for these three. A GPU is used where there is
one. The report is written after each point, so that a run that ends early leaves what it has.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from tqdm import tqdm

from benchmarks.peers import scoring
from benchmarks.peers.__main__ import PEERS, compare, test_sets, training_rows
from benchmarks.peers.ojala_itself import Itself
from ojala.evaluation.config import EvaluateConfig
from ojala.model.bundle import Bundle
from ojala.model.device import default_device
from ojala.model.network import Ojala
from ojala.model.predictor import Predictor
from ojala.model.presets import preset
from ojala.tables.shards import Columns, as_table, mocks_schema, read_table
from ojala.tables.writing import written_whole
from ojala.training.config import TrainConfig
from ojala.training.fit import fit
from ojala.training.resident import measured_scaling, resident
from pipelines import params
from pipelines.stage import with_nulls


def main() -> None:
    """The command."""
    args = _arguments()
    tests = test_sets(args.test)
    config = params.section("evaluate", EvaluateConfig)
    points: list[dict[str, Any]] = []
    for point in _points(args, tests, config):
        points.append(with_nulls(point))
        with written_whole(args.out) as partial:
            partial.write_text(json.dumps({"points": points}, indent=1) + "\n")


def _points(
    args: argparse.Namespace, tests: dict[str, Columns], config: EvaluateConfig
) -> Iterator[dict[str, Any]]:
    """One entry for each training, of a peer or of OJALA."""
    settings = params.section("train", TrainConfig)
    jpas = read_table(args.jpas) if settings.adaptation else None
    for num_train in args.num_train:
        train = training_rows(args.mocks, num_train)
        size = {"num_train": len(train["z"])}
        for name, report in compare(args.peers, train, tests, config):
            yield size | {"peer": name} | report
        for num_epochs, layout in product(args.num_epochs, args.preset):
            chosen = replace(settings, num_epochs=num_epochs, preset=layout)
            start = time.perf_counter()
            predictor = trained(train, jpas, chosen)
            spent = {"train_seconds": time.perf_counter() - start, "num_epochs": num_epochs}
            report = scoring.answered(Itself(predictor), tests, config)
            yield size | {"peer": "OJALA", "preset": layout} | spent | report


def trained(train: Columns, jpas: pa.Table | None, config: TrainConfig) -> Predictor:
    """OJALA after a training on these sources alone, without a pipeline around it."""
    kind = {"device": default_device(), "dtype": getattr(torch, config.storage)}
    table = as_table(train, mocks_schema())
    scaling = measured_scaling(table, ew_transform=config.ew_transform, seed=config.seed)
    mocks = resident(table, scaling, labelled=True, **kind)
    unlabelled = None if jpas is None else resident(jpas, scaling, labelled=False, **kind)
    torch.manual_seed(config.seed)
    model = Ojala(preset(config.preset))
    for _ in tqdm(fit(model, mocks, unlabelled, config), total=config.num_epochs, unit="epoch"):
        pass
    return Predictor(Bundle(model=model, scaling=scaling))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mocks", default="data/weights", help="training table")
    parser.add_argument("--jpas", default="data/jpas", help="unlabelled table to adapt to")
    parser.add_argument("--test", default="data/crossmatch", help="directory of the matched sets")
    parser.add_argument("--out", type=Path, default=Path("reports/learning_curve.json"))
    parser.add_argument("--num-train", type=int, nargs="+", required=True)
    parser.add_argument("--num-epochs", type=int, nargs="+", default=[])
    parser.add_argument("--preset", nargs="+", default=["demo"])
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=["lightgbm", "knn"])
    return parser.parse_args()


if __name__ == "__main__":
    main()
