"""How well a head answers on the matched sets, beside what the paper found (Sect. 4.6, Fig. 10)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ojala.measures.calibration import calibration_of, of_gaussian
from ojala.measures.metrics import residual_scores, sigma_nmad
from ojala.tables.shards import Columns
from ojala.vocabulary.quantities import CLASSES

Selected = NDArray[np.bool_]

MIN_OBJECTS = 10

PAPER: dict[str, dict[str, dict[str, float]]] = {
    "test_real": {
        "full": {"bias": 0.122, "sigma_nmad": 0.564},
        "high_quality": {"sigma_nmad": 0.503},
    },
    "test_synth": {"full": {"bias": 0.072, "sigma_nmad": 0.37}},
}
"""Black-hole masses, dex: trained on 436,333 quasars of DESI (Pan et al. 2025)."""


def selected(
    truth: Columns, quantity: str, classes: tuple[str, ...], z_range: tuple[float, float]
) -> Selected:
    """True for the sources of the classes and the redshifts whose true quantity is known."""
    of_class = np.isin(truth["SPECTYPE"], [CLASSES.index(name) for name in classes])
    within = (truth["z"] > z_range[0]) & (truth["z"] < z_range[1])
    return np.asarray(of_class & within & np.isfinite(truth[quantity]))


def head_scores(
    answer: Columns, truth: Columns, quantity: str, max_label_err: float
) -> dict[str, Any]:
    """Scores of all sources, and of those whose true value has an error below a limit.

    answer: the head's columns; truth: those of a matched set, row by row the same.
    ``sigma_nmad_of_labels`` is the scatter of the true values themselves: that of a guess which
    is the same for every source, which a head must beat to know anything.
    """
    certain = truth[f"{quantity}_ERR"] < max_label_err
    return {
        "full": _scores(answer, truth, np.full(len(certain), True), quantity),
        "high_quality": _scores(answer, truth, certain, quantity),
    }


def _scores(answer: Columns, truth: Columns, rows: Selected, quantity: str) -> dict[str, Any]:
    true = truth[quantity][rows].astype(np.float64)
    residual = answer[quantity][rows] - true
    label_err = np.nan_to_num(truth[f"{quantity}_ERR"][rows])
    sigma = np.hypot(answer[f"{quantity}_ERR"][rows], label_err)
    scores = residual_scores(residual, MIN_OBJECTS) | calibration_of(
        of_gaussian(residual, sigma), MIN_OBJECTS
    )
    return scores | {"sigma_nmad_of_labels": sigma_nmad(true)}


def beside_paper(scores: dict[str, Any], name: str) -> dict[str, Any]:
    """The scores of a set, each subset with the paper's numbers under "paper" where it has any."""
    paper = PAPER.get(name, {})
    return {
        subset: entry | ({"paper": paper[subset]} if subset in paper else {})
        for subset, entry in scores.items()
    }
