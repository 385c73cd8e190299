"""Scores in sliding bins of magnitude and of redshift (Figs. 3 and 4), with their intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ojala.evaluation.classification import confusion, of_common_classes, scores_of_counts
from ojala.evaluation.comparisons import REDSHIFT_TOKENS, Comparison, redshift
from ojala.evaluation.config import EvaluateConfig
from ojala.measures.bootstrap import Rows, drawn, drawn_classes, interval
from ojala.measures.calibration import Stated, calibration_of
from ojala.measures.metrics import NOT_ENOUGH, residual_scores
from ojala.tables.shards import Columns
from ojala.vocabulary.bands import reference_band
from ojala.vocabulary.quantities import CLASSES

MEASURES = ("bias", "sigma_nmad", "outlier_fraction")

MAG_STEP, MAG_HALF_WIDTH = 0.3, 0.3
MAGNITUDES = np.arange(15.3, 23.4, MAG_STEP)
"""Centres of the sliding bins of i (Fig. 3)."""

REDSHIFTS = {"galaxy": np.arange(0.05, 1.6, 0.1), "qso": np.arange(0.2, 4.6, 0.2)}
"""Centres of the sliding bins of z_spec (Fig. 4); their half-width is a step."""


def by_magnitude(
    predicted: Columns, truth: Columns, config: EvaluateConfig
) -> list[dict[str, Any]]:
    """Class and redshift scores in sliding bins of i that hold any source."""
    redshifts = {name: redshift(predicted, truth, name) for name in REDSHIFT_TOKENS}
    bins = []
    for centre in MAGNITUDES:
        inside = np.abs(truth[reference_band().token] - centre) < MAG_HALF_WIDTH
        counts = confusion(predicted, truth, inside)
        if not counts.sum():
            continue
        classes = scores_of_counts(counts, config.min_class_objects)
        _add_intervals(classes, counts, config)
        entry: dict[str, Any] = {"mag_i": round(float(centre), 2), "class": classes}
        for name, compared in redshifts.items():
            here = compared.among(inside)
            entry[name] = _with_intervals(here, config)
            entry[name]["calibration"] = honesty(here, config.min_class_objects)
        bins.append(entry)
    return bins


def honesty(compared: Comparison, min_objects: int) -> dict[str, Any]:
    """Calibration of what is stated; of p(z) the CDE loss and the negative log-likelihood too."""
    found = calibration_of(compared.stated, min_objects)
    for name in sorted(compared.scores.keys() - Stated._fields):
        values = compared.scores[name][np.isfinite(compared.scores[name])]
        found[name] = float(np.mean(values)) if len(values) >= min_objects else NOT_ENOUGH
    return found


def f1_by_magnitude(
    predicted: Columns, truth: Columns, config: EvaluateConfig
) -> list[dict[str, Any]]:
    """Weighted F1 in the same bins: a line of the last panel of Fig. 3."""
    bins = []
    for centre in MAGNITUDES:
        inside = np.abs(truth[reference_band().token] - centre) < MAG_HALF_WIDTH
        counts = confusion(predicted, truth, inside)
        if counts.sum():
            score = scores_of_counts(counts, config.min_class_objects)["weighted_f1"]
            bins.append({"mag_i": round(float(centre), 2), "weighted_f1": score})
    return bins


def by_redshift(
    predicted: Columns, truth: Columns, config: EvaluateConfig
) -> dict[str, list[dict[str, Any]]]:
    """Redshift scores of galaxies and quasars in sliding bins of z_spec, at all magnitudes."""
    curves: dict[str, list[dict[str, Any]]] = {}
    for name, centres in REDSHIFTS.items():
        compared = redshift(predicted, truth, name)
        step = centres[1] - centres[0]
        curves[name] = []
        for centre in centres:
            inside = compared.among(np.abs(truth["z"] - centre) < step)
            if inside.takes_part.any():
                entry = {"z_spec": round(float(centre), 3)} | _with_intervals(inside, config)
                curves[name].append(entry)
    return curves


def _add_intervals(
    classes: dict[str, Any], counts: NDArray[np.float64], config: EvaluateConfig
) -> None:
    common = of_common_classes(counts, config.min_class_objects)
    draws = drawn_classes(common, num_draws=config.num_draws, seed=config.seed)
    ends = {measure: np.transpose(interval(of_classes)) for measure, of_classes in draws.items()}
    for code, name in enumerate(CLASSES):
        if classes[name]["num_sources"] >= config.min_class_objects:
            classes[name]["interval"] = {
                measure: of_classes[code].tolist()
                for measure, of_classes in ends.items()
                if classes[name][measure] != NOT_ENOUGH
            }


def _with_intervals(compared: Comparison, config: EvaluateConfig) -> dict[str, Any]:
    """Bias, sigma_nmad and outlier fraction, and how far they could have come out otherwise."""
    residual = compared.residual[compared.takes_part]
    result = residual_scores(residual, config.min_class_objects, redshift=True)
    if len(residual) < config.min_class_objects:
        return result

    def measures(rows: Rows) -> list[float]:
        found = residual_scores(residual[rows], 1, redshift=True)
        return [found[name] for name in MEASURES]

    draws = drawn(measures, len(residual), num_draws=config.num_draws, seed=config.seed)
    ends = np.transpose(interval(draws))
    result["interval"] = dict(zip(MEASURES, ends.tolist(), strict=True))
    return result


def drawn_curves(scores: Mapping[str, Any], num_bands: int) -> dict[str, list[dict[str, Any]]]:
    """Curves of one test set that are worth comparing between two trainings, as tables.

    scores: of ``evaluation.scores``; num_bands: narrow bands that there are
    """
    bins = scores["by_magnitude"]
    redshifts = {
        measure: [
            {"mag_i": entry["mag_i"]} | {name: entry[name][measure] for name in REDSHIFT_TOKENS}
            for entry in bins
        ]
        for measure in ("sigma_nmad", "outlier_fraction")
    }
    runs = runs_by_bands_shown(scores, num_bands)
    return redshifts | {
        "class_f1": [
            {"mag_i": entry["mag_i"]}
            | {name.lower(): entry["class"][name]["f1"] for name in CLASSES}
            for entry in bins
        ],
        "bands_shown": [
            {
                "narrow_bands": shown,
                "weighted_f1": run["weighted_f1"],
                "galaxy_sigma_nmad": run["galaxy"]["sigma_nmad"],
            }
            for shown, run in sorted(runs.items())
        ],
    }


def runs_by_bands_shown(scores: Mapping[str, Any], num_bands: int) -> dict[int, Any]:
    """Runs of ``evaluation.summary`` by how many of ``num_bands`` narrow bands were shown."""
    runs = {num_bands: scores["contexts"]["all"]}
    return runs | {num_bands - int(hidden): run for hidden, run in scores["hidden_bands"].items()}
