"""Scores of a model on a matched test set, as the paper reports them, nested by class.

``scores`` takes the predictions of every context (``ojala.evaluation.contexts``) and gives one
nested dictionary. Where too few sources can be scored an entry says NOT_ENOUGH. Dictionaries hold
summary numbers; curves over magnitude, redshift or probability are lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ojala.evaluation.classification import class_calibration, confusion, scores_of_counts
from ojala.evaluation.comparisons import (
    ANN_LIMIT,
    HOST,
    LINE_RATIOS,
    LINES,
    REDSHIFT_TOKENS,
    STELLAR,
    Selected,
    brighter_than,
    comparisons,
    redshift,
    stated,
)
from ojala.evaluation.config import EvaluateConfig
from ojala.evaluation.contexts import TRAYS
from ojala.evaluation.curves import by_magnitude, by_redshift, f1_by_magnitude, honesty
from ojala.evaluation.diagram_scores import bpt_scores, whan_scores
from ojala.measures.metrics import residual_scores
from ojala.tables.shards import Columns
from ojala.vocabulary.bands import narrow_bands
from ojala.vocabulary.quantities import CLASSES

TABLE_1 = (*LINES, *LINE_RATIOS)
"""What is scored again with the bands hidden that hold lines, and of nearby galaxies alone."""


def scores(
    predictions: Mapping[str, Columns], truth: Columns, config: EvaluateConfig
) -> dict[str, Any]:
    """Every score of one test set.

    predictions: of ``contexts.predictions``; truth: the set's columns, row by row the same.
    """
    predicted, limit = predictions["all"], config.faint_limit
    bright = brighter_than(truth, limit)
    result: dict[str, Any] = {
        "num_sources": int(bright.sum()),
        "faint_limit": limit,
        "num_of_class": {
            name: int(np.sum(truth["SPECTYPE"] == code)) for code, name in enumerate(CLASSES)
        },
        "class": scores_of_counts(confusion(predicted, truth, bright), config.min_objects),
        **quantity_scores(predicted, truth, config),
        "calibration": calibration(predicted, truth, config),
        "by_magnitude": by_magnitude(predicted, truth, config),
        "by_redshift": by_redshift(predicted, truth, config),
        "missing_bands": missing_bands(predicted, truth, bright, config),
        "hidden_bands": {
            str(number): summary(predictions[f"hidden_{number}"], truth, bright, config)
            for number in config.hidden_bands
        },
        "contexts": {
            name: summary(predictions[name], truth, bright, config)
            | {"by_magnitude": f1_by_magnitude(predictions[name], truth, config)}
            for name in TRAYS
        },
        "lines_hidden": lines_hidden(predictions["lines_hidden"], truth, config),
        "nearby": nearby(predicted, truth, config),
    }
    if "BB_zspec" in predictions:
        result["BB_zspec"] = control(predictions["BB_zspec"], truth, config)
    result["galaxy"]["bpt"] = bpt_scores(predicted, truth, limit, config.min_objects)
    result["galaxy"]["whan"] = whan_scores(predicted, truth, limit, config.min_objects)
    return result


def quantity_scores(
    predicted: Columns, truth: Columns, config: EvaluateConfig
) -> dict[str, dict[str, Any]]:
    """Scores of each class's quantities; those of its redshift stand at the class itself."""
    found = comparisons(predicted, truth, faint_limit=config.faint_limit)
    result: dict[str, dict[str, Any]] = {name: {} for name in found}
    for name, of_class in found.items():
        for quantity, compared in of_class.items():
            entry = residual_scores(
                compared.residual, config.min_objects, redshift=compared.redshift
            )
            result[name] |= entry if quantity == "z" else {quantity: entry}
    return result


def lines_hidden(predicted: Columns, truth: Columns, config: EvaluateConfig) -> dict[str, Any]:
    """Table 1, right: lines from the continuum alone, the bands that hold them being hidden."""
    galaxies = quantity_scores(predicted, truth, config)["galaxy"]
    return {"galaxy": {token: galaxies[token] for token in TABLE_1}}


def nearby(predicted: Columns, truth: Columns, config: EvaluateConfig) -> dict[str, Any]:
    """Table 4: lines of galaxies with z < 0.35, all that the networks of 2021 answer for."""
    near = np.flatnonzero(truth["z"] < ANN_LIMIT)
    given, true = (
        {name: values[near] for name, values in columns.items()} for columns in (predicted, truth)
    )
    galaxies = quantity_scores(given, true, config)["galaxy"]
    return {"galaxy": {token: galaxies[token] for token in TABLE_1}}


def control(predicted: Columns, truth: Columns, config: EvaluateConfig) -> dict[str, Any]:
    """Control test of Sect. 4.5: masses and rates from broad bands and z_spec alone."""
    found = quantity_scores(predicted, truth, config)
    hosts = {"galaxy": (*HOST, "LOGSFR_CERTAIN"), "qso": HOST}
    return {name: {token: found[name][token] for token in tokens} for name, tokens in hosts.items()}


def summary(
    predicted: Columns, truth: Columns, selected: Selected, config: EvaluateConfig
) -> dict[str, Any]:
    """F1 of the classes and redshift scores: what a context, or a number of bands, can do."""
    classes = scores_of_counts(confusion(predicted, truth, selected), config.min_objects)
    result: dict[str, Any] = {
        "num_sources": int(np.sum(selected & (predicted["CLASS"] != ""))),
        "weighted_f1": classes["weighted_f1"],
        "f1": {name: classes[name]["f1"] for name in CLASSES},
    }
    for name in REDSHIFT_TOKENS:
        residual = redshift(predicted, truth, name).among(selected).residual
        result[name] = residual_scores(residual, config.min_objects, redshift=True)
    return result


def missing_bands(
    predicted: Columns, truth: Columns, selected: Selected, config: EvaluateConfig
) -> dict[str, Any]:
    """Scores by the number of narrow bands that a source lacks as it was observed."""
    missing = len(narrow_bands()) - truth["num_bands"]
    return {
        str(int(number)): summary(predicted, truth, selected & (missing == number), config)
        for number in np.unique(missing[np.isfinite(missing)])
    }


def calibration(predicted: Columns, truth: Columns, config: EvaluateConfig) -> dict[str, Any]:
    """Whether errors and probabilities are honest, by class and quantity."""
    bright = brighter_than(truth, config.faint_limit)
    everyone = np.ones(len(bright), dtype=bool)
    result = {
        name: class_calibration(predicted, truth, selected, config.min_objects)
        for name, selected in (("class", bright), ("class_all_magnitudes", everyone))
    }
    for name, of_class in stated(predicted, truth, faint_limit=config.faint_limit).items():
        result[name] = {
            token: honesty(compared, config.min_objects) for token, compared in of_class.items()
        }
    return result


def headline(result: Mapping[str, Any]) -> dict[str, Any]:
    """The few scores of a test set that tell two trainings apart, at their paths in ``scores``."""
    tokens = {"galaxy": (*HOST, *LINES), "qso": HOST, "star": STELLAR}
    short: dict[str, Any] = {
        "class": {name: result["class"][name]["f1"] for name in CLASSES}
        | {"weighted_f1": result["class"]["weighted_f1"]}
    }
    for name, chosen in tokens.items():
        short[name] = {token: {"sigma_nmad": result[name][token]["sigma_nmad"]} for token in chosen}
        if name in REDSHIFT_TOKENS:
            short[name] |= {key: result[name][key] for key in ("sigma_nmad", "outlier_fraction")}
            honest = result["calibration"][name]["z"]
            short[name]["coverage_68"] = honest["coverage_68"]
    return short
