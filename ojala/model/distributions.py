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
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from ojala.measures.redshift_pdf import Floats, RedshiftPdf
from ojala.model.likelihood import one_sigma

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
class Students:
    """Student-t, or Gaussians where there are no degrees of freedom.

    mean, error: half of the central 68 %, (num_sources,)
    """

    mean: NDArray[np.floating[Any]]
    error: NDArray[np.floating[Any]]
    degrees_of_freedom: int = 0

    def __getitem__(self, rows: Rows) -> Students:
        return Students(self.mean[rows], self.error[rows], self.degrees_of_freedom)

    def quantile(self, share: Floats) -> Floats:
        """Values with a share of the probability below."""
        degrees = self.degrees_of_freedom
        deviate = stdtrit(degrees, share) if degrees else ndtri(share)
        return np.asarray(self.mean[:, None] + self._scale() * deviate)

    def cdf(self, values: Floats) -> Floats:
        """Probability below values."""
        degrees = self.degrees_of_freedom
        deviate = (values - self.mean[:, None]) / self._scale()
        return np.asarray(stdtr(degrees, deviate) if degrees else ndtr(deviate))

    def _scale(self) -> NDArray[np.floating[Any]]:
        """Of the distribution, (num_sources, 1)."""
        return self.error[:, None] / one_sigma(self.degrees_of_freedom)


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
