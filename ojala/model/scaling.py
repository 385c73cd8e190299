"""The invertible step between physical values and the numbers that the network sees.

    scaled = (transform(value) - median) / sigma,    sigma = 1.4826 x median |transform - median|

The transform is the quantity's own (``data/quantities.ecsv``): linear, or asinh(value / 1 Angstrom)
for equivalent widths, whose tail of a factor 1000 a linear scale would saturate. Codes of
categorical tokens pass unchanged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ojala.tables.shards import CATEGORICAL
from ojala.vocabulary.quantities import quantities, vocabulary

Array = NDArray[np.floating[Any]]

SOFTENING = 1.0
"""Scale of the asinh transform, Angstrom: linear below, logarithmic above."""

MAD_TO_SIGMA = 1.4826
"""Standard deviation of a Gaussian over its median absolute deviation, of which Eq. 8 keeps three
digits: scales divide by this one, scores are ``ojala.measures.metrics.sigma_nmad``."""

TRANSFORMS = ("linear", "asinh")


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """Medians and widths of all tokens, in the order of the vocabulary.

    median, sigma: of the transformed values, shape (num_tokens,); 0 and 1 for categorical tokens
    transforms: "linear" or "asinh", one per token

    Raises ValueError naming the token that cannot be scaled.
    """

    median: NDArray[np.float64]
    sigma: NDArray[np.float64]
    transforms: tuple[str, ...]

    def __post_init__(self) -> None:
        tokens = vocabulary()
        assert self.median.shape == self.sigma.shape == (len(tokens),) == (len(self.transforms),)
        for token, median, sigma, transform in zip(
            tokens, self.median, self.sigma, self.transforms, strict=True
        ):
            if transform not in TRANSFORMS:
                raise ValueError(f"{token}: transform {transform!r} is neither linear nor asinh")
            if not (np.isfinite(median) and np.isfinite(sigma) and sigma > 0):
                raise ValueError(f"{token}: cannot scale with median {median}, sigma {sigma}")

    def scale(self, token: str, value: Array, value_err: Array) -> tuple[Array, Array]:
        """Physical value and 1 sigma as the network sees them, any shape."""
        index = vocabulary().index(token)
        curved, slope = _transform(value, self.transforms[index])
        sigma = self.sigma[index]
        return (curved - self.median[index]) / sigma, value_err * slope / sigma

    def unscale(self, token: str, mean: Array, mean_err: Array) -> tuple[Array, Array]:
        """Physical value and 1 sigma (to first order) of the network's mean and error.

        mean, mean_err, and the answers: any shape
        """
        index = vocabulary().index(token)
        curved = mean * self.sigma[index] + self.median[index]
        curved_err = mean_err * self.sigma[index]
        if self.transforms[index] == "linear":
            return curved, curved_err
        # Beyond +-20, EW of 1e8 Angstrom, only an untrained network goes: keep it finite.
        value = SOFTENING * np.sinh(np.clip(curved, -20, 20))
        return value, curved_err * np.hypot(SOFTENING, value)

    def write(self, path: str | Path) -> None:
        """Write as JSON, one entry per token."""
        entries = zip(vocabulary(), self.median, self.sigma, self.transforms, strict=True)
        content = {
            token: {"median": float(median), "sigma": float(sigma), "transform": transform}
            for token, median, sigma, transform in entries
        }
        Path(path).write_text(json.dumps(content, indent=1) + "\n")

    @classmethod
    def read(cls, path: str | Path) -> Scaling:
        """Read what ``write`` wrote. Raises ValueError naming the file and what is wrong."""
        try:
            content = json.loads(Path(path).read_text())
            rows = [content[token] for token in vocabulary()]
            return cls(
                median=np.array([row["median"] for row in rows], dtype=np.float64),
                sigma=np.array([row["sigma"] for row in rows], dtype=np.float64),
                transforms=tuple(row["transform"] for row in rows),
            )
        except (OSError, ValueError) as error:
            raise ValueError(f"{path}: not a readable scaling ({error})") from None
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path}: the scaling lacks {error}") from None


def measured(
    columns: Mapping[str, Array],
    *,
    weight: NDArray[np.float64] | None = None,
    ew_transform: str = "asinh",
    num_rows: int = 200_000,
    seed: int = 0,
) -> Scaling:
    """The scaling of a training table, from at most ``num_rows`` of its rows.

    columns: token -> physical values, NaN where not known; tokens left out get 0 and 1
    weight: sampling weights of the rows (Appendix B), so that medians are those of the batches
    ew_transform: "linear" gives equivalent widths the scale of the released model
    columns, weight: (num_rows,)
    """
    total = len(next(iter(columns.values())))
    rows = np.arange(total)
    if weight is not None or total > num_rows:
        share = None if weight is None else weight / weight.sum()
        rows = np.random.default_rng(seed).choice(total, min(total, num_rows), p=share)
    transforms = _transforms(ew_transform)
    scales = [
        _median_and_sigma(columns, token, transform, rows)
        for token, transform in zip(vocabulary(), transforms, strict=True)
    ]
    median, sigma = np.array(scales, dtype=np.float64).T
    return Scaling(median=median, sigma=sigma, transforms=transforms)


def _transforms(ew_transform: str) -> tuple[str, ...]:
    own = {quantity.token: quantity.transform for quantity in quantities()}
    own.update({token: ew_transform for token in own if own[token] == "asinh"})
    return tuple(own.get(token, "linear") for token in vocabulary())


def _median_and_sigma(
    columns: Mapping[str, Array], token: str, transform: str, rows: NDArray[np.integer[Any]]
) -> tuple[float, float]:
    if token in CATEGORICAL or token not in columns:
        return 0.0, 1.0
    values = np.asarray(columns[token])[rows].astype(np.float64)
    curved, _ = _transform(values[np.isfinite(values)], transform)
    if len(curved) == 0:
        return 0.0, 1.0
    median = float(np.median(curved))
    sigma = MAD_TO_SIGMA * float(np.median(np.abs(curved - median)))
    # More than half the values equal: the deviation is 0, the standard deviation perhaps not.
    return median, sigma or float(np.std(curved)) or 1.0


def _transform(value: Array, transform: str) -> tuple[Array, Array | float]:
    """Transformed value and the slope that its error is multiplied by."""
    if transform == "linear":
        return value, 1.0
    return np.arcsinh(value / SOFTENING), 1 / np.hypot(SOFTENING, value)
