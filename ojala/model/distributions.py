"""What is said of a quantity of some sources, as distributions that can be drawn from.

All are continuous and have a number of rows, one for each source. Values and probabilities come as
(num_sources, num_values); the values are scaled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from ojala.measures.redshift_pdf import Floats, RedshiftPdf

Rows = NDArray[np.intp]


class Distribution(Protocol):
    """One distribution for each source."""

    def __getitem__(self, rows: Rows) -> Distribution:
        """The same of some sources."""

    def quantile(self, share: Floats) -> Floats:
        """Values below which the sources lie with probability ``share``."""

    def cdf(self, values: Floats) -> Floats:
        """Probability with which the sources lie below ``values``."""


@dataclass(frozen=True)
class Gaussians:
    """mean, error: of 1 sigma, (num_sources,)."""

    mean: NDArray[np.floating[Any]]
    error: NDArray[np.floating[Any]]

    def __getitem__(self, rows: Rows) -> Gaussians:
        return Gaussians(self.mean[rows], self.error[rows])

    def quantile(self, share: Floats) -> Floats:
        """Values with a share of the probability below."""
        return np.asarray(self.mean[:, None] + self.error[:, None] * ndtri(share))

    def cdf(self, values: Floats) -> Floats:
        """Probability below values."""
        return np.asarray(ndtr((values - self.mean[:, None]) / self.error[:, None]))


@dataclass(frozen=True)
class Categories:
    """Codes from 0 on; a value is a code and, behind its point, the place within the category.

    probability: of each category, (num_sources, num_categories)
    """

    probability: NDArray[np.floating[Any]]

    def __getitem__(self, rows: Rows) -> Categories:
        return Categories(self.probability[rows])

    def quantile(self, share: Floats) -> Floats:
        """Values with a share of the probability below."""
        edges = self._edges()
        code = (share[:, :, None] >= edges[:, None, 1:-1]).sum(axis=2)
        low, high = (np.take_along_axis(edges, code + upper, axis=1) for upper in (0, 1))
        inside = (share - low) / np.maximum(high - low, np.finfo(float).tiny)
        return np.asarray(np.minimum(code + np.clip(inside, 0, 1), np.nextafter(code + 1.0, 0)))

    def cdf(self, values: Floats) -> Floats:
        """Probability below values."""
        edges = self._edges()
        code = np.clip(values.astype(np.intp), 0, self.probability.shape[1] - 1)
        low, high = (np.take_along_axis(edges, code + upper, axis=1) for upper in (0, 1))
        return np.asarray(low + (values - code) * (high - low))

    def _edges(self) -> Floats:
        """Probability below each code, (num_sources, num_categories + 1)."""
        below = np.cumsum(self.probability, axis=1, dtype=np.float64)
        return np.pad(below / below[:, -1:], ((0, 0), (1, 0)))


@dataclass(frozen=True)
class Redshifts:
    """pdf: of the redshifts; scale, unscale: from a redshift to its scaled value and back."""

    pdf: RedshiftPdf
    scale: Callable[[Floats], NDArray[np.floating[Any]]]
    unscale: Callable[[Floats], NDArray[np.floating[Any]]]

    def __getitem__(self, rows: Rows) -> Redshifts:
        return Redshifts(self.pdf[rows], self.scale, self.unscale)

    def quantile(self, share: Floats) -> Floats:
        """Values with a share of the probability below."""
        z = self._each(share).quantile(share.ravel())
        return self.scale(z).astype(np.float64).reshape(share.shape)

    def cdf(self, values: Floats) -> Floats:
        """Probability below values."""
        z = self.unscale(values.ravel()).astype(np.float64)
        return self._each(values).cdf(z).reshape(values.shape)

    def _each(self, of: Floats) -> RedshiftPdf:
        """p(z) of a source for each of its values."""
        return self.pdf[np.repeat(np.arange(len(self.pdf)), of.shape[1])]
