"""The context: the tokens that an encoder is shown of each source."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Context:
    """The tokens that an encoder is shown, on the training device.

    ids, values: (num_sources, num_tokens), scaled values, codes of categorical tokens
    padding: same shape, True = no token; None where there is no padding at all
    """

    ids: Tensor
    values: Tensor
    padding: Tensor | None

    def __len__(self) -> int:
        return len(self.ids)


def full_context(values: Tensor, allowed: Tensor) -> Context:
    """All tokens that are there and allowed, in the vocabulary's order.

    values: (num_sources, num_tokens), NaN where missing; allowed: (num_tokens,), bool
    """
    present = torch.isfinite(values) & allowed
    counts = present.sum(dim=1)
    most, fewest = int(counts.max()), int(counts.min())
    index = torch.argsort((~present).byte(), dim=1, stable=True)[:, :most]
    taken = present.gather(1, index)
    return chosen(values, index, taken, full=fewest == most)


def chosen(values: Tensor, index: Tensor, taken: Tensor, *, full: bool) -> Context:
    """The tokens at ``index`` of each source, (num_sources, num_tokens), where ``taken``.

    values: (num_sources, num_tokens); index, taken: (num_sources, num_tokens); full: all are taken
    """
    return Context(
        ids=torch.where(taken, index + 1, 0),
        values=torch.where(taken, values.gather(1, index), 0.0),
        padding=None if full else ~taken,
    )
