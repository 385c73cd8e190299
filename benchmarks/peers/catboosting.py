"""Gradient boosting that states its own error (CatBoost, RMSEWithUncertainty)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from catboost import CatBoostClassifier, CatBoostRegressor, Pool
from numpy.typing import NDArray

from benchmarks.peers import answers, features
from benchmarks.peers.boosting import FEWEST, SMALLEST
from ojala.tables.shards import Columns
from ojala.vocabulary.quantities import CLASSES

FOREST: dict[str, Any] = {
    "iterations": 2000,
    "learning_rate": 0.05,
    "depth": 6,
    "rsm": 0.3,
    "early_stopping_rounds": 100,
    "thread_count": 1,
    "random_seed": 1,
    "verbose": False,
    "allow_writing_files": False,
}

HELD_SHARE = 0.15
"""Of the labels, to stop at the right number of trees: more would state errors too small."""


@dataclass
class CatBoosting:
    """The questions of ``Boosting``; one forest states the mean and the variance of a quantity."""

    name: str = "CatBoost"
    given: tuple[str, ...] = ()
    tokens: tuple[str, ...] = answers.CONTINUOUS
    forests: dict[str, Any] = field(default_factory=dict)
    classifier: Any = None

    def fit(self, train: Columns) -> None:
        """Train on every source whose label is known."""
        table = features.matrix(train)
        known = np.flatnonzero(train["SPECTYPE"] >= 0)
        balance = np.zeros(len(table))
        balance[known] = answers.class_weights(train["SPECTYPE"][known], train["weight"][known])
        classifier = CatBoostClassifier(loss_function="MultiClass", **FOREST)
        self.classifier = _stopped(classifier, table, train["SPECTYPE"], known, balance)
        for token in self.tokens:
            rows = np.flatnonzero(np.isfinite(train[token]))
            if len(rows) >= FEWEST:
                forest = CatBoostRegressor(loss_function="RMSEWithUncertainty", **FOREST)
                labels = answers.curved(token, train[token])
                self.forests[token] = _stopped(forest, table, labels, rows, np.ones(len(table)))

    def predict(self, sources: Columns) -> Columns:
        """Answers to everything that was learnt."""
        table = features.matrix(sources)
        columns = answers.unanswered(len(table))
        probability = np.zeros((len(table), len(CLASSES)))
        codes = self.classifier.classes_.astype(int)
        probability[:, codes] = self.classifier.predict_proba(table)
        columns |= answers.classes(probability)
        for token, forest in self.forests.items():
            mean, variance = forest.predict(table).T
            columns |= answers.physical(token, mean, np.sqrt(variance).clip(SMALLEST))
        return columns


def _stopped(
    forest: Any,
    table: features.Floats,
    labels: NDArray[Any],
    rows: NDArray[np.int64],
    weight: features.Floats,
) -> Any:
    """The forest, fitted to some rows until those held out no longer gain."""
    held, learnt = np.split(
        np.random.default_rng(1).permutation(rows), [round(HELD_SHARE * len(rows))]
    )
    pools = [Pool(table[part], labels[part], weight=weight[part]) for part in (learnt, held)]
    return forest.fit(pools[0], eval_set=pools[1])
