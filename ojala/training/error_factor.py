"""What an error means: half of the interval that holds 68 % of held-out sources.

The width of a likelihood is that only where its shape is that of the errors: the scale of a
Student-t is not, and a network that has seen its sources many times is too sure of others. So the
errors of each quantity are multiplied by a factor.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ojala.measures.redshift_pdf import ONE_SIGMA
from ojala.model.answers import OutputHeads
from ojala.tables.shards import CATEGORICAL
from ojala.vocabulary.quantities import REDSHIFTS, queries, vocabulary

ENOUGH = 50
"""Labels of a quantity that a factor is taken from; with fewer it stays 1."""

BOUNDS = (0.2, 5.0)
"""Of a factor. Below, labels whose own errors are too large would leave no error at all."""


def least_factor(residual: Tensor, error: Tensor, label_err: Tensor) -> Tensor:
    """Factor f at which a residual is sqrt((f error)^2 + label_err^2), 0 where it is less anyway.

    All of any shape, the same: (num_sources, num_queries) here.
    """
    beyond_label = (residual.square() - label_err.square()).clamp(min=0)
    return beyond_label.sqrt() / error


def set_error_factors(heads: OutputHeads, factor: Tensor) -> None:
    """Give each quantity the factor that 68 % of its labels need at most.

    factor: that each label needs, NaN where there is none, (num_sources, num_queries)
    """
    without = {*CATEGORICAL, *(REDSHIFTS if heads.redshift is not None else ())}
    for token, needed in zip(queries(), factor.unbind(1), strict=True):
        known = needed[torch.isfinite(needed)]
        if token not in without and len(known) >= ENOUGH:
            # numpy: torch.quantile refuses more than 16 million values.
            found = np.quantile(known.cpu().numpy(), ONE_SIGMA)
            heads.error_factor_I[vocabulary().index(token) + 1] = float(np.clip(found, *BOUNDS))
