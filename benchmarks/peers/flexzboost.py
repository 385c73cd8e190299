"""FlexZBoost: p(z) as a cosine series whose coefficients are boosted trees (Izbicki & Lee 2017).

The algorithm of RAIL's FlexZBoost informer (Schmidt et al. 2020) with its defaults: FlexCode over
XGBoost, three quarters of the sources to learn from, the others to choose which bumps of p(z) are
removed and how much it is sharpened, then everything once more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from flexcode import FlexCodeModel
from flexcode.regression_models import XGBoost
from joblib import parallel_config

from benchmarks.peers import answers, densities, features
from ojala.tables.shards import Columns

HIGHEST = {"Z_GAL": 1.8, "Z_QSO": 5.2}
NUM_GRID = 901
MAX_BASIS = 35
TRAIN_SHARE = 0.75
BUMPS = np.linspace(0.02, 0.35, 20)
SHARPENINGS = np.linspace(0.7, 2.1, 15)
TREES = {"max_depth": 8, "objective": "reg:squarederror", "n_jobs": 1}


@dataclass
class FlexZBoost:
    """Redshift distributions of galaxies and of quasars, each as if its class were known."""

    name: str = "FlexZBoost"
    given: tuple[str, ...] = ()
    models: dict[str, Any] = field(default_factory=dict)

    def fit(self, train: Columns) -> None:
        """One model for galaxies, one for quasars."""
        table = features.matrix(train)
        with parallel_config(backend="sequential"):  # else the time of its workers is not counted
            for token in answers.REDSHIFTS:
                rows = np.flatnonzero(np.isfinite(train[token]))
                if len(rows) >= 100:
                    redshift = train[token][rows].astype(np.float64)
                    self.models[token] = _tuned(table[rows], redshift, HIGHEST[token])

    def predict(self, sources: Columns) -> Columns:
        """The mode of p(z), and half the width of its central 68 %."""
        columns = answers.unanswered(len(sources["MAG_i"]))
        table = features.matrix(sources)
        for token, model in self.models.items():
            density, grid = model.predict(table, n_grid=NUM_GRID)
            columns |= {token: grid.ravel()[density.argmax(axis=1)]}
            columns[f"{token}_ERR"] = densities.half_width(density, grid.ravel())
        return columns


def _tuned(table: features.Floats, redshift: features.Floats, highest: float) -> Any:
    """A model of all sources, with the bumps and sharpening that suit those held out."""
    order = np.random.default_rng(1138).permutation(len(redshift))
    learnt, held = np.split(order, [round(TRAIN_SHARE * len(order))])
    trial = _model(highest)
    trial.fit(table[learnt], redshift[learnt])
    trial.tune(table[held], redshift[held], BUMPS, SHARPENINGS)
    model = _model(highest)
    model.fit(table, redshift)
    for name in ("best_basis", "bump_threshold", "sharpen_alpha"):
        setattr(model, name, getattr(trial, name))
    return model


def _model(highest: float) -> Any:
    return FlexCodeModel(
        XGBoost, max_basis=MAX_BASIS, z_min=0.0, z_max=highest, regression_params=dict(TREES)
    )
