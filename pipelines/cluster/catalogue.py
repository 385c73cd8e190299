"""Ray Data: the catalogue job on many workers, each with a network of its own.

Only the numbers of shards pass through Ray. A worker reads its piece from where the catalogue lies
and writes its shard to where all shards are: on a cluster, storage that every worker reaches.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import ray
import ray.data
from ray.data import ActorPoolStrategy, DataContext
from tqdm import tqdm

from ojala.catalogue.answerer import Recipe
from ojala.catalogue.job import Job, finished, make_shard
from pipelines import watched
from pipelines.cluster.training import ClusterConfig, connected

LOCK = ".job"


def machines(num_workers: int | None) -> ClusterConfig:
    """This machine, or the cluster at RAY_ADDRESS, for a job outside of the parameters.

    num_workers: by default one for each core
    """
    return ClusterConfig(
        num_workers=num_workers or os.cpu_count() or 1,
        cpus_per_worker=1,
        use_gpu=False,
        storage=".",
        num_checkpoints=1,
        max_failures=1,
        poll_interval=1.0,
    )


def make_shards(job: Job, recipe: Recipe, config: ClusterConfig) -> None:
    """Make the shards that are not there yet, under a bar of sources per second and time left.

    Raises ValueError in the words of the first worker that could not go on; the shards that are
    finished stay.
    """
    with _alone(job):
        done = set(finished(job))
        left = [number for number in range(len(job.pieces)) if number not in done]
        before = sum(job.pieces[number].num_rows for number in done)
        with (
            tqdm(
                total=job.num_rows, initial=before, desc="catalogue", unit=" sources", disable=None
            ) as bar,
            watched.catalogue(job.num_rows, before) as count,
        ):
            if left:
                # Of actors with arguments Ray says, for each, that it may fail to start them again.
                os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
                with connected(config):
                    for number in _made(job, left, recipe, config):
                        bar.update(job.pieces[number].num_rows)
                        count(job.pieces[number].num_rows)


def _made(job: Job, left: Sequence[int], recipe: Recipe, config: ClusterConfig) -> Iterator[int]:
    """The numbers of shards, each when it is made."""
    DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    num_workers = min(_num_workers(config), len(left))
    numbers = ray.data.from_items(
        [{"number": number} for number in left], override_num_blocks=len(left)
    )
    made = numbers.map_batches(
        _Worker,
        batch_size=1,
        fn_constructor_kwargs={"job": job, "recipe": recipe},
        compute=ActorPoolStrategy(size=num_workers, max_tasks_in_flight_per_actor=1),
        num_cpus=config.cpus_per_worker,
        num_gpus=1 if config.use_gpu else 0,
    )
    for row in made.iter_rows():
        if row["error"]:
            raise ValueError(row["error"])
        yield int(row["number"])


def _num_workers(config: ClusterConfig) -> int:
    """As many as configured; on a cluster that was there before, as many as it has room for."""
    if not os.environ.get("RAY_ADDRESS"):
        return config.num_workers
    kind, each = ("GPU", 1) if config.use_gpu else ("CPU", config.cpus_per_worker)
    return max(int(ray.cluster_resources().get(kind, 0)) // each, 1)


class _Worker:
    """Answers about piece after piece; what a user can put right comes back as a sentence."""

    def __init__(self, job: Job, recipe: Recipe) -> None:
        self.job, self.answer = job, recipe.opened()

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, Any]:
        number, said = int(batch["number"][0]), ""
        try:
            make_shard(self.job, number, self.answer)
        except (ValueError, OSError) as error:
            said = " ".join(str(error).split()) or type(error).__name__
        return {"number": np.array([number]), "error": np.array([said])}


@contextmanager
def _alone(job: Job) -> Iterator[None]:
    """Let no other job write into the same directory."""
    job.shards.mkdir(parents=True, exist_ok=True)
    with (job.shards / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ValueError(f"{job.shards}: another job is writing there") from None
        yield
