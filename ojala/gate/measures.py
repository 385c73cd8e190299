"""The measures that the gate compares, quick enough to be taken of a thousand draws."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ojala.measures.calibration import LEVELS, Stated, coverage
from ojala.measures.metrics import (
    OUTLIER_THRESHOLD,
    balanced,
    bias,
    confusion_matrix,
    outlier_fraction,
    sigma_nmad,
)
from ojala.tables.shards import Columns
from ojala.vocabulary.quantities import CLASSES

Floats = NDArray[np.float64]

MORE_IS_BETTER = ("f1", "weighted_f1", "completeness", "purity")


def badness(measure: str, value: Floats) -> Floats:
    """A measure turned so that more is worse, of any shape."""
    if measure in MORE_IS_BETTER:
        return -value
    if measure == "bias":
        return np.abs(value)
    return np.abs(value - LEVELS[measure]) if measure in LEVELS else value


def quantity_measures(residual: Floats, is_redshift: bool, stated: Stated | None) -> list[float]:
    """Bias and sigma_nmad, outliers of redshifts, CRPS and coverage of what is stated.

    residual: given - true, (num_sources,), of redshifts over 1 + z; NaN takes no part
    """
    residual = residual[np.isfinite(residual)]
    found = [bias(residual), sigma_nmad(residual)]
    if is_redshift:
        found.append(outlier_fraction(residual, threshold=OUTLIER_THRESHOLD))
    if stated is not None:
        found.append(float(np.mean(stated.crps)) if len(stated.crps) else float("nan"))
        found.append(coverage(stated.pit, LEVELS["coverage_68"]))
    return found


def nats_lost(answers: Columns, truth: Columns) -> Floats:
    """- ln of the probability that was given to the true class, (num_sources,)."""
    stacked = np.stack([answers[f"P_{name}"] for name in CLASSES]).astype(np.float64)
    code = np.clip(truth["SPECTYPE"].astype(np.int64), 0, len(CLASSES) - 1)
    return np.asarray(-np.log(np.maximum(stacked[code, np.arange(len(code))], 1e-12)))


def class_measures(
    true: NDArray[np.int64], given: NDArray[np.int64], nats: Floats, common: NDArray[np.bool_]
) -> Floats:
    """Balanced measures of each class; of all where each has enough sources.

    true, given: codes of the classes, (num_sources,); nats: of ``nats_lost``, (num_sources,)
    common: whether a class has enough sources, (num_classes,)
    Returns completeness, purity and F1 of each class, then the mean F1 and nats: (num_measures,).
    """
    counts = confusion_matrix(true, given, len(CLASSES))
    found = balanced(np.where(common[:, None], counts, 0.0))
    measures = [*found["completeness"], *found["purity"], *found["f1"]]
    if common.all():
        means = [
            np.mean(nats[true == code]) for code in range(len(CLASSES)) if np.any(true == code)
        ]
        measures += [np.mean(found["f1"]), np.mean(means)]
    return np.array(measures)
