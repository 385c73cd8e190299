"""p(z) as a mixture of a few Gaussians in z: what a catalogue of millions can hold.

Fitted by expectation-maximisation to the probabilities of the steps, all sources at once: a step
counts as its centre with its own width. The fit begins at quantiles of p(z) and at its second mode.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from ojala.measures.redshift_modes import modes
from ojala.measures.redshift_pdf import Floats, RedshiftPdf

NUM_GAUSSIANS = 5
ROUNDS = 30
"""Of expectation and maximisation; later ones move p(z) by less than a step."""

KEPT = 0.9995
"""Probability of the likeliest steps, to which the Gaussians are fitted."""

ROWS = 500
"""Sources that are fitted at once: memory."""


@dataclass(frozen=True, kw_only=True)
class Mixtures:
    """p(z) of some sources as sums of Gaussians.

    weight, mean, sigma: in z, (num_sources, num_gaussians) float32, the heaviest first; weights add
        up to 1; NaN for a source without answer
    """

    weight: NDArray[np.float32]
    mean: NDArray[np.float32]
    sigma: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.weight)

    @property
    def bytes_per_source(self) -> int:
        """Bytes that the numbers of a source take."""
        return sum(part.itemsize * part.shape[1] for part in (self.weight, self.mean, self.sigma))

    def steps(self, edges: Floats) -> RedshiftPdf:
        """The same as probabilities of steps in ln(1 + z), (num_steps + 1,) edges.

        What lies beyond the edges is left out.
        """
        found = np.empty((len(self), len(edges) - 1))
        at = np.expm1(edges)
        for rows in _slices(len(self)):
            scaled = (at[:, None] - self.mean[rows, None]) / self.sigma[rows, None]
            below = np.sum(self.weight[rows, None] * ndtr(scaled), axis=2)
            inside = np.diff(below, axis=1)
            found[rows] = inside / inside.sum(axis=1, keepdims=True)
        return RedshiftPdf(edges=edges, probability=found)


def mixtures(pdf: RedshiftPdf, num_gaussians: int = NUM_GAUSSIANS) -> Mixtures:
    """The mixtures that are nearest to p(z), by likelihood."""
    parts = [np.full((len(pdf), num_gaussians), np.nan) for _ in range(3)]
    known = np.flatnonzero(pdf.known)
    share = -np.sort(-pdf.probability[known], axis=1)
    needed = (np.cumsum(share, axis=1) < KEPT * share.sum(axis=1, keepdims=True)).sum(axis=1) + 1
    known = known[np.argsort(needed, kind="stable")]  # sources of a block need as many steps
    needed = np.sort(needed)
    for block in _slices(len(known)):
        rows = known[block]
        found = _fitted(pdf[rows], num_gaussians, int(needed[block].max()))
        for part, of in zip(parts, found, strict=True):
            part[rows] = of
    order = np.argsort(-parts[0], axis=1)
    weight, mean, sigma = (
        np.take_along_axis(part, order, axis=1).astype(np.float32) for part in parts
    )
    return Mixtures(weight=weight, mean=mean, sigma=sigma)


def _fitted(
    pdf: RedshiftPdf, num: int, num_steps: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Weights, means and widths of sources that have answers, each (N, num).

    num_steps: the likeliest steps of each source that are looked at
    """
    num_steps = min(num_steps, pdf.probability.shape[1])
    steps = np.argpartition(-pdf.probability, num_steps - 1, axis=1)[:, :num_steps]
    share = np.take_along_axis(pdf.probability, steps, axis=1).astype(np.float32)
    share /= share.sum(axis=1, keepdims=True)
    z = np.expm1(pdf.centres).astype(np.float32)[steps]
    widths = np.diff(np.expm1(pdf.edges))
    within = (widths**2 / 12).astype(np.float32)[steps]  # a step is no point
    weight, mean, sigma = (part.astype(np.float32) for part in _begun(pdf, num))
    for _ in range(ROUNDS):
        square = (z[:, :, None] - mean[:, None]) ** 2 + within[:, :, None]
        belongs = np.log(weight / sigma)[:, None] - 0.5 * square / sigma[:, None] ** 2
        belongs -= belongs.max(axis=2, keepdims=True)
        np.exp(belongs, out=belongs)
        belongs *= (share / belongs.sum(axis=2))[:, :, None]
        weight = np.maximum(belongs.sum(axis=1), 1e-9)
        mean = np.einsum("nkg,nk->ng", belongs, z) / weight
        square = (z[:, :, None] - mean[:, None]) ** 2 + within[:, :, None]
        spread = np.einsum("nkg,nkg->ng", belongs, square) / weight
        sigma = np.sqrt(np.maximum(spread, within.min()))
    return weight / weight.sum(axis=1, keepdims=True), mean, sigma


def _begun(pdf: RedshiftPdf, num: int) -> tuple[Floats, Floats, Floats]:
    """A first guess: parts of equal probability, one of them at the second mode where there is."""
    levels = (np.arange(num) + 0.5) / num
    mean = np.stack([pdf.quantile(level) for level in levels], axis=1)
    low, high = pdf.interval(0.6827)
    sigma = np.repeat((0.5 * (high - low) / np.sqrt(num))[:, None], num, axis=1)
    weight = np.full(mean.shape, 1 / num)
    found = modes(pdf)
    has_second = np.isfinite(found.second) & (num > 1)
    mean[has_second, -1] = found.second[has_second]
    sigma[has_second, -1] = 0.02 * (1 + found.second[has_second])
    weight[has_second, -1] = np.maximum(found.second_weight[has_second], 0.02)
    floor = np.diff(np.expm1(pdf.edges)).min()
    return weight / weight.sum(axis=1, keepdims=True), mean, np.maximum(sigma, floor)


def _slices(num: int) -> list[slice]:
    return [slice(first, first + ROWS) for first in range(0, num, ROWS)]
