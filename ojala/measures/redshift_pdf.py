"""The probability distribution p(z) that a redshift is answered by.

Probabilities of steps in x = ln(1 + z), in which an error dz / (1 + z) has the same size at every
redshift. Within a step the density is constant, so that the cumulative distribution is a polygon
and everything read from it is exact. Modes are in ``redshift_modes``, scores in
``redshift_scores``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]

ONE_SIGMA = 0.6827
"""Probability within 1 sigma of a Gaussian."""

GRID = np.linspace(np.log1p(-0.1), np.log1p(8.0), 921)
"""Edges in ln(1 + z) for Gaussian answers: steps of 0.0025, well below their errors."""


@dataclass(frozen=True, kw_only=True)
class RedshiftPdf:
    """p(z) of some sources.

    edges: of the steps in ln(1 + z), increasing, (K + 1,)
    probability: of each step, (N, K); rows add up to 1, or are NaN for a source without answer

    Redshifts come as (N,), NaN for a source without answer.
    """

    edges: Floats
    probability: NDArray[np.floating[Any]]

    def __post_init__(self) -> None:
        assert self.edges.ndim == 1 and np.all(np.diff(self.edges) > 0)
        assert self.probability.ndim == 2
        assert self.probability.shape[1] == len(self.edges) - 1
        total = self.probability.sum(axis=1, dtype=np.float64)
        assert np.all(np.isnan(total) | (np.abs(total - 1) < 1e-3)), "rows must add up to 1"
        assert not np.any(self.probability < 0), "a probability is negative"

    def __len__(self) -> int:
        return len(self.probability)

    def __getitem__(self, rows: NDArray[Any] | slice) -> RedshiftPdf:
        """The same of some rows."""
        return RedshiftPdf(edges=self.edges, probability=self.probability[rows])

    @cached_property
    def widths(self) -> Floats:
        """Of the steps in ln(1 + z), (K,)."""
        return np.diff(self.edges)

    @cached_property
    def centres(self) -> Floats:
        """Of the steps in ln(1 + z), (K,)."""
        return np.asarray(0.5 * (self.edges[1:] + self.edges[:-1]))

    @property
    def known(self) -> NDArray[np.bool_]:
        """Sources that have an answer, (N,)."""
        return np.asarray(np.isfinite(self.probability[:, 0]))

    @cached_property
    def cumulative(self) -> Floats:
        """Probability below each edge, 0 at the first and 1 at the last, (N, K + 1)."""
        found = np.zeros((len(self), len(self.edges)))
        np.cumsum(self.probability, axis=1, dtype=np.float64, out=found[:, 1:])
        found /= found[:, -1:].copy()
        return found

    @cached_property
    def _lifted(self) -> Floats:
        """The cumulative distributions as one rising array, 2 from row to row."""
        lifted = self.cumulative + 2 * np.arange(len(self))[:, None]
        unknown = ~self.known
        lifted[unknown] = 2 * np.flatnonzero(unknown)[:, None]
        return np.asarray(lifted.ravel())

    def cdf(self, z: Floats) -> Floats:
        """Probability that each source lies below its ``z``, (N,)."""
        return self._below(_log1p(z))

    def quantile(self, share: float | Floats) -> Floats:
        """Redshift below which a source lies with probability ``share``, (N,); (S, N) of (S, 1)."""
        share, rows = np.broadcast_arrays(share, np.arange(len(self)))
        num_edges = len(self.edges)
        # One search for all rows: each is lifted above the last.
        below = np.searchsorted(self._lifted, share + 2 * rows) - num_edges * rows
        step = np.clip(below - 1, 0, num_edges - 2)
        low, high = (self._at(step + up) for up in (0, 1))
        with np.errstate(invalid="ignore", divide="ignore"):
            inside = np.where(high > low, (share - low) / (high - low), 0.0)
        found = np.expm1(self.edges[step] + inside * self.widths[step])
        return np.where(self.known, found, np.nan)

    def median(self) -> Floats:
        """Redshift with as much probability below as above, (N,)."""
        return self.quantile(0.5)

    def mean(self) -> Floats:
        """Expected redshift, (N,)."""
        of_step = np.diff(np.exp(self.edges)) / self.widths - 1
        return np.asarray((self.probability * of_step).sum(axis=1))  # a row sees no others

    def interval(self, level: float) -> tuple[Floats, Floats]:
        """Lowest and highest redshift of the equal-tailed interval of that probability."""
        return self.quantile(0.5 - level / 2), self.quantile(0.5 + level / 2)

    def spread_about(self, z: Floats, level: float = ONE_SIGMA) -> Floats:
        """Half-width in z of the interval, symmetric in ln(1 + z), that holds ``level``, (N,).

        Of a Gaussian about its centre that is 1 sigma; a second mode makes it wide.
        """
        centre = _log1p(z)
        low = np.zeros(len(self))
        high = np.full(len(self), self.edges[-1] - self.edges[0])
        for _ in range(24):  # halving: to 1e-7 of the range
            half = 0.5 * (low + high)
            above, below = self._below(np.stack([centre + half, centre - half]))
            is_more = above - below < level
            low, high = np.where(is_more, half, low), np.where(is_more, high, half)
        return np.where(self.known, high * (1 + z), np.nan)

    def step_of(self, z: Floats) -> NDArray[np.intp]:
        """Number of the step that holds each ``z``; the nearest where it lies beyond, (N,)."""
        step = np.searchsorted(self.edges, _log1p(z), side="right") - 1
        return np.clip(step, 0, len(self.edges) - 2)

    def _below(self, log_z: Floats) -> Floats:
        """Probability below each ln(1 + z), (..., N)."""
        step = np.searchsorted(self.edges, log_z, side="right") - 1
        step = np.clip(step, 0, len(self.edges) - 2)
        inside = np.clip((log_z - self.edges[step]) / self.widths[step], 0, 1)
        low, high = (self._at(step + up) for up in (0, 1))
        return np.asarray(low + inside * (high - low))

    def _at(self, edge: NDArray[np.intp]) -> Floats:
        """Probability below the edge of that number of each source, (..., N)."""
        place = edge + len(self.edges) * np.arange(len(self))
        return np.asarray(self.cumulative.ravel()[place])


def gaussian(z: Floats, sigma: Floats, edges: Floats = GRID) -> RedshiftPdf:
    """p(z) of sources whose redshift is answered by a Gaussian, within the edges.

    z, sigma: mean and 1 sigma in z, (N,), NaN for a source without answer
    A mean so far beyond the edges that nothing is left within is put into the nearest step.
    """
    with np.errstate(invalid="ignore"):
        below = ndtr((np.expm1(edges) - z[:, None]) / sigma[:, None])
        probability = np.diff(below, axis=1)
        total = probability.sum(axis=1, keepdims=True)
        lost = total[:, 0] < 1e-9
    probability[lost] = 0.0
    probability[lost, np.where(z[lost] > np.expm1(edges[0]), -1, 0)] = 1.0
    total[lost] = 1.0
    return RedshiftPdf(edges=edges, probability=probability / total)


def _log1p(z: Floats) -> Floats:
    """ln(1 + z); redshifts at and below -1 lie below every edge."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.log1p(np.maximum(z, -1 + 1e-12)), dtype=np.float64)
