"""Nearest neighbours in colour space: the answer of the training sources that look alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.neighbors import NearestNeighbors

from benchmarks.peers import answers, features
from ojala.tables.shards import Columns
from ojala.vocabulary.quantities import CLASSES

NUM_NEIGHBOURS = 5
"""Chosen on the validation split (docs/peers.md)."""


@dataclass
class Neighbours:
    """Votes weighted by class and by distance; means and standard deviations of labels."""

    name: str = "kNN"
    given: tuple[str, ...] = ()
    indices: dict[str, tuple[Any, features.Floats]] = field(default_factory=dict)
    filled: features.Filled | None = None
    votes: features.Floats | None = None

    def fit(self, train: Columns) -> None:
        """Keep the sources, an index for each quantity's labelled ones."""
        table = features.photometry(train)
        self.filled = features.Filled(table)
        points = self.filled(table)
        known = train["SPECTYPE"] >= 0
        self.votes = answers.class_weights(train["SPECTYPE"][known], train["weight"][known])
        self.indices["SPECTYPE"] = _index(points[known]), train["SPECTYPE"][known]
        for token in answers.CONTINUOUS:
            labelled = np.isfinite(train[token])
            if labelled.sum() >= NUM_NEIGHBOURS:
                labels = answers.curved(token, train[token][labelled])
                self.indices[token] = _index(points[labelled]), labels

    def predict(self, sources: Columns) -> Columns:
        """Answers to every quantity that has an index."""
        points = self.filled(features.photometry(sources))
        columns = answers.unanswered(len(points))
        for token, (index, labels) in self.indices.items():
            distance, rows = index.kneighbors(points)
            closeness = 1 / np.maximum(distance, 1e-6)
            if token == "SPECTYPE":
                votes = closeness * self.votes[rows]
                counts = [np.sum(votes * (labels[rows] == code), 1) for code in range(len(CLASSES))]
                columns |= answers.classes(np.column_stack(counts) / votes.sum(1)[:, None])
            else:
                columns |= answers.physical(token, *weighted(labels[rows], closeness))
        return columns


def weighted(labels: features.Floats, weight: features.Floats) -> tuple[features.Floats, ...]:
    """Weighted mean and standard deviation along the last axis."""
    share = weight / weight.sum(axis=1, keepdims=True)
    mean = np.sum(share * labels, axis=1)
    return mean, np.sqrt(np.sum(share * (labels - mean[:, None]) ** 2, axis=1))


def _index(points: features.Floats) -> Any:
    return NearestNeighbors(n_neighbors=NUM_NEIGHBOURS, algorithm="brute", n_jobs=1).fit(points)
