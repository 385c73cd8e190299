"""The training objective: Eq. 2 for regression, cross-entropies, and domain adaptation.

    L = w L_reg + L_cls + L_morph + L_DA                           (Eqs. 1, 3 and 12)
    L_reg = mean of 1/2 [(y - mean)^2 / var + ln var],   var = var_predicted + label_err^2

in scaled units, or for labels the same of a Student-t (``ojala.model.likelihood``); bands have the
noise that is stated, which is a Gaussian. Each term is a mean over its own targets; the paper
weights none (w = 1). A source has one class and ten other labels, which share one term. For
redshifts residual and label error are divided by 1 + z_true, and the predicted variance is that of
the divided residual. (Dividing it as well would cancel out of the gradient.) A network that answers
redshifts by steps of ln(1 + z) has a term of its own for them, and none of L_reg. Where there is a
teacher the same terms are charged once more, of its answers (``ojala.training.distillation``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from ojala.model.answers import Answers
from ojala.model.context import Context
from ojala.model.device import autocast
from ojala.model.likelihood import Stretch, gaussian_nll, student_nll
from ojala.model.network import Ojala
from ojala.model.redshift import REDSHIFT_IDS, RedshiftHead
from ojala.model.scaling import Scaling
from ojala.training.adaptation import AdaptationConfig, Reweighter, adaptation_terms, gathered
from ojala.training.batch import Batch
from ojala.training.distillation import Teacher, disagreement
from ojala.training.redshift_loss import SMOOTHING, asked_redshifts, cross_entropy
from ojala.training.resident import IS_LABEL_ID
from ojala.vocabulary.quantities import vocabulary

SPECTYPE_ID = vocabulary().index("SPECTYPE") + 1
MORPHTYPE_ID = vocabulary().index("MORPHTYPE") + 1

TERMS = ("regression", "spectype", "morphtype", "redshift")


class Supervised(NamedTuple):
    """Loss of each target, (batch, queries), and which of the terms it belongs to.

    is_redshift: of redshifts answered by steps; other redshifts are regression
    """

    regression: Tensor
    spectype: Tensor
    morphtype: Tensor
    is_regression: Tensor
    is_spectype: Tensor
    is_morphtype: Tensor
    redshift: Tensor
    is_redshift: Tensor


class Likelihood(nn.Module):
    """What each answer costs, given the true value and its error.

    degrees_of_freedom: of labels but redshifts by steps (``TrainConfig``)
    smoothing: of redshift labels, in steps (``ojala.training.redshift_loss``)
    """

    def __init__(
        self, scaling: Scaling, *, degrees_of_freedom: int = 0, smoothing: float = SMOOTHING
    ) -> None:
        super().__init__()
        self.degrees_of_freedom = degrees_of_freedom
        self.smoothing = smoothing
        self.stretch = Stretch(scaling)
        self.is_label_I: Tensor
        self.register_buffer("is_label_I", torch.from_numpy(IS_LABEL_ID), persistent=False)

    def forward(
        self,
        answers: Answers,
        query_ids: Tensor,
        targets: Tensor,
        target_errors: Tensor,
        steps: RedshiftHead | None = None,
    ) -> Supervised:
        """Negative log-likelihoods; those of queries 0 (no target) belong to no term.

        query_ids, targets, target_errors: (num_sources, num_queries)
        steps: the head that answers redshifts, where they are not Gaussians
        """
        is_spectype, is_morphtype = query_ids == SPECTYPE_ID, query_ids == MORPHTYPE_ID
        is_redshift = torch.zeros_like(is_spectype)
        if steps is not None:
            is_redshift = (query_ids == REDSHIFT_IDS[0]) | (query_ids == REDSHIFT_IDS[1])
        return Supervised(
            regression=self._regression(answers, query_ids, targets, target_errors),
            spectype=_cross_entropy(answers.spectype, targets, is_spectype),
            morphtype=_cross_entropy(answers.morphtype, targets, is_morphtype),
            is_regression=(query_ids > 0) & ~is_spectype & ~is_morphtype & ~is_redshift,
            is_spectype=is_spectype,
            is_morphtype=is_morphtype,
            redshift=self._steps(steps, answers, query_ids, targets, target_errors),
            is_redshift=is_redshift,
        )

    def _regression(
        self, answers: Answers, query_ids: Tensor, targets: Tensor, target_errors: Tensor
    ) -> Tensor:
        """Cost of what is answered by a mean and a variance, (batch, queries)."""
        stretch = self.stretch(query_ids, targets)
        residual, error = (targets - answers.mean) / stretch, target_errors / stretch
        return torch.where(
            self.is_label_I[query_ids],
            student_nll(residual, error, answers.log_variance, self.degrees_of_freedom),
            gaussian_nll(residual, error, answers.log_variance),
        )

    def _steps(
        self,
        steps: RedshiftHead | None,
        answers: Answers,
        query_ids: Tensor,
        targets: Tensor,
        target_errors: Tensor,
    ) -> Tensor:
        """Cost of the redshifts answered by steps, (batch, queries), 0 for other queries."""
        costs = torch.zeros_like(targets)
        if steps is None or answers.redshift is None:
            return costs
        label = asked_redshifts(query_ids, *self.redshift_label(query_ids, targets, target_errors))
        cost = cross_entropy(answers.redshift, steps.edges_KS, label, self.smoothing)
        return costs.scatter_add(1, label.position, cost)

    def redshift_label(
        self, query_ids: Tensor, targets: Tensor, target_errors: Tensor
    ) -> tuple[Tensor, Tensor]:
        """1 + z and 1 sigma of dz / (1 + z) of redshifts, from their scaled values.

        query_ids, targets, target_errors: (num_sources, num_queries), as both that it returns
        """
        stretch = self.stretch(query_ids, targets)
        return stretch, self.stretch.slope(query_ids) * target_errors / stretch


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
        smoothing: float = SMOOTHING,
        regression_weight: float = 1.0,
        degrees_of_freedom: int = 0,
        teacher: Teacher | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.teacher = teacher
        self.regression_weight = regression_weight
        self.reweighter = Reweighter(model.config.width) if adaptation else None
        self.likelihood = Likelihood(
            scaling, degrees_of_freedom=degrees_of_freedom, smoothing=smoothing
        )
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
        loss = torch.stack([self._weight(name) * term for name, term in terms.items()]).sum()
        if jpas is not None:
            embeddings = self.model.pooled(memory, context.padding)
            terms |= self._adaptation_terms(embeddings, batch.photometric, temperature)
            loss = loss + terms["adaptation"]
        return terms | {"loss": loss}

    def _supervised_terms(self, answers: Answers, batch: Batch) -> dict[str, Tensor]:
        """Means of the labels' terms, and of the teacher's where there is one."""
        steps = self.model.heads.redshift
        found = self.likelihood(answers, batch.query_ids, batch.targets, batch.target_errors, steps)
        names = [name for name in TERMS if name != "redshift" or steps is not None]
        terms = self._means({name: getattr(found, name) for name in names}, found)
        if self.teacher is not None:
            taught = self.teacher.answers(batch, self.precision)
            beside = self._means(disagreement(answers, taught, batch.query_ids), found)
            terms |= {f"teacher_{name}": term for name, term in beside.items()}
        return terms

    def _weight(self, name: str) -> float:
        return self.regression_weight if name.endswith("regression") else 1.0

    def _means(self, costs: Mapping[str, Tensor], found: Supervised) -> dict[str, Tensor]:
        """Mean of each term over all workers' targets that belong to it."""
        members = torch.stack([getattr(found, f"is_{name}") for name in costs])
        losses = torch.stack(list(costs.values()))
        counts = members.sum(dim=(1, 2)).float()
        if self.world_size > 1:
            dist.all_reduce(counts)
        sums = torch.where(members, losses, 0.0).sum(dim=(1, 2))
        means = sums * self.world_size / counts.clamp(min=1)
        return dict(zip(costs, means.unbind(), strict=True))

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
