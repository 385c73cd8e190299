"""The emission-line networks of 2021: one small network per redshift bin, redshift given.

The scheme of Martinez-Solaeche et al. (2021) that the paper sets itself against (Appendix D): about
a thousand weights each, equivalent widths of H-alpha, H-beta, [NII] and [OIII] of galaxies with
z < 0.35, trained on spectra that show all four lines alone.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from benchmarks.peers import answers, features
from ojala.evaluation.comparisons import ANN_LIMIT, LINES
from ojala.tables.shards import Columns

NUM_BINS = 7
OVERLAP = 0.025
"""Redshift by which a bin borrows from its neighbours in training: few sources are in each."""

MIN_SNR = 3.0
"""Signal-to-noise ratio of each line of a galaxy that is trained on."""

NETWORK = {"hidden_layer_sizes": (16,), "alpha": 1.0, "solver": "lbfgs", "max_iter": 500}
FEWEST = 20


@dataclass
class LineNetworks:
    """log10 of the four equivalent widths, from the narrow bands."""

    name: str = "ANN of 2021"
    given: tuple[str, ...] = ("z",)
    networks: dict[int, tuple[Any, features.Floats]] = field(default_factory=dict)
    filled: features.Filled | None = None

    def fit(self, train: Columns) -> None:
        """One network for each bin of redshift that holds enough strong emitters."""
        strong = strong_emitters(train)
        narrow = features.ratios(train)[strong]
        self.filled = features.Filled(narrow)
        points, redshift = self.filled(narrow), train["z"][strong]
        width = np.log10(np.column_stack([train[token][strong] for token in LINES]))
        for number, (low, high) in enumerate(bins()):
            near = (redshift > low - OVERLAP) & (redshift < high + OVERLAP)
            if near.sum() >= FEWEST:
                self.networks[number] = _network(points[near], width[near])

    def predict(self, sources: Columns) -> Columns:
        """Widths of the galaxies whose bin has a network."""
        columns = answers.unanswered(len(sources["z"]))
        points = self.filled(features.ratios(sources))
        number = np.digitize(sources["z"], [high for _, high in bins()])
        for place, (network, scatter) in self.networks.items():
            rows = np.flatnonzero((number == place) & (sources["z"] > 0))
            if len(rows):
                width = 10 ** network.predict(points[rows])
                for column, token in enumerate(LINES):
                    columns[token][rows] = width[:, column]
                    error = np.log(10) * scatter[column] * width[:, column]
                    columns[f"{token}_ERR"][rows] = error
        return columns


def bins() -> list[tuple[float, float]]:
    """Lower and upper redshift of each network."""
    edges = np.linspace(0, ANN_LIMIT, NUM_BINS + 1)
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def strong_emitters(train: Columns) -> np.ndarray:
    """Galaxies within reach whose four lines all stand out of their errors."""
    strong = (train["z"] > 0) & (train["z"] < ANN_LIMIT + OVERLAP)
    for token in LINES:
        with np.errstate(invalid="ignore"):
            strong &= train[token] > MIN_SNR * np.maximum(train[f"{token}_ERR"], 0)
            strong &= train[token] > 0
    return strong


def _network(points: features.Floats, width: features.Floats) -> tuple[Any, features.Floats]:
    """A network, and the scatter of each line about it in dex."""
    network = MLPRegressor(**NETWORK, random_state=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(points, width)
    return network, np.std(network.predict(points) - width, axis=0)
