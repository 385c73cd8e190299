"""Accuracy and cost of a peer on a matched test set, with the functions that score OJALA."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from benchmarks.peers import features
from ojala.evaluation.classification import confusion, scores_of_counts
from ojala.evaluation.comparisons import brighter_than
from ojala.evaluation.config import EvaluateConfig
from ojala.evaluation.scores import calibration, nearby, quantity_scores
from ojala.tables.shards import Columns


class Peer(Protocol):
    """A way to answer the questions that OJALA answers, or some of them.

    given: labels that it is told of every source, such as "z"
    """

    name: str
    given: tuple[str, ...]

    def fit(self, train: Columns) -> None:
        """Learn from columns of the training table."""

    def predict(self, sources: Columns) -> Columns:
        """Columns named as the Predictor's; NaN, and class "", where it has no answer."""


class Stopwatch:
    """Seconds of processor time inside ``with`` blocks: other work on the machine counts little."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the time of the block."""
        start = time.process_time()
        yield
        self.seconds += time.process_time() - start


def report(
    peer: Peer,
    train: Columns,
    tests: Mapping[str, Columns],
    config: EvaluateConfig,
    most: int | None = None,
) -> dict[str, Any]:
    """Train a peer and score it: ``train_seconds``, ``objects_per_second`` and each test set.

    most: sources of each set that it is asked about, drawn at random; None: all
    """
    learning = Stopwatch()
    with learning.running():
        peer.fit(train)
    return {"train_seconds": learning.seconds} | answered(peer, tests, config, most)


def answered(
    peer: Peer, tests: Mapping[str, Columns], config: EvaluateConfig, most: int | None = None
) -> dict[str, Any]:
    """Scores of a peer that has learnt, by test set, and how many objects a second it answers."""
    answering, num_sources = Stopwatch(), 0
    result: dict[str, Any] = {}
    for name, everyone in tests.items():
        truth = everyone if most is None else random_part(everyone, most)
        shown = features.observed(truth, peer.given)
        with answering.running():
            predicted = peer.predict(shown)
        num_sources += len(truth["z"])
        result[name] = accuracy(predicted, truth, config)
        if len(truth["z"]) < len(everyone["z"]):
            result[name]["random_part"] = len(truth["z"])
    return {"objects_per_second": num_sources / max(answering.seconds, 1e-9)} | result


def random_part(columns: Columns, most: int) -> Columns:
    """So many sources, drawn at random and the same ones each time, in their order."""
    rows = np.sort(np.random.default_rng(5).permutation(len(columns["z"]))[:most])
    return {name: values[rows] for name, values in columns.items()}


def accuracy(predicted: Columns, truth: Columns, config: EvaluateConfig) -> dict[str, Any]:
    """Class, redshifts, every quantity, the lines of nearby galaxies, and calibration.

    All peers are scored on the same rows: no galaxy is left out of the star-formation rate for the
    error that a peer states (the paper leaves out its own uncertain ones, Sect. 4.5).
    """
    everyone = predicted | {"LOGSFR_ERR": np.zeros(len(truth["z"]))}
    bright = brighter_than(truth, config.faint_limit)
    counts = confusion(predicted, truth, bright)
    return {
        "class": scores_of_counts(counts, config.min_objects),
        **quantity_scores(everyone, truth, config),
        "nearby": nearby(everyone, truth, config),
        "calibration": calibration(predicted, truth, config),
    }
