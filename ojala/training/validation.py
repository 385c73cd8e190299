"""How a model does on held-out sources: every observed token in, every label out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ojala.measures.metrics import OUTLIER_THRESHOLD, outlier_fraction, sigma_nmad
from ojala.measures.redshift_modes import modes
from ojala.measures.redshift_pdf import RedshiftPdf
from ojala.model.answers import Answers
from ojala.model.context import Context, full_context
from ojala.model.device import autocast, rows_per_batch
from ojala.model.network import Ojala
from ojala.model.redshift import RedshiftHead, asked
from ojala.model.scaling import Scaling
from ojala.training.error_factor import least_factor, set_error_factors
from ojala.training.loss import Likelihood
from ojala.training.redshift_loss import AskedRedshifts, asked_redshifts
from ojala.training.resident import ResidentTable, is_label_on
from ojala.training.temperature import fit_temperatures
from ojala.vocabulary.quantities import CLASSES, REDSHIFTS, queries, vocabulary

Array = NDArray[np.floating[Any]]


@torch.inference_mode()
def validate(
    model: Ojala,
    table: ResidentTable,
    *,
    num_rows: int,
    precision: str = "float32",
    degrees_of_freedom: int = 0,
) -> dict[str, float]:
    """Metrics of at most ``num_rows`` of a table's sources, evenly taken.

    Per quantity nll (Eq. 2, or of a Student-t; of the class its cross-entropy, of steps of redshift
    as well) and rmse, scaled units; per redshift sigma_nmad of dz / (1 + z) (Eq. 8) and the share
    beyond 0.15; per class accuracy and cross-entropy; and as "val/loss" the mean of all nll.
    """
    is_training = model.training
    model.eval()
    likelihood = Likelihood(table.scaling, degrees_of_freedom=degrees_of_freedom).to(table.device)
    rows = torch.arange(0, len(table), -(-len(table) // num_rows), device=table.device)
    parts = [_costs(model, likelihood, table, part, precision) for part in _batches(table, rows)]
    model.train(is_training)
    nll, residual, truth = (
        torch.cat(tensors).cpu().numpy() for tensors in zip(*parts, strict=True)
    )
    return _metrics(nll, residual, truth, table.scaling)


@torch.inference_mode()
def calibrate(model: Ojala, table: ResidentTable, *, precision: str = "float32") -> None:
    """Make errors hold 68 % of a table's sources, and its redshifts most likely."""
    is_training = model.training
    model.eval()
    likelihood = Likelihood(table.scaling).to(table.device)
    rows = torch.arange(len(table), device=table.device)
    parts = [_judged(model, likelihood, table, part, precision) for part in _batches(table, rows)]
    set_error_factors(model.heads, torch.cat([part.factor for part in parts]))
    if model.heads.redshift is not None:
        label = AskedRedshifts(
            **{
                name: torch.cat([getattr(part.label, name) for part in parts])
                for name in AskedRedshifts.__annotations__
            }
        )
        logits = torch.cat([part.logits for part in parts if part.logits is not None])
        fit_temperatures(model.heads.redshift, logits, label)
    model.train(is_training)


class _Judged(NamedTuple):
    """Some sources' answers beside their labels.

    factor: by which an error reaches its label, (num_sources, num_queries), NaN without one
    logits, label: of redshifts by steps, and which are known
    """

    factor: Tensor
    logits: Tensor | None
    label: AskedRedshifts


def _judged(
    model: Ojala, likelihood: Likelihood, table: ResidentTable, rows: Tensor, precision: str
) -> _Judged:
    """What the labels that are known, and not what else is shown, say of the answers."""
    query_ids, context, truth, truth_err = _asked(table, rows)
    answers = _answers(model, context, query_ids, precision)
    known = torch.isfinite(truth)
    truth = truth.nan_to_num()
    stretch = likelihood.stretch(query_ids, truth)
    factor = least_factor(
        (answers.mean - truth) / stretch, (0.5 * answers.log_variance).exp(), truth_err / stretch
    )
    label = likelihood.redshift_label(query_ids, truth, truth_err)
    return _Judged(
        factor=torch.where(known, factor, torch.nan),
        logits=answers.redshift,
        label=asked_redshifts(torch.where(known, query_ids, 0), *label),
    )


def _asked(table: ResidentTable, rows: Tensor) -> tuple[Tensor, Context, Tensor, Tensor]:
    """Ids of every label, a full context without labels, and true values with their errors.

    Shapes (num_sources, num_queries) but the context's; NaN where a value is not known.
    """
    labels = torch.tensor([vocabulary().index(token) for token in queries()], device=table.device)
    values = table.values[rows].float()
    context = full_context(values, ~is_label_on(table.device))
    query_ids = (labels + 1).expand(len(rows), -1)
    return query_ids, context, values[:, labels], table.errors[rows].float()[:, labels]


def _batches(table: ResidentTable, rows: Tensor) -> Iterator[Tensor]:
    """Rows in batches of like token counts, so that little is padded."""
    counts = torch.isfinite(table.values[rows]).sum(dim=1)
    rows = rows[torch.argsort(counts, stable=True)]
    yield from rows.split(rows_per_batch(table.device))


def _costs(
    model: Ojala, likelihood: Likelihood, table: ResidentTable, rows: Tensor, precision: str
) -> tuple[Tensor, Tensor, Tensor]:
    """Likelihood, residual (of a class: 1 where wrong) and truth of every label, NaN where unknown.

    Shapes (num_sources, num_queries).
    """
    query_ids, context, truth, truth_err = _asked(table, rows)
    answers = _answers(model, context, query_ids, precision)
    known = torch.isfinite(truth)
    steps = model.heads.redshift
    costs = likelihood(answers, query_ids, truth.nan_to_num(), truth_err, steps)
    nll = torch.where(costs.is_spectype, costs.spectype, costs.regression)
    nll = torch.where(costs.is_redshift, costs.redshift, nll)
    mean = answers.mean if steps is None else _with_modes(steps, answers, query_ids, table.scaling)
    residual = (mean - truth) / likelihood.stretch(query_ids, truth.nan_to_num())
    wrong = (answers.spectype.argmax(dim=-1) != truth).float()
    residual = torch.where(costs.is_spectype, wrong, residual)
    unknown = torch.where(known, 0.0, torch.nan)
    return nll + unknown, residual + unknown, truth


def _with_modes(
    steps: RedshiftHead, answers: Answers, query_ids: Tensor, scaling: Scaling
) -> Tensor:
    """The means of all queries, for redshifts the modes of their steps, scaled."""
    assert answers.redshift is not None
    probability = steps.probability(answers.redshift).double().cpu().numpy()
    mean, (position, _) = answers.mean.clone(), asked(query_ids)
    for kind, token in enumerate(REDSHIFTS):
        edges = steps.edges_KS[kind].double().cpu().numpy()
        z = modes(RedshiftPdf(edges=edges, probability=probability[:, kind])).first
        scaled, _ = scaling.scale(token, z, np.zeros_like(z))
        mean.scatter_(1, position[:, kind : kind + 1], torch.from_numpy(scaled).to(mean)[:, None])
    return mean


def _answers(model: Ojala, context: Context, query_ids: Tensor, precision: str) -> Answers:
    with autocast(query_ids.device, precision):
        answers: Answers = model(context.ids, context.values, query_ids, context.padding)
    return answers


def _metrics(nll: Array, residual: Array, truth: Array, scaling: Scaling) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for column, token in enumerate(queries()):
        known = np.isfinite(truth[:, column])
        if not known.any():
            continue
        cost, miss, true = (part[known, column] for part in (nll, residual, truth))
        metrics[f"val/nll/{token}"] = float(np.mean(cost))
        if token == "SPECTYPE":
            metrics |= _class_metrics(cost, miss, true)
        else:
            metrics[f"val/rmse/{token}"] = float(np.sqrt(np.mean(miss**2)))
        if token in REDSHIFTS:
            dz = miss.astype(np.float64) * scaling.sigma[vocabulary().index(token)]
            metrics |= _redshift_metrics(token, dz)
    losses = [value for name, value in metrics.items() if name.startswith("val/nll/")]
    return {"val/loss": float(np.mean(losses))} | metrics


def _class_metrics(cost: Array, is_wrong: Array, true: Array) -> dict[str, float]:
    metrics = {}
    for code, name in enumerate(CLASSES):
        if np.any(true == code):
            metrics[f"val/accuracy/{name}"] = float(1 - np.mean(is_wrong[true == code]))
            metrics[f"val/cross_entropy/{name}"] = float(np.mean(cost[true == code]))
    return metrics


def _redshift_metrics(token: str, dz: NDArray[np.float64]) -> dict[str, float]:
    return {
        f"val/sigma_nmad/{token}": sigma_nmad(dz),
        f"val/outlier_fraction/{token}": outlier_fraction(dz, threshold=OUTLIER_THRESHOLD),
    }
