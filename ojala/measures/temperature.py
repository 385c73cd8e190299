"""Class probabilities made honest by few numbers: a temperature, and an offset of each class.

    log p'_c = log p_c / T + b_c - log of the sum over classes    (Guo et al. 2017)

What was learnt on the same sources is judged on others, by cross-validation; where it does not win
by more than the chance of which sources there are, probabilities are left as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp

Floats = NDArray[np.float64]

NUM_FOLDS = 5

LEAST = 30
"""Sources of every class, without which nothing is learnt."""

LEAST_PROBABILITY = 1e-30
"""Of a class, where it was rounded to nothing."""


@dataclass(frozen=True, kw_only=True)
class Tempering:
    """A temperature and an offset of each class but the first; by default all is left as it is."""

    temperature: float = 1.0
    offsets: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(f"temperature is {self.temperature}, expected one above 0")

    def of(self, probability: NDArray[Any]) -> NDArray[Any]:
        """Honest probabilities, as many and in the same type, (num_sources, num_classes)."""
        if self == Tempering():
            return probability
        return np.exp(self.log_of(probability)).astype(probability.dtype)

    def log_of(self, probability: NDArray[Any]) -> Floats:
        """Their logarithms, (num_sources, num_classes)."""
        logits = np.log(np.maximum(probability.astype(np.float64), LEAST_PROBABILITY))
        offsets = self.offsets or (0.0,) * (probability.shape[1] - 1)
        logits = logits / self.temperature + np.array([0.0, *offsets])
        return np.asarray(logits - logsumexp(logits, axis=1, keepdims=True))


def best(probability: NDArray[Any], true: NDArray[Any]) -> Tempering:
    """The recipe that wins on held-out sources: none, a temperature, or offsets as well.

    Every class weighs the same, as in training. probability: (num_sources, num_classes), no NaN;
    true: codes of the classes, (num_sources,)
    """
    counts = np.bincount(true, minlength=probability.shape[1])
    if counts.min() < LEAST:
        return Tempering()
    weight = (len(true) / len(counts) / counts)[true]
    fold = np.arange(len(true)) % NUM_FOLDS
    winner, most = Tempering(), 0.0
    for num_free in (1, len(counts)):
        gain = np.empty(len(true))
        for number in range(NUM_FOLDS):
            inside = fold == number
            learnt = _fitted(probability[~inside], true[~inside], weight[~inside], num_free)
            of_learnt = _losses(learnt, probability[inside], true[inside])
            gain[inside] = _losses(Tempering(), probability[inside], true[inside]) - of_learnt
        gain = gain * weight
        if gain.mean() > max(most, gain.std(ddof=1) / np.sqrt(len(gain))):
            winner, most = _fitted(probability, true, weight, num_free), float(gain.mean())
    return winner


def _fitted(
    probability: NDArray[Any], true: NDArray[Any], weight: Floats, num_free: int
) -> Tempering:
    """The recipe of least weighted loss, of a temperature and num_free - 1 offsets."""

    def recipe(free: Floats) -> Tempering:
        return Tempering(temperature=float(np.exp(-free[0])), offsets=tuple(map(float, free[1:])))

    def loss(free: Floats) -> float:
        return float(np.mean(weight * _losses(recipe(free), probability, true)))

    return recipe(minimize(loss, np.zeros(num_free), method="BFGS").x)


def _losses(recipe: Tempering, probability: NDArray[Any], true: NDArray[Any]) -> Floats:
    return np.asarray(-recipe.log_of(probability)[np.arange(len(true)), true])
