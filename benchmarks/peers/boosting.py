"""Gradient boosting (LightGBM): one forest per quantity, and one for the size of its error."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import lightgbm
import numpy as np

from benchmarks.peers import answers, features
from ojala.tables.shards import Columns

FOREST: dict[str, Any] = {
    "n_estimators": 600,
    "learning_rate": 0.03,
    "num_leaves": 31,
    "min_child_samples": 10,
    "colsample_bytree": 0.6,
    "subsample": 0.8,
    "subsample_freq": 1,
    "n_jobs": 1,
    "verbose": -1,
    "seed": 1,
    "deterministic": True,
}
"""Chosen on the validation split (docs/peers.md)."""

NUM_FOLDS = 3
WITHIN_SIGMA = 0.6827
"""Share of residuals that one sigma holds: the quantile that the forest of errors is fitted to."""

SMALLEST = 1e-6
FEWEST = 30
"""Labels below which a quantity is not learnt."""


@dataclass
class Boosting:
    """Class, redshifts, masses, rates, lines, continua and stellar parameters.

    The 1 sigma is a forest of its own, fitted to residuals of sources that the mean has not seen.
    """

    name: str = "LightGBM"
    given: tuple[str, ...] = ()
    tokens: tuple[str, ...] = answers.CONTINUOUS
    forests: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    classifier: Any = None

    def fit(self, train: Columns) -> None:
        """Train on every source whose label is known."""
        table = features.matrix(train)
        known = train["SPECTYPE"] >= 0
        balance = answers.class_weights(train["SPECTYPE"][known], train["weight"][known])
        self.classifier = lightgbm.LGBMClassifier(**FOREST | {"n_estimators": 300})
        self.classifier.fit(table[known], train["SPECTYPE"][known], sample_weight=balance)
        for token in self.tokens:
            rows = np.flatnonzero(np.isfinite(train[token]))
            if len(rows) >= FEWEST:
                labels = answers.curved(token, train[token][rows])
                self.forests[token] = _mean_and_sigma(table[rows], labels)

    def predict(self, sources: Columns) -> Columns:
        """Answers to everything that was learnt."""
        table = features.matrix(sources)
        columns = answers.unanswered(len(table))
        columns |= answers.classes(_in_order(self.classifier, table))
        for token, (mean, sigma) in self.forests.items():
            spread = np.maximum(sigma.predict(table), SMALLEST)
            columns |= answers.physical(token, mean.predict(table), spread)
        return columns


def _mean_and_sigma(table: features.Floats, labels: features.Floats) -> tuple[Any, Any]:
    """Forests of the mean, and of the residuals of sources that a mean was not fitted to."""
    fold = np.random.default_rng(1).integers(0, NUM_FOLDS, len(labels))
    residual = np.zeros(len(labels))
    for number in range(NUM_FOLDS):
        out = fold == number
        part = lightgbm.LGBMRegressor(**FOREST | {"n_estimators": 150, "learning_rate": 0.1})
        part.fit(table[~out], labels[~out])
        residual[out] = np.abs(part.predict(table[out]) - labels[out])
    quantile = {"n_estimators": 150, "objective": "quantile", "alpha": WITHIN_SIGMA}
    sigma = lightgbm.LGBMRegressor(**FOREST | quantile).fit(table, residual)
    return lightgbm.LGBMRegressor(**FOREST).fit(table, labels), sigma


def _in_order(classifier: Any, table: features.Floats) -> features.Floats:
    """Probabilities of all three classes, 0 for one without examples."""
    probability = np.zeros((len(table), 3))
    probability[:, classifier.classes_.astype(int)] = classifier.predict_proba(table)
    return probability
