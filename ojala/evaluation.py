"""Scores of one prediction pass against the truth, as the paper reports them.

``scores`` gives a nested dictionary: class, galaxy and quasar redshifts, every other quantity,
each with the number of objects behind it. Where fewer than MIN_OBJECTS sources can be scored the
entry says NOT_ENOUGH: neither a crash nor a zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ojala.metrics import (
    balanced,
    bias,
    confusion_matrix,
    coverage,
    outlier_fraction,
    redshift_error,
    sigma_nmad,
    weighted_f1,
)
from ojala.quantities import CLASSES, quantities
from ojala.shards import Columns

Selected = NDArray[np.bool_]

MIN_OBJECTS = 10
NOT_ENOUGH = "not enough objects"
OUTLIER_THRESHOLD = 0.15  # Sect. 4.2
FAINT_LIMIT = 21.0  # i magnitude that the paper's summary numbers stop at
STELLAR_LIMIT = 19.0  # i magnitude of the stellar parameters, Sect. 4.3

REDSHIFTS = {"Z_GAL": "GALAXY", "Z_QSO": "QSO"}
LINE_REDSHIFT_LIMIT = {  # Sect. 4.4: the line lies within the narrow bands
    "HALPHA_6562_EW": 0.36,
    "NII_6584_EW": 0.36,
    "HALPHA_CONT": 0.36,
    "HBETA_4861_EW": 0.8,
    "OIII_5007_EW": 0.8,
    "HBETA_CONT": 0.8,
}


def scores(
    predicted: Columns, truth: Columns, *, faint_limit: float = FAINT_LIMIT
) -> dict[str, Any]:
    """Every score of sources brighter than ``faint_limit`` in i, and the class by magnitude.

    predicted: the Predictor's columns; truth: columns of a matched set, row by row the same.
    """
    bright = truth["MAG_i"] < faint_limit
    result: dict[str, Any] = {
        "num_sources": int(bright.sum()),
        "faint_limit": faint_limit,
        "class": class_scores(predicted, truth, bright),
        "galaxy": redshift_scores(predicted, truth, bright, "Z_GAL"),
        "qso": redshift_scores(predicted, truth, bright, "Z_QSO"),
        "by_magnitude": by_magnitude(predicted, truth),
    }
    for quantity in quantities():
        if quantity.kind == "continuous" and quantity.token not in REDSHIFTS:
            result[quantity.token] = quantity_scores(predicted, truth, bright, quantity.token)
    return result


def class_scores(predicted: Columns, truth: Columns, selected: Selected) -> dict[str, Any]:
    """Balanced completeness, purity and F1 of each class, and the weighted F1 (Eqs. 4-7)."""
    selected = selected & (truth["SPECTYPE"] >= 0) & (predicted["CLASS"] != "")
    true = truth["SPECTYPE"][selected]
    codes = {name: code for code, name in enumerate(CLASSES)}
    given = np.array([codes[name] for name in predicted["CLASS"][selected]], dtype=int)
    counts = confusion_matrix(true, given, len(CLASSES))
    enough = counts.sum(axis=1) >= MIN_OBJECTS
    measures = balanced(counts)
    result: dict[str, Any] = {
        name: {
            "num_sources": int(counts[code].sum()),
            **{measure: float(values[code]) for measure, values in measures.items()},
        }
        if enough[code]
        else {"num_sources": int(counts[code].sum()), "f1": NOT_ENOUGH}
        for name, code in codes.items()
    }
    result["weighted_f1"] = weighted_f1(counts) if enough.all() else NOT_ENOUGH
    result["accuracy"] = float(np.mean(true == given)) if len(true) >= MIN_OBJECTS else NOT_ENOUGH
    result["confusion"] = counts.astype(int).tolist()
    return result


def redshift_scores(
    predicted: Columns, truth: Columns, selected: Selected, token: str
) -> dict[str, Any]:
    """Bias, sigma_nmad, outlier fraction and coverage of sources whose true class has the token."""
    selected = selected & (truth["SPECTYPE"] == CLASSES.index(REDSHIFTS[token]))
    selected = selected & np.isfinite(truth["z"]) & np.isfinite(predicted[token])
    z_spec = truth["z"][selected]
    residual = redshift_error(predicted[token][selected], z_spec)
    result = _summary(residual, predicted[f"{token}_ERR"][selected] / (1 + z_spec))
    if len(residual) >= MIN_OBJECTS:
        result["outlier_fraction"] = outlier_fraction(residual, threshold=OUTLIER_THRESHOLD)
    return result


def quantity_scores(
    predicted: Columns, truth: Columns, selected: Selected, token: str
) -> dict[str, Any]:
    """Bias, sigma_nmad and coverage of a quantity over sources that it is known for.

    Equivalent widths are compared as log10 where both are positive (Sect. 4.4), every other
    quantity by its difference; stars stop at i < 19, lines at the redshift where they leave J-PAS.
    """
    selected = selected & np.isfinite(truth[token]) & np.isfinite(predicted[token])
    if token in LINE_REDSHIFT_LIMIT:
        selected = selected & (truth["z"] < LINE_REDSHIFT_LIMIT[token])
    if token in ("TEFF", "LOGG", "FEH", "ALPHAFE"):
        selected = selected & (truth["MAG_i"] < STELLAR_LIMIT)
    true, given = truth[token][selected], predicted[token][selected]
    sigma = np.hypot(predicted[f"{token}_ERR"][selected], truth[f"{token}_ERR"][selected])
    result = _summary(given - true, sigma)
    if token.endswith("_EW") and len(true) >= MIN_OBJECTS:
        positive = (true > 0) & (given > 0)
        result |= _summary(np.log10(given[positive] / true[positive]), None)
        result["num_sources"] = int(positive.sum())
    return result


def by_magnitude(
    predicted: Columns, truth: Columns, *, step: float = 0.5, half_width: float = 0.5
) -> list[dict[str, Any]]:
    """Class and redshift scores in sliding bins of i."""
    bins = []
    for centre in np.arange(17.0, 23.01, step):
        inside = np.abs(truth["MAG_i"] - centre) < half_width
        if inside.sum() >= MIN_OBJECTS:
            bins.append(
                {
                    "mag_i": float(centre),
                    "class": class_scores(predicted, truth, inside),
                    "galaxy": redshift_scores(predicted, truth, inside, "Z_GAL"),
                    "qso": redshift_scores(predicted, truth, inside, "Z_QSO"),
                }
            )
    return bins


def _summary(residual: NDArray[Any], sigma: NDArray[Any] | None) -> dict[str, Any]:
    if len(residual) < MIN_OBJECTS:
        return {"num_sources": len(residual), "sigma_nmad": NOT_ENOUGH}
    result: dict[str, Any] = {
        "num_sources": len(residual),
        "bias": bias(residual),
        "sigma_nmad": sigma_nmad(residual),
    }
    if sigma is not None:
        usable = np.isfinite(sigma)
        for percent, num_sigma in ((68, 1.0), (95, 1.96)):
            result[f"coverage_{percent}"] = coverage(
                residual[usable], sigma[usable], num_sigma=num_sigma
            )
    return result
