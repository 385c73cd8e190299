"""Drift: whether sources come from where those of a reference came from.

    MMD^2 = |mean_i phi(x_i) - sum_j w_j phi(y_j)|^2,   phi(x) phi(y) = exp(-|x - y|^2 / (2 s^2))
    PSI   = sum_b (a_b - e_b) ln(a_b / e_b)

x are embeddings of n sources in a window, y those of m sources of the reference with weights w that
sum to one; a_b and e_b are the shares of a band's values in the bins of the reference's deciles, in
the window and in the reference. phi is made of random Fourier features (Rahimi and Recht 2007), so
that what a window holds is a sum. Each has a limit that a stated share of windows exceeds where
nothing has drifted: with t = 1/n + 1/m, m = 1 / sum w^2,

    MMD^2 / t ~ sum_k lambda_k chi^2_1,   lambda the eigenvalues of the covariance of phi
    PSI / t   ~ chi^2_(bins - 1)

so that they hold for sources that are drawn one by one, and not for a window of a single cluster.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

Floats = NDArray[np.float64]

FREQUENCIES = 256
"""Random frequencies of phi, each a cosine and a sine."""

NUM_BINS = 10
LEAST_SOURCES = 400
"""Sources with an embedding that make a reference, and those with a value of a band: a few tens
to each bin."""

FALSE_ALARMS = 1e-3
"""Share of windows that exceed a limit though nothing has drifted, all limits taken together."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What sources are compared with.

    centre, spread: of the embeddings, (width,); frequencies: (width, FREQUENCIES)
    features: weighted mean of phi, (2 * FREQUENCIES,); cumulants: the first three of MMD^2 / t
    edges: inner edges of the bins of each band, (num_bands, NUM_BINS - 1), NaN where the reference
        has too few values; shares: of each bin, (num_bands, NUM_BINS)
    size: sources of equal weight that the reference is worth, of embeddings; band_sizes: of bands
    """

    centre: Floats
    spread: Floats
    frequencies: Floats
    features: Floats
    cumulants: tuple[float, float, float]
    edges: Floats
    shares: Floats
    size: float
    band_sizes: Floats

    def phi(self, embeddings: NDArray[Any]) -> Floats:
        """Features of embeddings, (num_sources, width): (num_sources, 2 * FREQUENCIES)."""
        return _phi((embeddings - self.centre) / self.spread, self.frequencies)

    def counts(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Observed values of bands, (num_sources, num_bands), by bin: (num_bands, NUM_BINS)."""
        rows, bands = np.nonzero(np.isfinite(values) & np.isfinite(self.edges[:, 0]))
        places = (values[rows, bands, None] > self.edges[bands]).sum(axis=1)
        found = np.bincount(bands * NUM_BINS + places, minlength=self.shares.size)
        return found.reshape(self.shares.shape)

    def discrepancy(self, features: Floats, num_sources: int) -> tuple[float, float]:
        """MMD^2 of a window over its limit's unit t, from the sum of its phi, (2 * FREQUENCIES,).

        Returns MMD^2 and t.
        """
        away = features / num_sources - self.features
        return float(away @ away), 1 / num_sources + 1 / self.size

    def discrepancy_limit(self, share: float) -> float:
        """MMD^2 / t that a share of windows exceeds: the chi^2 of the same three cumulants."""
        mean, variance, third = self.cumulants
        freedom = 8 * variance**3 / third**2
        standard = (chi2.isf(share, freedom) - freedom) / np.sqrt(2 * freedom)
        return float(mean + np.sqrt(variance) * standard)

    def stability(self, counts: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """PSI of each band from the counts of a window, (num_bands, NUM_BINS), and its t.

        Both (num_bands,), NaN where the reference or the window has too few values.
        """
        total = counts.sum(axis=1, keepdims=True)
        found = (counts + 0.5) / (total + 0.5 * NUM_BINS)  # no bin is empty
        with np.errstate(invalid="ignore"):
            index = ((found - self.shares) * np.log(found / self.shares)).sum(axis=1)
            unit = 1 / np.maximum(total[:, 0], 1) + 1 / self.band_sizes
        index[total[:, 0] < LEAST_SOURCES] = np.nan
        return index, unit


def measured(
    embeddings: NDArray[Any], values: NDArray[Any], weights: NDArray[Any] | None = None
) -> Reference:
    """The reference of some sources; those whose embedding is NaN are left out.

    embeddings: (num_sources, width); values: of the bands, (num_sources, num_bands), NaN where not
    observed; weights: (num_sources,), by default all alike
    Raises ValueError for too few sources, and weights that are negative.
    """
    given = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    if not (np.isfinite(given).all() and (given >= 0).all()):
        raise ValueError("weights are not all numbers of 0 or more")
    known = np.isfinite(embeddings).all(axis=1) & (given > 0)
    points, weight = embeddings[known].astype(np.float64), given[known] / given[known].sum()
    size = 1 / float((weight**2).sum()) if known.any() else 0.0
    if size < LEAST_SOURCES:
        raise ValueError(
            f"the reference is worth {size:.0f} sources with an embedding, "
            f"expected {LEAST_SOURCES} or more"
        )
    centre = weight @ points
    spread = np.sqrt(weight @ (points - centre) ** 2)
    spread[spread < 1e-9 * spread.max()] = np.inf  # a direction that does not vary tells nothing
    scaled = (points - centre) / spread
    frequencies = _frequencies(scaled)
    phi = _phi(scaled, frequencies)
    features = weight @ phi
    away = (phi - features) * np.sqrt(weight)[:, None]
    eigenvalues = np.linalg.svd(away, compute_uv=False) ** 2 / (1 - 1 / size)
    edges, shares, band_sizes = _bins(values[known].astype(np.float64), weight)
    return Reference(
        centre=centre,
        spread=spread,
        frequencies=frequencies,
        features=features,
        cumulants=(
            float(eigenvalues.sum()),
            float(2 * (eigenvalues**2).sum()),
            float(8 * (eigenvalues**3).sum()),
        ),
        edges=edges,
        shares=shares,
        size=size,
        band_sizes=band_sizes,
    )


def _frequencies(scaled: Floats) -> Floats:
    """Frequencies of a Gaussian kernel as wide as the median distance, the same each time."""
    rng = np.random.default_rng(0)
    one, other = (scaled[rng.integers(0, len(scaled), 2000)] for _ in range(2))
    distance = np.linalg.norm(one - other, axis=1)
    width = float(np.median(distance[distance > 0])) if distance.any() else 1.0
    return np.asarray(rng.standard_normal((scaled.shape[1], FREQUENCIES)) / width)


def _phi(scaled: Floats, frequencies: Floats) -> Floats:
    phase = scaled @ frequencies
    return np.asarray(np.hstack([np.cos(phase), np.sin(phase)]) / np.sqrt(phase.shape[1]))


def _bins(values: Floats, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """Weighted deciles of each band, shares between them, and sources that each is worth."""
    num_bands = values.shape[1]
    edges = np.full((num_bands, NUM_BINS - 1), np.nan)
    shares = np.full((num_bands, NUM_BINS), np.nan)
    sizes = np.full(num_bands, np.nan)
    levels = np.arange(1, NUM_BINS) / NUM_BINS
    for band in range(num_bands):
        seen = np.isfinite(values[:, band])
        if not seen.any():
            continue
        share = weight[seen] / weight[seen].sum()
        size = 1 / (share**2).sum()
        if size < LEAST_SOURCES:
            continue
        value = values[seen, band]
        order = np.argsort(value)
        cut = np.interp(levels, np.cumsum(share[order]), value[order])
        found = np.bincount(np.searchsorted(cut, value), weights=share, minlength=NUM_BINS)
        if (found > 0).all():  # else the band has a few values alone
            edges[band], shares[band], sizes[band] = cut, found, size
    return edges, shares, sizes


class Window:
    """The last sources that were seen, as sums over blocks of them.

    reference: what they are compared with; size: sources that a full window holds
    false_alarms: share of windows that exceed any limit though nothing has drifted
    """

    BLOCKS = 20

    def __init__(
        self, reference: Reference, size: int, *, false_alarms: float = FALSE_ALARMS
    ) -> None:
        if size < LEAST_SOURCES:
            raise ValueError(f"a window of {size} sources, expected {LEAST_SOURCES} or more")
        self.reference, self.size = reference, size
        num_limits = int(np.isfinite(reference.band_sizes).sum()) + 1
        share = false_alarms / num_limits
        self._limit = reference.discrepancy_limit(share)
        self._band_limit = float(chi2.isf(share, NUM_BINS - 1))
        self._blocks: list[_Block] = []

    def add(self, embeddings: NDArray[Any], values: NDArray[Any]) -> None:
        """Take sources in: embeddings (num_sources, width), bands (num_sources, num_bands)."""
        step = self.size // self.BLOCKS
        for start in range(max(0, len(values) - self.size), len(values), step):
            rows = slice(start, start + step)
            block = _Block(
                len(values[rows]),
                self.reference.phi(embeddings[rows]).sum(axis=0),
                self.reference.counts(values[rows]),
            )
            if self._blocks and self._blocks[-1].num_sources + block.num_sources <= step:
                block = self._blocks.pop().with_(block)
            self._blocks.append(block)
        while len(self) - self._blocks[0].num_sources >= self.size:
            self._blocks.pop(0)

    def __len__(self) -> int:
        return sum(block.num_sources for block in self._blocks)

    def told(self) -> Told | None:
        """What the window says; None before it is full."""
        if len(self) < self.size:
            return None
        whole = self._blocks[0]
        for block in self._blocks[1:]:
            whole = whole.with_(block)
        found, unit = self.reference.discrepancy(whole.features, whole.num_sources)
        indices, units = self.reference.stability(whole.counts)
        return Told(
            mmd_squared=found,
            mmd_squared_limit=self._limit * unit,
            stability=indices,
            stability_limit=np.where(np.isfinite(indices), self._band_limit * units, np.nan),
        )


@dataclass(frozen=True)
class _Block:
    """Sums over sources: how many, of phi, and of values by band and bin."""

    num_sources: int
    features: Floats
    counts: NDArray[np.int64]

    def with_(self, other: _Block) -> _Block:
        return _Block(
            self.num_sources + other.num_sources,
            self.features + other.features,
            self.counts + other.counts,
        )


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a full window says, and the limits of it.

    stability: PSI of each band, (num_bands,), NaN where that has too few values
    """

    mmd_squared: float
    mmd_squared_limit: float
    stability: Floats
    stability_limit: Floats

    @property
    def is_drift(self) -> bool:
        """Whether anything is beyond its limit."""
        with np.errstate(invalid="ignore"):
            beyond = bool((self.stability > self.stability_limit).any())
        return beyond or self.mmd_squared > self.mmd_squared_limit
