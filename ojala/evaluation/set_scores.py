"""What a recalibration is worth: coverage of its sets, by class and magnitude, before and after."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ojala.catalogue.recalibration import CLASS_SET, EDGES, HIGH, LOW, REDSHIFT_OF
from ojala.evaluation.classification import class_calibration, class_codes
from ojala.evaluation.config import EvaluateConfig
from ojala.measures.metrics import NOT_ENOUGH
from ojala.tables.shards import Columns
from ojala.vocabulary.bands import reference_band
from ojala.vocabulary.quantities import CLASSES

Rows = NDArray[np.bool_]


def set_scores(
    before: Columns, after: Columns, truth: Columns, config: EvaluateConfig
) -> dict[str, Any]:
    """Scores of the class probabilities and of the sets, all magnitudes.

    before: answers of the network; after: the same recalibrated; truth: row by row the same
    Returns of "before" and "after" the calibration error and mean -log P of the true class, every
    class weighing the same; and of each class and range of magnitude a row of "sets":
    ``class_right`` and ``class_covered``, shares of the sources whose class is CLASS and is in
    CLASS_SET90; ``class_size``, classes of a set; ``z_before`` and ``z_after``, shares within
    LOW90 ... HIGH90 of p(z) and within the set, and ``z_width``, how many times as wide the set is
    (median).
    """
    result: dict[str, Any] = {
        name: _probabilities(answers, truth, config)
        for name, answers in (("before", before), ("after", after))
    }
    true, _ = class_codes(after, truth)
    result["sets"] = [
        {"class": name, "magnitudes": said} | _row(name, before, after, truth, rows, config)
        for code, name in enumerate(CLASSES)
        for said, in_range in _ranges(truth[reference_band().token])
        for rows in [in_range & (true == code)]
        if rows.any()
    ]
    return result


def _probabilities(answers: Columns, truth: Columns, config: EvaluateConfig) -> dict[str, Any]:
    everyone = np.ones(len(truth["SPECTYPE"]), dtype=bool)
    found = class_calibration(answers, truth, everyone, config.min_objects)
    true, _ = class_codes(answers, truth)
    losses = [
        -np.log(np.maximum(answers[f"P_{name}"][true == code].astype(np.float64), 1e-30))
        for code, name in enumerate(CLASSES)
    ]
    enough = all(len(of_class) >= config.min_objects for of_class in losses)
    nll = float(np.mean([of_class.mean() for of_class in losses])) if enough else NOT_ENOUGH
    return {"ece": found["ece"], "ece_as_found": found["ece_as_found"], "nll": nll}


def _ranges(magnitude: NDArray[Any]) -> Iterator[tuple[str, Rows]]:
    """All magnitudes, then each range of a recalibration, by name."""
    yield "all", np.isfinite(magnitude)
    band = reference_band().name
    ends = (-np.inf, *EDGES, np.inf)
    for low, high in pairwise(ends):
        said = f"{low:g} - {high:g}"
        if not np.isfinite(low):
            said = f"{band} < {high:g}"
        elif not np.isfinite(high):
            said = f"{band} > {low:g}"
        yield said, (magnitude >= low) & (magnitude < high)


def _row(
    name: str, before: Columns, after: Columns, truth: Columns, rows: Rows, config: EvaluateConfig
) -> dict[str, Any]:
    """Coverages of some sources of one class; NOT_ENOUGH where they are too few."""
    num = int(rows.sum())
    sets = [words.split() for words in after[CLASS_SET][rows]]
    shares: dict[str, NDArray[Any]] = {
        "class_right": before["CLASS"][rows] == name,
        "class_covered": np.array([name in held for held in sets]),
        "class_size": np.array([len(held) for held in sets]),
    }
    if name in REDSHIFT_OF:
        token, z = REDSHIFT_OF[name], truth["z"][rows]
        plain, stretched = (
            [answers[f"{token}{end}"][rows] for end in ends]
            for answers, ends in ((before, ("_LOW90", "_HIGH90")), (after, (LOW, HIGH)))
        )
        shares["z_before"] = (z >= plain[0]) & (z <= plain[1])
        shares["z_after"] = (z >= stretched[0]) & (z <= stretched[1])
        shares["z_width"] = (stretched[1] - stretched[0]) / np.maximum(plain[1] - plain[0], 1e-6)
    enough = num >= config.min_objects
    return {"num_sources": num} | {
        key: float(np.median(of) if key == "z_width" else np.mean(of)) if enough else NOT_ENOUGH
        for key, of in shares.items()
    }
