"""Scores of the spectral class: balanced measures, and whether probabilities are honest."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ojala.evaluation.comparisons import Selected
from ojala.measures.calibration import expected_calibration_error, reliability
from ojala.measures.metrics import NOT_ENOUGH, balanced, confusion_matrix, weighted_f1
from ojala.tables.shards import Columns
from ojala.vocabulary.quantities import CLASSES

Codes = NDArray[np.int64]


def class_codes(predicted: Columns, truth: Columns) -> tuple[Codes, Codes]:
    """True and given class codes, (num_sources,); -1 where either is not known."""
    codes = {name: code for code, name in enumerate(CLASSES)}
    given = np.array([codes.get(name, -1) for name in predicted["CLASS"]], dtype=np.int64)
    true = truth["SPECTYPE"].astype(np.int64)
    known = (true >= 0) & (given >= 0)
    return np.where(known, true, -1), np.where(known, given, -1)


def confusion(predicted: Columns, truth: Columns, selected: Selected) -> NDArray[np.float64]:
    """Counts of the selected sources by true class (rows) and given class."""
    true, given = class_codes(predicted, truth)
    known = selected & (true >= 0)
    return confusion_matrix(true[known], given[known], len(CLASSES))


def scores_of_counts(counts: NDArray[np.float64], min_objects: int) -> dict[str, Any]:
    """Balanced completeness, purity and F1 of each class, and the weighted F1 (Eqs. 4-7).

    counts: confusion matrix, rows true, (num_classes, num_classes). A class with fewer than
    ``min_objects`` sources is NOT_ENOUGH, and so is then the weighted F1.
    """
    result: dict[str, Any] = dict(zip(CLASSES, balanced_scores(counts, min_objects), strict=True))
    enough = bool(np.all(counts.sum(axis=1) >= min_objects))
    result["weighted_f1"] = weighted_f1(counts) if enough else NOT_ENOUGH
    total = counts.sum()
    result["accuracy"] = float(np.trace(counts) / total) if total >= min_objects else NOT_ENOUGH
    result["confusion"] = counts.astype(int).tolist()
    return result


def balanced_scores(counts: NDArray[np.float64], min_objects: int) -> list[dict[str, Any]]:
    """Number of sources, completeness, purity and F1 of each true class (rows), in their order.

    counts: confusion matrix, (num_classes, num_classes). A class with fewer than ``min_objects``
    sources is NOT_ENOUGH. Purity and F1 weigh it against the other classes: where it is the only
    one left, nothing could be mistaken for it, and they are NOT_ENOUGH as well.
    """
    numbers = counts.sum(axis=1)
    measures = balanced(of_common_classes(counts, min_objects))
    enough = numbers >= min_objects
    with_others = enough & (enough.sum() > 1)
    known = {"completeness": enough, "purity": with_others, "f1": with_others}
    return [
        {"num_sources": int(number)}
        | {
            measure: float(measures[measure][row]) if is_known[row] else NOT_ENOUGH
            for measure, is_known in known.items()
        }
        for row, number in enumerate(numbers)
    ]


def of_common_classes(counts: NDArray[np.float64], min_objects: int) -> NDArray[np.float64]:
    """The matrix, (num_classes, num_classes), without the true classes of fewer sources.

    Weighing the same as the others, one misled source of a class of two would halve their purity.
    """
    return np.where(counts.sum(axis=1, keepdims=True) >= min_objects, counts, 0.0)


def class_calibration(
    predicted: Columns, truth: Columns, selected: Selected, min_objects: int
) -> dict[str, Any]:
    """Reliability of the class probabilities, with every true class weighing the same.

    The model is trained with a third of each class, so that its probabilities can be honest only
    among sources weighted like that; ``ece_as_found`` is what a user of the survey meets.
    """
    true, given = class_codes(predicted, truth)
    known = selected & (true >= 0)
    true, given = true[known], given[known]
    numbers = np.bincount(true, minlength=len(CLASSES))
    if np.any(numbers < min_objects):
        return {"num_sources": len(true), "ece": NOT_ENOUGH, "ece_as_found": NOT_ENOUGH}
    weight = (len(true) / len(CLASSES) / numbers)[true]
    probability = np.stack([predicted[f"P_{name}"][known] for name in CLASSES], axis=1)
    confidence, right = probability.max(axis=1), true == given
    curves = {
        name: reliability(probability[:, code], true == code, weight)
        for code, name in enumerate(CLASSES)
    }
    return {
        "num_sources": len(true),
        "ece": expected_calibration_error(reliability(confidence, right, weight)),
        "ece_as_found": expected_calibration_error(reliability(confidence, right)),
        "reliability": [{"class": name, "bins": bins} for name, bins in curves.items()],
    }
