"""The training table on the training device: no data loader stands between it and the network.

Every token of every source is held scaled, NaN where missing, with its scaled 1 sigma. In float16
a source takes 304 bytes: the 20 M sources of the paper take 6 GB of an accelerator's memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from torch import Tensor

from ojala.model.scaling import Scaling, measured
from ojala.tables.shards import CATEGORICAL, CLEAN_SUFFIX, PERTURBED, column
from ojala.vocabulary.quantities import NO_CODE, observations, queries, vocabulary

IS_LABEL = np.array([token in set(queries()) for token in vocabulary()])
"""Tokens that are asked for, not observed: physical quantities, redshift, class, (num_tokens,)."""

IS_LABEL_ID = np.pad(IS_LABEL, (1, 0))
"""The same by token id; padding, id 0, is none."""


@cache
def is_label_on(device: torch.device) -> Tensor:
    """IS_LABEL on a device, (num_tokens,)."""
    return torch.from_numpy(IS_LABEL).to(device)


IS_BAND = np.array([token not in {*queries(), *CATEGORICAL} for token in vocabulary()])
"""Tokens that carry noise when observed, (num_tokens,)."""

Array = NDArray[np.floating[Any]]

FLOAT16_LIMIT = 60_000.0
ROWS_PER_BLOCK = 1_000_000


@dataclass(frozen=True, kw_only=True)
class ResidentTable:
    """A table of sources on one device.

    values: scaled, NaN where missing, (num_sources, num_tokens)
    errors: scaled 1 sigma, 0 where unknown, as values
    cumulative: running sum of the sampling weights, float64, (num_sources,)
    frequency: share of draws that hold each token, (num_tokens,)
    observed_range: fewest and most observed tokens (no labels) of a source
    most_labels: labels that a source has, at most
    scaling: what the values were scaled with
    clean: scaled values before noise was added, NaN where the same, or None
    """

    values: Tensor
    errors: Tensor
    cumulative: Tensor
    frequency: Tensor
    observed_range: tuple[int, int]
    scaling: Scaling
    most_labels: int = len(queries())
    clean: Tensor | None = None

    def __len__(self) -> int:
        return len(self.values)

    @property
    def device(self) -> torch.device:
        """Where the table is."""
        return self.values.device

    def draw(self, num_rows: int, generator: torch.Generator) -> Tensor:
        """Rows with replacement, each with the probability of its weight (Appendix B)."""
        # torch.multinomial refuses more than 2^24 rows.
        uniform = torch.rand(num_rows, dtype=torch.float64, device=self.device, generator=generator)
        rows = torch.searchsorted(self.cumulative, uniform * self.cumulative[-1], right=True)
        return rows.clamp(max=len(self) - 1)


def resident(
    table: pa.Table,
    scaling: Scaling,
    *,
    labelled: bool,
    split: str | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    sampling: str = "weights",
    with_clean: bool = False,
) -> ResidentTable:
    """A training table (``labelled``) or a J-PAS table as a resident one.

    split: keep the rows of this split alone; dtype: float32, or float16 for large tables.
    sampling: "weights" follows the column ``weight`` where there is one, else every row is alike;
        "uniform" draws the sources of a class alike, and each class as often as its weights do
    with_clean: hold the noiseless values as well, where the table has them
    Raises ValueError for a missing column, an empty table, a bad weight or a row without context.
    """
    table = rows_of_split(table, split)
    tokens = vocabulary() if labelled else observations()
    values = torch.full((table.num_rows, len(vocabulary())), torch.nan, dtype=dtype)
    errors = torch.zeros_like(values)
    for token in tokens:
        index = vocabulary().index(token)
        value, value_err = _scaled(table, token, scaling)
        values[:, index] = _narrowed(value, dtype)
        errors[:, index] = _narrowed(value_err, dtype)
    weight = _weight(table) if sampling == "weights" else _uniform(table)
    return ResidentTable(
        clean=_clean(table, scaling, dtype).to(device) if with_clean else None,
        most_labels=int(torch.isfinite(values)[:, torch.from_numpy(IS_LABEL)].sum(dim=1).max()),
        values=values.to(device),
        errors=errors.to(device),
        cumulative=torch.from_numpy(np.cumsum(weight)).to(device),
        frequency=_frequency(values, weight).to(device),
        observed_range=_observed_range(values),
        scaling=scaling,
    )


def _clean(table: pa.Table, scaling: Scaling, dtype: torch.dtype) -> Tensor:
    """Scaled values without noise, (num_sources, num_tokens)."""
    clean = torch.full((table.num_rows, len(vocabulary())), torch.nan, dtype=dtype)
    for token in PERTURBED:
        _required(table, f"{token}{CLEAN_SUFFIX}")
        values = column(table, f"{token}{CLEAN_SUFFIX}").astype(np.float64)
        scaled, _ = scaling.scale(token, values, np.zeros_like(values))
        clean[:, vocabulary().index(token)] = _narrowed(scaled, dtype)
    return clean


def measured_scaling(table: pa.Table, *, ew_transform: str = "asinh", seed: int = 0) -> Scaling:
    """The scaling of the training rows of a table, at its sampling weights."""
    if "split" in table.column_names:
        table = rows_of_split(table, "train")
    tokens = [token for token in vocabulary() if token in table.column_names]
    columns = {token: column(table, token) for token in tokens}
    return measured(columns, weight=_weight(table), ew_transform=ew_transform, seed=seed)


def rows_of_split(table: pa.Table, split: str | None) -> pa.Table:
    """The rows of one split. Raises ValueError where there are none."""
    if split is not None:
        table = table.filter(pc.equal(_required(table, "split"), split))
    if table.num_rows == 0:
        raise ValueError(f"the table has no rows{f' of split {split!r}' if split else ''}")
    return table


def observed_values(values: Array, errors: Array | None) -> Array:
    """Values of a band, NaN where not finite or where an error is given that is not positive.

    values, errors, and the answer: (num_sources,)
    """
    usable = np.isfinite(values)
    if errors is not None:
        usable &= np.isfinite(errors) & (errors > 0)
    return np.where(usable, values, np.nan)


def _required(table: pa.Table, name: str) -> pa.ChunkedArray:
    if name not in table.column_names:
        raise ValueError(f"the table lacks column {name}")
    return table.column(name)


def _scaled(table: pa.Table, token: str, scaling: Scaling) -> tuple[Array, Array]:
    """Scaled values and errors of one token; a label without an error is taken as exact."""
    _required(table, token)
    if token in CATEGORICAL:
        codes = column(table, token)
        return np.where(codes == NO_CODE, np.nan, codes), np.zeros(len(codes))
    _required(table, f"{token}_ERR")
    values: Array = column(table, token).astype(np.float64)
    errors = column(table, f"{token}_ERR").astype(np.float64)
    if IS_BAND[vocabulary().index(token)]:
        values = observed_values(values, errors)
    scaled, scaled_err = scaling.scale(token, values, errors)
    return scaled, np.where(np.isfinite(scaled_err) & (scaled_err > 0), scaled_err, 0.0)


def _narrowed(values: Array, dtype: torch.dtype) -> Tensor:
    limit = FLOAT16_LIMIT if dtype == torch.float16 else np.inf
    return torch.from_numpy(np.clip(values, -limit, limit)).to(dtype)


def _weight(table: pa.Table) -> NDArray[np.float64]:
    if "weight" not in table.column_names:
        return np.ones(table.num_rows)
    weight = column(table, "weight").astype(np.float64)
    wrong = ~(np.isfinite(weight) & (weight >= 0))
    if np.any(wrong):
        row = int(np.argmax(wrong))
        raise ValueError(
            f"column weight, row {row + 1}: {weight[row]} is not a sampling weight >= 0"
        )
    if weight.sum() <= 0:
        raise ValueError("column weight: every weight is 0, so no source can be drawn")
    return weight


def _uniform(table: pa.Table) -> NDArray[np.float64]:
    """Weights that are alike within a class and leave a class its share."""
    weight = _weight(table)
    codes, result = column(table, "SPECTYPE"), np.zeros(table.num_rows)
    for code in np.unique(codes):
        members = (codes == code) & (weight > 0)
        if members.any():
            result[members] = weight[members].sum() / members.sum()
    return result


def _frequency(values: Tensor, weight: NDArray[np.float64]) -> Tensor:
    """Weighted share of rows that hold each token."""
    share = torch.from_numpy(weight / weight.sum())
    blocks = zip(values.split(ROWS_PER_BLOCK), share.split(ROWS_PER_BLOCK), strict=True)
    sums = [part @ torch.isfinite(block).double() for block, part in blocks]
    frequency: Tensor = torch.stack(sums).sum(dim=0)
    return frequency.float()


def _observed_range(values: Tensor) -> tuple[int, int]:
    counts = torch.isfinite(values[:, torch.from_numpy(~IS_LABEL)]).sum(dim=1)
    fewest = int(counts.argmin())
    if counts[fewest] == 0:
        raise ValueError(f"row {fewest + 1} of the table has no observed token")
    return int(counts[fewest]), int(counts.max())
