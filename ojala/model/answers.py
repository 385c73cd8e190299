"""From an answer token to a distribution: mean and variance, or probabilities of categories."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ojala.model import redshift
from ojala.vocabulary.quantities import CLASSES, MORPHTYPES, vocabulary

LOG_VARIANCE_RANGE = (-14.0, 10.0)
"""Bounds of the predicted log variance, scaled units: 1 sigma of 0.0009 to 150."""

LATER = (*redshift.LATER, "error_factor_I")
"""Tensors that bundles lack from before answers had them."""


class Answers(NamedTuple):
    """What the network says to each query, in scaled units.

    mean, log_variance: (batch, queries); of redshifts, the variance of dz / (1 + z). It is that of
        the likelihood of the training (``ojala.model.likelihood``)
    spectype, morphtype: logits, (batch, queries, 3) and (batch, queries, 6)
    redshift: logits of steps, (batch, kinds, steps), of the first query for each kind of redshift,
        whose mean then says nothing; None where redshifts are Gaussians
    """

    mean: Tensor
    log_variance: Tensor
    spectype: Tensor
    morphtype: Tensor
    redshift: Tensor | None = None


class OutputHeads(nn.Module):
    """Hidden layers shared by all queries, then one linear head per kind of answer.

    error_factor_I: by token id, what the square root of the variance is multiplied by for 1 sigma:
        1 until held-out sources have shown another (``ojala.training.error_factor``)
    """

    def __init__(self, width: int, output_widths: tuple[int, ...], redshift_steps: int = 0) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for output_width in output_widths:
            layers += [nn.Linear(width, output_width), nn.GELU()]
            width = output_width
        self.hidden = nn.Sequential(*layers)
        self.mean = nn.Linear(width, 1)
        self.log_variance = nn.Linear(width, 1)
        self.spectype = nn.Linear(width, len(CLASSES))
        self.morphtype = nn.Linear(width, len(MORPHTYPES))
        self.error_factor_I: Tensor
        self.register_buffer("error_factor_I", torch.ones(len(vocabulary()) + 1))
        self.redshift = redshift.RedshiftHead(width, redshift_steps) if redshift_steps else None

    def forward(self, answers_BQD: Tensor, query_ids_BQ: Tensor) -> Answers:
        """Answers of each query; float32 whatever the precision before.

        A mean in bfloat16 would round redshifts to 0.002.

        answers_BQD: (num_sources, num_queries, width)
        """
        hidden = self.hidden(answers_BQD)
        with torch.autocast(hidden.device.type, enabled=False):
            hidden = hidden.float()
            return Answers(
                mean=self.mean(hidden).squeeze(-1),
                log_variance=self.log_variance(hidden).squeeze(-1).clamp(*LOG_VARIANCE_RANGE),
                spectype=self.spectype(hidden),
                morphtype=self.morphtype(hidden),
                redshift=None if self.redshift is None else self.redshift(hidden, query_ids_BQ),
            )
