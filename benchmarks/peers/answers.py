"""A peer's answers under the Predictor's column names, so that one code scores all.

A peer is fitted in curved quantities, ln(1 + z) and asinh(EW), and answers in physical ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ojala.tables.shards import Columns
from ojala.vocabulary.quantities import CLASSES, quantities, quantity

Floats = NDArray[np.float64]

CONTINUOUS = tuple(quantity.token for quantity in quantities() if quantity.kind == "continuous")
"""The 14 quantities that are numbers."""

REDSHIFTS = ("Z_GAL", "Z_QSO")


def unanswered(num_sources: int) -> Columns:
    """Every column of a prediction, with nothing said: NaN, and "" for the class."""
    columns: Columns = {"CLASS": np.full(num_sources, "", dtype=object)}
    names = [f"P_{name}" for name in CLASSES]
    names += [name for token in CONTINUOUS for name in (token, f"{token}_ERR")]
    return columns | {name: np.full(num_sources, np.nan) for name in names}


def classes(probability: ArrayLike) -> Columns:
    """CLASS and P_* of probabilities in the order of CLASSES, (num_sources, 3)."""
    probability = np.asarray(probability, dtype=np.float64)
    columns: Columns = {"CLASS": np.array(CLASSES, dtype=object)[probability.argmax(axis=1)]}
    return columns | {f"P_{name}": probability[:, code] for code, name in enumerate(CLASSES)}


def curved(token: str, value: ArrayLike) -> Floats:
    """What a peer is fitted to: ln(1 + z), asinh(EW / Angstrom), any other quantity as it is."""
    value = np.asarray(value, dtype=np.float64)
    if token in REDSHIFTS:
        return np.log1p(value)
    return np.arcsinh(value) if quantity(token).transform == "asinh" else value


def physical(token: str, mean: ArrayLike, sigma: ArrayLike) -> Columns:
    """The quantity and its 1 sigma, to first order, of a mean and sigma in curved units."""
    mean, sigma = np.asarray(mean, dtype=np.float64), np.asarray(sigma, dtype=np.float64)
    if token in REDSHIFTS:
        value, slope = np.expm1(mean), np.exp(mean)
    elif quantity(token).transform == "asinh":
        value, slope = np.sinh(mean), np.cosh(mean)
    else:
        value, slope = mean, np.ones_like(mean)
    return {token: value, f"{token}_ERR": sigma * slope}


def class_weights(spectype: NDArray[np.integer], weight: Floats) -> Floats:
    """Weight of each source such that a class has the share it has among ``weight``.

    Within a class all sources weigh the same; the mean weight is one.
    """
    balanced = np.zeros(len(spectype))
    for code in range(len(CLASSES)):
        members = spectype == code
        if members.any():
            balanced[members] = weight[members].sum() / members.sum()
    return balanced / balanced.mean()
