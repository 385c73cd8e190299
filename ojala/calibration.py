"""Whether stated errors and probabilities are honest: coverage, PIT, CRPS, reliability, ECE.

The model states a Gaussian for a quantity and a probability for each class. ``sigma`` is that of
the difference given - true: the predicted one and the label's own, added in quadrature, since
the label is measured too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import kstest

from ojala.metrics import NOT_ENOUGH

Floats = NDArray[np.float64]

LEVELS = {"coverage_68": 0.6827, "coverage_95": 0.95}
"""Share of true values that an interval of this name is to hold, symmetric about the mean."""

NUM_SIGMA = {"coverage_68": 1.0, "coverage_95": 1.96}

NUM_BINS = 10
"""Equal bins of probability in a reliability diagram."""


def coverage(residual: Floats, sigma: Floats, *, num_sigma: float) -> float:
    """Share of residuals within ``num_sigma`` predicted sigmas; NaN where there are none."""
    return float(np.mean(np.abs(residual) <= num_sigma * sigma)) if len(residual) else float("nan")


def pit(residual: Floats, sigma: Floats) -> Floats:
    """Probability integral transform: the share of the stated Gaussian below the true value.

    residual: given - true. Uniform on 0 ... 1 where every error is honest; piled up at both ends
    where errors are too small, in the middle where they are too large.
    """
    return np.asarray(ndtr(-residual / sigma))


def crps(residual: Floats, sigma: Floats) -> Floats:
    """Continuous ranked probability score of a Gaussian, in the unit of the residual.

    sigma (u (2 Phi(u) - 1) + 2 phi(u) - 1 / sqrt(pi)) with u = residual / sigma (Gneiting et al.
    2005, Eq. 5): the absolute error of a forecast that is a distribution. Smaller is better.
    """
    u = residual / sigma
    density = np.exp(-0.5 * u**2) / np.sqrt(2 * np.pi)
    return np.asarray(sigma * (u * (2 * ndtr(u) - 1) + 2 * density - 1 / np.sqrt(np.pi)))


def calibration_of(residual: Floats, sigma: Floats, min_objects: int) -> dict[str, Any]:
    """Coverage, CRPS and the distance of the PIT from uniform of one quantity.

    residual, sigma: NaN where a source takes no part. ``pit_distance`` is the Kolmogorov-Smirnov
    distance, 0 for honest errors; ``spread`` is the sigma_nmad-like width of residual / sigma
    (half of its 16-84 % range), 1 for honest errors, larger where errors are too small.
    """
    known = np.isfinite(residual) & (sigma > 0)
    residual, sigma = residual[known].astype(np.float64), sigma[known].astype(np.float64)
    names = (*LEVELS, "spread", "crps", "pit_distance")
    result: dict[str, Any] = {"num_sources": len(residual)}
    if len(residual) < min_objects:
        return result | dict.fromkeys(names, NOT_ENOUGH)
    for name in LEVELS:
        result[name] = coverage(residual, sigma, num_sigma=NUM_SIGMA[name])
    low, high = np.quantile(residual / sigma, [0.16, 0.84])
    result["spread"] = float(high - low) / 2
    result["crps"] = float(np.mean(crps(residual, sigma)))
    result["pit_distance"] = float(kstest(pit(residual, sigma), "uniform").statistic)
    return result


def reliability(
    probability: Floats, happened: NDArray[np.bool_], weight: Floats | None = None
) -> list[dict[str, float]]:
    """What was said against what happened, in the bins of probability that hold sources.

    probability: stated, (num_sources,); weight: of each source, by default all the same
    Returns for each bin the mean probability, the share that happened, the number of sources, and
    how many of equal weight would tell as much (Kish 1965).
    """
    weight = np.ones(len(probability)) if weight is None else weight
    number = np.minimum((probability * NUM_BINS).astype(int), NUM_BINS - 1)
    bins = []
    for place in np.unique(number):
        inside = number == place
        total = weight[inside].sum()
        effective = total**2 / np.sum(weight[inside] ** 2)
        bins.append(
            {
                "stated": float(np.sum(weight[inside] * probability[inside]) / total),
                "happened": float(np.sum(weight[inside] * happened[inside]) / total),
                "num_sources": int(inside.sum()),
                "num_effective": float(effective),
                "weight": float(total),
            }
        )
    return bins


def expected_calibration_error(bins: list[dict[str, float]]) -> float:
    """Mean distance of what was said from what happened, each bin by its weight (Guo et al. 2017).

    bins: of ``reliability``; NaN where there are none.
    """
    total = sum(entry["weight"] for entry in bins)
    distances = (entry["weight"] * abs(entry["stated"] - entry["happened"]) for entry in bins)
    return sum(distances) / total if total > 0 else float("nan")
