"""Measures of a classification (Eqs. 4-7), of an estimate (Eq. 8), and of the errors of bands."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NMAD_FACTOR = 1.48
"""Eq. 8: scales a median absolute deviation to the sigma of a Gaussian."""

OUTLIER_THRESHOLD = 0.15
"""|Dz| of an outlier (Sect. 4.2)."""

NOT_ENOUGH = "not enough objects"
"""What a score says where too few sources can be scored: neither a crash nor a zero."""


def confusion_matrix(true: NDArray[Any], predicted: NDArray[Any], num_classes: int) -> Floats:
    """Counts C_ij of sources of class i given class j, shape (num_classes, num_classes)."""
    counts = np.zeros((num_classes, num_classes))
    np.add.at(counts, (true.astype(int), predicted.astype(int)), 1)
    return counts


def balanced(counts: Floats) -> dict[str, Floats]:
    """Completeness, purity and F1 of each class, every true class weighing the same (Eqs. 4-7).

    counts: confusion matrix, rows true, (num_classes, num_classes). A class without true sources
    is NaN and takes no part in the purity of the others.
    """
    totals = counts.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        rows = counts / totals
        completeness = np.diag(rows)
        purity = completeness / np.nansum(rows, axis=0)
        f1 = 2 * purity * completeness / (purity + completeness)
    present = totals[:, 0] > 0
    f1 = np.where(present & (completeness == 0), 0.0, f1)
    purity = np.where(present, purity, np.nan)
    return {"completeness": completeness, "purity": purity, "f1": f1}


def weighted_f1(counts: Floats) -> float:
    """F1 of the classes combined with inverse-frequency weights: each class counts the same.

    NaN where a class has no true sources.

    counts: confusion matrix, (num_classes, num_classes)
    """
    return float(np.mean(balanced(counts)["f1"]))


def redshift_error(z_phot: Floats, z_spec: Floats) -> Floats:
    """Dz = (z_phot - z_spec) / (1 + z_spec).

    All of one shape: (num_sources,).
    """
    return (z_phot - z_spec) / (1 + z_spec)


def bias(residual: Floats) -> float:
    """Median of the residuals; NaN where there are none.

    residual: (num_sources,)
    """
    return float(np.median(residual)) if len(residual) else float("nan")


def sigma_nmad(residual: Floats) -> float:
    """1.48 median |d - median(d)| (Eq. 8); NaN where there are no residuals.

    residual: (num_sources,)
    """
    return NMAD_FACTOR * bias(np.abs(residual - bias(residual)))


def outlier_fraction(residual: Floats, *, threshold: float) -> float:
    """Share of residuals with |d| > threshold (the paper: 0.15); NaN where there are none.

    residual: (num_sources,)
    """
    return float(np.mean(np.abs(residual) > threshold)) if len(residual) else float("nan")


def residual_scores(
    residual: Floats, min_objects: int, *, redshift: bool = False
) -> dict[str, Any]:
    """Number of sources, bias and sigma_nmad; of redshifts the outlier fraction as well.

    residual: (num_sources,), NaN where a source takes no part; fewer than ``min_objects`` sources
    are NOT_ENOUGH.
    """
    residual = residual[np.isfinite(residual)]
    measures = {"bias": bias, "sigma_nmad": sigma_nmad}
    if redshift:
        measures["outlier_fraction"] = partial(outlier_fraction, threshold=OUTLIER_THRESHOLD)
    result: dict[str, Any] = {"num_sources": len(residual)}
    for name, measure in measures.items():
        result[name] = measure(residual) if len(residual) >= min_objects else NOT_ENOUGH
    return result


def error_correlation(mag_i: NDArray[Any], flux_err: NDArray[Any]) -> NDArray[Any]:
    """Correlation between bands of log errors, once their trend with i is taken out.

    flux_err: shape (num_sources, num_bands), all known. Returns (num_bands, num_bands).
    """
    log_err = np.log(flux_err)
    design = np.vander(mag_i - 20, 4)
    fit, *_ = np.linalg.lstsq(design, log_err, rcond=None)
    return np.asarray(np.corrcoef(log_err - design @ fit, rowvar=False))
