"""Whether stated errors and probabilities are honest: coverage, PIT, CRPS, reliability, ECE.

The model states a distribution for a quantity, p(z) or a Gaussian, and a probability for each
class. ``sigma`` of a Gaussian is that of the difference given - true: the predicted one and the
label's own, added in quadrature, since the label is measured too.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import kstest

from ojala.measures.metrics import NOT_ENOUGH

Floats = NDArray[np.float64]

LEVELS = {"coverage_68": 0.6827, "coverage_95": 0.95}
"""Share of true values that a central interval is to hold: as many lie below as above it."""

TAIL = 1e-15
"""PIT nearer to 0 or 1 is 8 sigma, and not told apart."""

NUM_BINS = 10
"""Equal bins of probability in a reliability diagram."""


class Stated(NamedTuple):
    """What was stated of each source against what is true, (num_sources,).

    pit: share of the stated distribution below the true value: uniform on 0 ... 1 where it is
        honest, piled up at both ends where errors are too small, in the middle where too large
    crps: continuous ranked probability score, in the unit of the residual
    Both are NaN where a source takes no part.
    """

    pit: Floats
    crps: Floats

    def among(self, rows: NDArray[Any] | slice) -> Stated:
        """The same of some rows, of those that take part.

        rows: numbers, (num_rows,), a mask, (num_sources,), or a slice
        """
        pit, crps = self.pit[rows], self.crps[rows]
        known = np.isfinite(pit) & np.isfinite(crps)
        return Stated(pit[known], crps[known])


def of_gaussian(residual: Floats, sigma: Floats) -> Stated:
    """Of a Gaussian of 1 ``sigma``, from residuals given - true; NaN without a sigma above 0.

    residual, sigma: (num_sources,), in the same unit
    """
    sigma = np.where(sigma > 0, sigma, np.nan).astype(np.float64)
    return Stated(pit(residual, sigma), crps(residual, sigma))


def coverage(pit: Floats, level: float) -> float:
    """Share of true values within the central interval of that level; NaN where there are none.

    pit: (num_sources,), without NaN
    """
    return float(np.mean(np.abs(2 * pit - 1) <= level)) if len(pit) else float("nan")


def pit(residual: Floats, sigma: Floats) -> Floats:
    """Probability integral transform: the share of the stated Gaussian below the true value.

    residual: given - true; sigma: in its unit; both (num_sources,)
    """
    return np.asarray(ndtr(-residual / sigma))


def crps(residual: Floats, sigma: Floats) -> Floats:
    """Continuous ranked probability score of a Gaussian, in the unit of the residual.

    sigma (u (2 Phi(u) - 1) + 2 phi(u) - 1 / sqrt(pi)) with u = residual / sigma (Gneiting et al.
    2005, Eq. 5): the absolute error of a forecast that is a distribution. Smaller is better.
    residual: given - true; sigma: in its unit; both (num_sources,)
    """
    u = residual / sigma
    density = np.exp(-0.5 * u**2) / np.sqrt(2 * np.pi)
    return np.asarray(sigma * (u * (2 * ndtr(u) - 1) + 2 * density - 1 / np.sqrt(np.pi)))


def calibration_of(stated: Stated, min_objects: int) -> dict[str, Any]:
    """Coverage, CRPS and the distance of the PIT from uniform of one quantity.

    ``pit_distance`` is the Kolmogorov-Smirnov distance, 0 for honest errors; ``spread`` is half
    of the 16-84 % range of the PIT in sigmas of a Gaussian (of residual / sigma where that is what
    is stated), 1 for honest errors, larger where errors are too small.
    """
    stated = stated.among(slice(None))
    names = (*LEVELS, "spread", "crps", "pit_distance")
    result: dict[str, Any] = {"num_sources": len(stated.pit)}
    if len(stated.pit) < min_objects:
        return result | dict.fromkeys(names, NOT_ENOUGH)
    for name, level in LEVELS.items():
        result[name] = coverage(stated.pit, level)
    low, high = np.quantile(ndtri(np.clip(stated.pit, TAIL, 1 - TAIL)), [0.16, 0.84])
    result["spread"] = float(high - low) / 2
    result["crps"] = float(np.mean(stated.crps))
    result["pit_distance"] = float(kstest(stated.pit, "uniform").statistic)
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
