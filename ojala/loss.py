"""The training objective: Eq. 2 for regression, cross-entropies, and domain adaptation.

    L = L_reg + L_cls + L_morph + L_DA                             (Eqs. 1, 3 and 12)
    L_reg = mean of 1/2 [(y - mean)^2 / var + ln var],   var = var_predicted + label_err^2

in scaled units. Each term is a mean over its own targets; none is weighted (1:1:1). For redshifts
residual and label error are divided by 1 + z_true, and the predicted variance is that of the
divided residual. (Dividing it as well would cancel out of the gradient.)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from ojala.adaptation import AdaptationConfig, Reweighter, adaptation_terms, gathered
from ojala.batch import Batch, Context
from ojala.model.heads import Answers
from ojala.model.ojala import Ojala, pooled
from ojala.quantities import vocabulary
from ojala.scaling import Scaling

SPECTYPE_ID = vocabulary().index("SPECTYPE") + 1
MORPHTYPE_ID = vocabulary().index("MORPHTYPE") + 1
REDSHIFTS = ("Z_GAL", "Z_QSO")


class Supervised(NamedTuple):
    """Loss of each target, (batch, queries), and which of the three terms it belongs to."""

    regression: Tensor
    spectype: Tensor
    morphtype: Tensor
    is_regression: Tensor
    is_spectype: Tensor
    is_morphtype: Tensor


class Likelihood(nn.Module):
    """What each answer costs, given the true value and its error."""

    def __init__(self, scaling: Scaling) -> None:
        super().__init__()
        self.redshift_scale: Tensor
        self.register_buffer("redshift_scale", redshift_scale(scaling), persistent=False)

    def forward(
        self, answers: Answers, query_ids: Tensor, targets: Tensor, target_errors: Tensor
    ) -> Supervised:
        """Negative log-likelihoods; those of queries 0 (no target) belong to no term.

        query_ids, targets, target_errors: (num_sources, num_queries)
        """
        is_spectype, is_morphtype = query_ids == SPECTYPE_ID, query_ids == MORPHTYPE_ID
        stretch = self.stretch(query_ids, targets)
        return Supervised(
            regression=gaussian_nll(
                (targets - answers.mean) / stretch, target_errors / stretch, answers.log_variance
            ),
            spectype=_cross_entropy(answers.spectype, targets, is_spectype),
            morphtype=_cross_entropy(answers.morphtype, targets, is_morphtype),
            is_regression=(query_ids > 0) & ~is_spectype & ~is_morphtype,
            is_spectype=is_spectype,
            is_morphtype=is_morphtype,
        )

    def stretch(self, query_ids: Tensor, values: Tensor) -> Tensor:
        """1 + z of redshifts, from their scaled values, and 1 for all else.

        query_ids, values, and the answer: (num_sources, num_queries)
        """
        slope, offset = F.embedding(query_ids, self.redshift_scale).unbind(-1)
        # A redshift below -0.9 is a network's first guess, not a source.
        return (1 + slope * values + offset).clamp(min=0.1)


def redshift_scale(scaling: Scaling) -> Tensor:
    """Sigma and median of redshift tokens by token id, 0 and 0 for all others, (77, 2)."""
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


class Objective(nn.Module):
    """Model, reweighting network and what they are trained for, as one module.

    One module, so that a wrapper (DistributedDataParallel, torch.compile) sees the whole step.
    Its losses are those of the whole batch: sums over a worker's part are divided by the counts
    of all workers and multiplied by their number, which averaged gradients undo.
    """

    def __init__(
        self,
        model: Ojala,
        scaling: Scaling,
        adaptation: AdaptationConfig | None = None,
        *,
        precision: str = "float32",
        world_size: int = 1,
    ) -> None:
        super().__init__()
        self.model = model
        self.reweighter = Reweighter(model.config.width) if adaptation else None
        self.likelihood = Likelihood(scaling)
        self.adaptation = adaptation
        self.precision = precision
        self.world_size = world_size

    def forward(
        self, batch: Batch, jpas: Context | None = None, temperature: float = 1.0
    ) -> dict[str, Tensor]:
        """Every term, and their sum as "loss". Raises nothing: a caller checks for NaN."""
        context = batch.context if jpas is None else _joined(batch.context, jpas)
        with autocast(context.ids.device, self.precision):
            memory = self.model.encode(context.ids, context.values, context.padding)
            padding = None if context.padding is None else context.padding[: len(batch)]
            answers = self.model.answer(memory[: len(batch)], batch.query_ids, padding)
        terms = self._supervised_terms(answers, batch)
        loss = terms["regression"] + terms["spectype"] + terms["morphtype"]
        if jpas is not None:
            embeddings = pooled(memory, context.padding)
            terms |= self._adaptation_terms(embeddings, batch.photometric, temperature)
            loss = loss + terms["adaptation"]
        return terms | {"loss": loss}

    def _supervised_terms(self, answers: Answers, batch: Batch) -> dict[str, Tensor]:
        costs = self.likelihood(answers, batch.query_ids, batch.targets, batch.target_errors)
        members = torch.stack([costs.is_regression, costs.is_spectype, costs.is_morphtype])
        losses = torch.stack([costs.regression, costs.spectype, costs.morphtype])
        counts = members.sum(dim=(1, 2)).float()
        if self.world_size > 1:
            dist.all_reduce(counts)
        sums = torch.where(members, losses, 0.0).sum(dim=(1, 2))
        means = sums * self.world_size / counts.clamp(min=1)
        return dict(zip(("regression", "spectype", "morphtype"), means.unbind(), strict=True))

    def _adaptation_terms(
        self, embeddings: Tensor, photometric: Tensor, temperature: float
    ) -> dict[str, Tensor]:
        assert self.adaptation is not None and self.reweighter is not None
        num_sources = len(photometric)
        most = self.adaptation.max_sources
        source = gathered(embeddings[:num_sources], self.world_size)[:most]
        target = gathered(embeddings[num_sources:], self.world_size)
        # Mocks with labels in their context have no counterpart among unlabelled J-PAS sources.
        takes_part = gathered(photometric.float(), self.world_size)[:most]
        return adaptation_terms(
            source, target, takes_part, self.reweighter, self.adaptation, temperature
        )


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """bfloat16 arithmetic where ``precision`` asks for it."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def _joined(mocks: Context, jpas: Context) -> Context:
    """Both sets as one context; padded only if one of them is."""
    padding = None
    if mocks.padding is not None or jpas.padding is not None:
        padding = torch.cat([_padding(mocks), _padding(jpas)])
    return Context(
        ids=torch.cat([mocks.ids, jpas.ids]),
        values=torch.cat([mocks.values, jpas.values]),
        padding=padding,
    )


def _padding(context: Context) -> Tensor:
    if context.padding is None:
        return torch.zeros_like(context.ids, dtype=torch.bool)
    return context.padding


def _cross_entropy(logits: Tensor, targets: Tensor, belongs: Tensor) -> Tensor:
    """Cross-entropy of each query, 0 where it does not belong to the term."""
    codes = torch.where(belongs, targets, -1.0).long()
    return F.cross_entropy(
        logits.flatten(0, 1), codes.flatten(), ignore_index=-1, reduction="none"
    ).view_as(targets)
