"""What a distribution over steps of ln(1 + z) costs: its cross-entropy with the label's own.

A label is spread over the steps by its error and by a share of a step's width, so that the steps
beside the true one are not as wrong as those far off (Imani & White 2018).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ojala.model.redshift import asked

SMOOTHING = 0.75
"""Standard deviation, in steps, that a label without error is spread by."""


@dataclass(frozen=True, kw_only=True)
class AskedRedshifts:
    """Labels of the redshifts that a batch asks for, (batch, kinds).

    log_z, sigma: ln(1 + z) and its 1 sigma; position: of the query; is_asked: bool, where not the
    others mean nothing
    """

    log_z: Tensor
    sigma: Tensor
    position: Tensor
    is_asked: Tensor


def asked_redshifts(query_ids: Tensor, stretch: Tensor, error: Tensor) -> AskedRedshifts:
    """The labels of the first query for each kind.

    stretch: 1 + z; error: 1 sigma of dz / (1 + z); both (batch, queries)
    """
    position, is_asked = asked(query_ids)
    return AskedRedshifts(
        log_z=stretch.log().gather(1, position),
        sigma=error.gather(1, position),
        position=position,
        is_asked=is_asked,
    )


def cross_entropy(
    logits: Tensor, edges: Tensor, label: AskedRedshifts, smoothing: float = SMOOTHING
) -> Tensor:
    """Of each kind, (batch, kinds), 0 where it is not asked for.

    logits: (batch, kinds, steps); edges: (kinds, steps + 1)
    """
    share = soft_targets(edges, label.log_z, label.sigma, smoothing)
    cost = -(share * logits.log_softmax(dim=-1)).sum(dim=-1)
    return torch.where(label.is_asked, cost, 0.0)


def soft_targets(edges: Tensor, log_z: Tensor, sigma: Tensor, smoothing: float) -> Tensor:
    """Share of each step in a Gaussian about ln(1 + z), (batch, kinds, steps).

    A redshift beyond the steps belongs to the nearest one.
    """
    width = smoothing * (edges[:, 1] - edges[:, 0])
    spread = torch.hypot(width.expand_as(sigma), sigma).unsqueeze(-1) * math.sqrt(2)
    inside = torch.minimum(torch.maximum(log_z, edges[:, 0]), edges[:, -1]).unsqueeze(-1)
    below = 0.5 * (1 + torch.erf((edges - inside) / spread))
    share = below.diff(dim=-1)
    return share / share.sum(dim=-1, keepdim=True)
