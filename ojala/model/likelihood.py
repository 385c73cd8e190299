"""How sure an answer is, in scaled units: the likelihood of Eq. 2, and the 1 + z of redshifts.

Some sources in a hundred lie far from what their light says: their label is wrong, or a neighbour
is in the aperture. A Gaussian follows them, a Student-t lets them go (Lange et al. 1989), as the
published network was trained. What an error then means is measured on held-out sources
(``ojala.training.error_factor``).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ojala.model.scaling import Scaling
from ojala.vocabulary.quantities import REDSHIFTS, vocabulary


class Stretch(nn.Module):
    """1 + z of redshifts from their scaled values: residuals and errors are divided by it."""

    def __init__(self, scaling: Scaling) -> None:
        super().__init__()
        self.redshift_scale: Tensor
        self.register_buffer("redshift_scale", redshift_scale(scaling), persistent=False)

    def forward(self, query_ids: Tensor, values: Tensor) -> Tensor:
        """1 + z of redshifts, from their scaled values, and 1 for all else.

        query_ids, values, and the answer: (num_sources, num_queries)
        """
        slope, offset = F.embedding(query_ids, self.redshift_scale).unbind(-1)
        # A redshift below -0.9 is a network's first guess, not a source.
        return (1 + slope * values + offset).clamp(min=0.1)

    def slope(self, query_ids: Tensor) -> Tensor:
        """Redshift of one scaled unit, 0 of all else, (num_sources, num_queries)."""
        return F.embedding(query_ids, self.redshift_scale)[..., 0]


def redshift_scale(scaling: Scaling) -> Tensor:
    """Sigma and median of redshift tokens by token id, 0 and 0 for all others, (num_ids, 2)."""
    scale = np.zeros((len(vocabulary()) + 1, 2), dtype=np.float32)
    for token in REDSHIFTS:
        index = vocabulary().index(token)
        scale[index + 1] = scaling.sigma[index], scaling.median[index]
    return torch.from_numpy(scale)


def gaussian_nll(residual: Tensor, label_err: Tensor, log_variance: Tensor) -> Tensor:
    """Negative log-likelihood of Eq. 2, without its constant 1/2 ln 2 pi.

    All of any shape, the same: (num_sources, num_queries) here.
    """
    variance = log_variance.exp() + label_err.square()
    return 0.5 * (residual.square() / variance + variance.log())


def student_nll(
    residual: Tensor, label_err: Tensor, log_variance: Tensor, degrees_of_freedom: int
) -> Tensor:
    """The same of a Student-t whose squared scale is that variance; of 0 degrees, a Gaussian.

    Without 1/2 ln 2 pi as well, so that both can be compared.

    residual, label_err, log_variance: of any shape, the same: (num_sources, num_queries) here
    """
    if not degrees_of_freedom:
        return gaussian_nll(residual, label_err, log_variance)
    half = degrees_of_freedom / 2
    constant = math.lgamma(half) - math.lgamma(half + 0.5) + 0.5 * math.log(half)
    variance = log_variance.exp() + label_err.square()
    wings = (half + 0.5) * torch.log1p(residual.square() / (2 * half * variance))
    return wings + 0.5 * variance.log() + constant
