"""What a small network learns from a trained one: all of its answer, beside the label.

A label is one value. A teacher's answer to the same question says besides how likely all others
are, of every source that can be drawn and without the label's own error (Hinton, Vinyals and Dean
2015). The student is charged, in scaled units, with

    KL(teacher | student) of means and variances,   H(teacher, student) of classes, types and steps

Shape letters: B batch, Q queries, K kinds of redshift, S steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ojala.model.answers import Answers
from ojala.model.bundle import Bundle
from ojala.model.device import autocast
from ojala.model.network import Ojala
from ojala.model.presets import ModelConfig
from ojala.model.redshift import asked
from ojala.model.scaling import Scaling
from ojala.training.batch import Batch


@dataclass(frozen=True)
class Teacher:
    """A trained network that answers what a student is asked.

    No module: what trains, wraps or stores the student leaves it alone.
    """

    model: Ojala

    @torch.no_grad()
    def answers(self, batch: Batch, precision: str) -> Answers:
        """To the queries of a batch, from the context that the student is shown."""
        context = batch.context
        with autocast(context.ids.device, precision):
            answers: Answers = self.model(
                context.ids, context.values, batch.query_ids, context.padding
            )
        return answers


def teacher_of(
    student: ModelConfig, opened: Bundle, scaling: Scaling, device: torch.device
) -> Teacher:
    """What a bundle is to a student of these sizes, whose mocks have this scaling.

    Raises ValueError where the two would not speak of the same numbers.
    """
    if not _alike(opened.scaling, scaling):
        raise ValueError(
            "train.teacher was trained with another scaling than the mocks here have: expected one "
            "of the same mocks, train.seed and train.ew_transform"
        )
    steps = opened.model.config.redshift_steps
    if steps != student.redshift_steps:
        raise ValueError(
            f"train.teacher answers redshifts in {steps} steps and train.preset in "
            f"{student.redshift_steps}: expected as many"
        )
    return Teacher(opened.model.to(device).eval().requires_grad_(False))


def _alike(one: Scaling, other: Scaling) -> bool:
    same = np.array_equal(one.median, other.median) and np.array_equal(one.sigma, other.sigma)
    return same and one.transforms == other.transforms


def disagreement(answers: Answers, taught: Answers, query_ids_BQ: Tensor) -> dict[str, Tensor]:
    """By term of the objective, what a student's answers cost beside a teacher's, each (B, Q)."""
    costs = {
        "regression": _divergence(answers, taught),
        "spectype": _cross_entropy(answers.spectype, taught.spectype),
        "morphtype": _cross_entropy(answers.morphtype, taught.morphtype),
    }
    if answers.redshift is not None and taught.redshift is not None:
        position_BK, is_asked_BK = asked(query_ids_BQ)
        cost_BK = _cross_entropy(answers.redshift, taught.redshift) * is_asked_BK
        costs["redshift"] = torch.zeros_like(answers.mean).scatter_add(1, position_BK, cost_BK)
    return costs


def _cross_entropy(logits: Tensor, taught: Tensor) -> Tensor:
    """Of the probabilities that a teacher's logits are; (..., choices) to (...)."""
    return -(taught.softmax(dim=-1) * logits.log_softmax(dim=-1)).sum(dim=-1)


def _divergence(answers: Answers, taught: Answers) -> Tensor:
    """Kullback-Leibler divergence of the teacher's Gaussian from the student's, (B, Q)."""
    log_ratio = taught.log_variance - answers.log_variance
    apart = (taught.mean - answers.mean).square() * (-answers.log_variance).exp()
    return 0.5 * (log_ratio.exp() + apart - 1 - log_ratio)
