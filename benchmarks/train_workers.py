"""Scaling of a training: samples per second of one Ray worker and of several, on this machine.

    python benchmarks/train_workers.py --workers 1 2 --nodes 2

Trains the section ``train`` of params.yaml on the tables of a finished `make repro`, a core for
each worker, on a Ray cluster of so many nodes on the loopback. Turns interleave, the best of each
counts; the first epoch of a turn, in which workers are begun, does not. Efficiency is the rate
over that of one worker and over the number of workers.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray.cluster_utils import Cluster

from ojala.training.config import TrainConfig
from pipelines import params, paths
from pipelines.cluster import learning, training


def main() -> None:
    """Train in turns, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=25, help="of an epoch")
    parser.add_argument("--batch-size", type=int, help="of all workers together")
    parser.add_argument("--precision", choices=["auto", "float32", "bfloat16"])
    options = parser.parse_args()
    config = params.section("train", TrainConfig)
    config = replace(
        config,
        batch_size=options.batch_size or config.batch_size,
        precision=options.precision or config.precision,
        num_epochs=options.epochs,
        steps_per_epoch=options.steps,
        val_rows=200,
    )
    each = max(options.workers) // options.nodes
    node = {"num_cpus": each, "object_store_memory": 100_000_000}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    for _ in range(options.nodes - 1):
        cluster.add_node(**node)
    ray.init(cluster.address, log_to_driver=False)
    rates: dict[int, float] = dict.fromkeys(options.workers, 0.0)
    for turn in range(options.turns):
        for num_workers in options.workers:
            reached = rate(config, num_workers, f"turn-{turn}-{num_workers}")
            rates[num_workers] = max(rates[num_workers], reached)
            print(f"turn {turn}, {num_workers} workers: {reached:.0f} samples/s", flush=True)
    ray.shutdown()
    cluster.shutdown()
    single = rates[min(rates)] / min(rates)
    print("| workers | samples/s | efficiency |\n|---:|---:|---:|")
    for num_workers, reached in rates.items():
        print(f"| {num_workers} | {reached:.0f} | {reached / num_workers / single:.0%} |")


def rate(config: TrainConfig, num_workers: int, name: str) -> float:
    """Samples per second of the fastest epoch but the first."""
    settings: dict[str, Any] = {
        "config": config,
        "table": str(paths.WEIGHTS.resolve()),
        "labelled": True,
        "jpas": str(paths.JPAS.resolve()),
        "tokens": None,
    }
    with tempfile.TemporaryDirectory() as place:
        machines = training.ClusterConfig(
            num_workers=num_workers,
            cpus_per_worker=1,
            use_gpu=False,
            storage=place,
            num_checkpoints=1,
            max_failures=0,
            poll_interval=0.2,
        )
        reports = training.train(
            learning.learn, settings, machines, name=name, last_checkpoint=Path(place) / "last"
        )
        return max(one["train/samples_per_second"] for one in reports if one["epoch"] > 1)


if __name__ == "__main__":
    main()
