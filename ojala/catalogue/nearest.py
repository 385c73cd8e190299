"""The nearest of many vectors: all of them are looked at, in blocks, so that none is missed.

A product of matrices in float32 finds some more than are asked for; their distances are then
computed plainly, in float64: |a|^2 - 2 a.b + |b|^2 loses the digits of small ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

BLOCK = 65_536
"""Vectors that are looked at together."""

SPARE = 16
"""Candidates beyond those that are asked for: the product may put near equals in another order."""


def nearest(
    vectors: NDArray[np.float32], asked: NDArray[np.float32], num: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rows and Euclidean distances of the ``num`` vectors nearest to each that is asked about.

    vectors: (num_vectors, width); asked: (num_asked, width); all finite
    Returns two of (num_asked, min(num, num_vectors)), the nearest first; of equally near ones the
    first row first.
    """
    num = min(num, len(vectors))
    centre = asked[:1].sum(axis=0)  # differences of what is near it keep their digits
    wanted = torch.from_numpy(asked - centre)
    lengths, rows = [], []
    for first in range(0, len(vectors), BLOCK):
        block = torch.from_numpy(vectors[first : first + BLOCK] - centre)
        squared = (block * block).sum(1) - 2 * wanted @ block.T
        best = squared.topk(min(num + SPARE, len(block)), largest=False)
        lengths.append(best.values)
        rows.append(best.indices + first)
    together = torch.cat(lengths, dim=1)
    kept = together.topk(min(num + SPARE, together.shape[1]), largest=False).indices
    found = torch.cat(rows, dim=1).gather(1, kept).sort(dim=1).values.numpy()
    distance = _distances(vectors, asked, found)
    order = np.argsort(distance, axis=1, kind="stable")[:, :num]
    return np.take_along_axis(found, order, 1), np.take_along_axis(distance, order, 1)


def _distances(vectors: NDArray[Any], asked: NDArray[Any], rows: NDArray[Any]) -> NDArray[Any]:
    """Of each that is asked about, (num_asked, width), from the vectors of its rows."""
    apart = vectors[rows].astype(np.float64) - asked[:, None].astype(np.float64)
    return np.asarray(np.linalg.norm(apart, axis=2))
