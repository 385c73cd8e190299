"""The sim-to-real gap: what each score loses from Test-Synth to Test-Real, and how surely.

Both sets hold the same sources row by row, so that the sources of a draw are drawn together and
what they have in common cancels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ojala.evaluation.classification import class_codes
from ojala.evaluation.comparisons import Comparison, brighter_than, comparisons
from ojala.evaluation.config import EvaluateConfig
from ojala.measures.bootstrap import Rows, drawn, interval
from ojala.measures.metrics import NOT_ENOUGH, balanced, confusion_matrix, residual_scores
from ojala.tables.shards import Columns
from ojala.vocabulary.quantities import CLASSES

GAP_SHARE = 0.95
"""Share of the draws within ``low`` and ``high``."""

Pair = tuple[Columns, Columns]
"""Predictions and truth of one test set."""


def gaps(real: Pair, synth: Pair, config: EvaluateConfig) -> dict[str, dict[str, Any]]:
    """Every score in both sets, their difference and its 95 % interval, by class and quantity.

    Raises ValueError if the sets are not of the same sources in the same order.
    """
    if not np.array_equal(real[1]["targetid"], synth[1]["targetid"]):
        raise ValueError("test_real and test_synth do not hold the same sources in the same order")
    result: dict[str, dict[str, Any]] = {"class": class_gaps(real, synth, config)}
    both = [comparisons(*pair, faint_limit=config.faint_limit) for pair in (real, synth)]
    for name, of_class in both[0].items():
        result[name] = {
            quantity: residual_gaps(in_real, both[1][name][quantity], config)
            for quantity, in_real in of_class.items()
        }
    return result


def residual_gaps(real: Comparison, synth: Comparison, config: EvaluateConfig) -> dict[str, Any]:
    """Gaps of bias, sigma_nmad and, of redshifts, the outlier fraction."""
    pairs = real.takes_part & synth.takes_part
    residuals = [real.residual[pairs], synth.residual[pairs]]
    names = ["bias", "sigma_nmad"] + ["outlier_fraction"] * real.redshift

    def measures(rows: Rows) -> list[list[float]]:
        """Measures by set, (num_measures, 2)."""
        found = [residual_scores(d[rows], 1, redshift=real.redshift) for d in residuals]
        return [[of_set[name] for of_set in found] for name in names]

    enough = pairs.sum() >= config.min_objects
    number = int(pairs.sum())
    return _entries(names, measures, number, config) if enough else _none(names, number)


def class_gaps(real: Pair, synth: Pair, config: EvaluateConfig) -> dict[str, Any]:
    """Gaps of each class's F1 and of the weighted F1."""
    limit = config.faint_limit
    bright = brighter_than(real[1], limit) & brighter_than(synth[1], limit)
    (true, in_real), (_, in_synth) = class_codes(*real), class_codes(*synth)
    known = bright & (in_real >= 0) & (in_synth >= 0)
    true, given = true[known], (in_real[known], in_synth[known])
    names = [*(f"{name}_f1" for name in CLASSES), "weighted_f1"]

    def measures(rows: Rows) -> list[Any]:
        counts = [confusion_matrix(true[rows], codes[rows], len(CLASSES)) for codes in given]
        f1 = np.array([balanced(of_set)["f1"] for of_set in counts])
        return [*f1.T, f1.mean(axis=1)]

    enough = np.all(np.bincount(true, minlength=len(CLASSES)) >= config.min_objects)
    return _entries(names, measures, len(true), config) if enough else _none(names, len(true))


def _entries(
    names: list[str],
    measures: Callable[[Rows], Any],
    num_sources: int,
    config: EvaluateConfig,
) -> dict[str, Any]:
    """In Test-Real (with its 68 % interval), in Test-Synth, and the difference, by measure."""
    values = np.array(measures(np.arange(num_sources)))
    draws = drawn(measures, num_sources, num_draws=config.num_draws, seed=config.seed)
    low, high = interval(draws[..., 0] - draws[..., 1], GAP_SHARE)
    real_low, real_high = interval(draws[..., 0])
    return {
        name: {
            "num_sources": num_sources,
            "real": float(in_real),
            "real_low": float(real_low[place]),
            "real_high": float(real_high[place]),
            "synth": float(in_synth),
            "difference": float(in_real - in_synth),
            "low": float(low[place]),
            "high": float(high[place]),
        }
        for place, (name, (in_real, in_synth)) in enumerate(zip(names, values, strict=True))
    }


def _none(names: list[str], num_sources: int) -> dict[str, Any]:
    return {name: {"num_sources": num_sources, "difference": NOT_ENOUGH} for name in names}
