"""The objective: analytic likelihoods, what belongs to which term, and the sum of all."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm, t
from toy_model import UNDROPPED, toy_model
from toy_sky import toy_table

from ojala.model.answers import Answers
from ojala.model.likelihood import gaussian_nll, student_nll
from ojala.training.adaptation import AdaptationConfig
from ojala.training.batch import MaskingConfig, draw_batch, draw_context, token_weights
from ojala.training.loss import MORPHTYPE_ID, SPECTYPE_ID, Likelihood, Objective
from ojala.training.resident import measured_scaling, resident
from ojala.vocabulary.quantities import vocabulary


@pytest.fixture(scope="module")
def mocks():
    table = toy_table(300)
    return resident(table, measured_scaling(table), labelled=True)


@pytest.fixture(scope="module")
def jpas(mocks):
    return resident(toy_table(200, seed=1, labelled=False), mocks.scaling, labelled=False)


def batches(mocks, jpas, num_context=20, batch_size=200):
    generator = torch.Generator().manual_seed(0)
    batch = draw_batch(
        mocks,
        MaskingConfig(),
        batch_size=batch_size,
        num_context=num_context,
        generator=generator,
    )
    weights = token_weights(mocks.frequency, 1000.0)
    context = draw_context(
        jpas, weights, batch_size=80, num_context=num_context, generator=generator
    )
    return batch, context


def answers_of(mean, log_variance, num_classes=3, num_types=6):
    shape = (*mean.shape, 1)
    return Answers(
        mean,
        log_variance,
        torch.zeros(shape).expand(*mean.shape, num_classes),
        torch.zeros(shape).expand(*mean.shape, num_types),
    )


def id_of(token):
    return vocabulary().index(token) + 1


def test_nll_is_that_of_a_gaussian_with_both_variances_added():
    residual, label_err, log_variance = 0.7, 0.5, math.log(0.3)
    found = gaussian_nll(*(torch.tensor(x) for x in (residual, label_err, log_variance)))
    expected = -norm.logpdf(residual, 0, math.sqrt(0.3 + 0.25)) - 0.5 * math.log(2 * math.pi)
    assert float(found) == pytest.approx(expected, rel=1e-6)


def test_nll_is_least_where_the_variance_is_that_of_the_residuals():
    residual = torch.randn(20_000, generator=torch.Generator().manual_seed(0)) * 0.5
    widths = torch.linspace(-3, 1, 81)
    costs = [gaussian_nll(residual, torch.tensor(0.3), width).mean() for width in widths]
    best = math.exp(widths[int(np.argmin(costs))])
    assert best + 0.09 == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("degrees_of_freedom", [1, 3, 12])
def test_the_other_nll_is_that_of_a_student_t_of_that_scale(degrees_of_freedom):
    residual, label_err, log_variance = -1.7, 0.5, math.log(0.3)
    given = (torch.tensor(x) for x in (residual, label_err, log_variance))
    expected = -t.logpdf(residual, degrees_of_freedom, 0, math.sqrt(0.3 + 0.25))
    found = student_nll(*given, degrees_of_freedom)
    assert float(found) == pytest.approx(expected - 0.5 * math.log(2 * math.pi), rel=1e-6)


def test_of_many_degrees_of_freedom_it_is_the_gaussian():
    given = (torch.linspace(-3, 3, 7), torch.tensor(0.4), torch.tensor(0.2))
    assert torch.allclose(student_nll(*given, 100_000), gaussian_nll(*given), atol=2e-3)
    assert torch.equal(student_nll(*given, 0), gaussian_nll(*given))


def test_a_label_that_is_wrong_hardly_moves_a_student_t():
    """One of twenty labels is 30 sigma off: where each likelihood would put the mean."""
    generator = torch.Generator().manual_seed(2)
    labels = torch.randn(400, generator=generator, dtype=torch.float64)
    labels[::20] += 30
    means = torch.linspace(-1, 3, 401, dtype=torch.float64)
    nothing = torch.zeros((), dtype=torch.float64)

    def best(degrees_of_freedom, log_variance):
        of_each = student_nll(labels - means[:, None], nothing, log_variance, degrees_of_freedom)
        return float(means[of_each.mean(dim=1).argmin()])

    wide = (labels.var() + nothing).log()
    assert best(0, wide) == pytest.approx(float(labels.mean()), abs=0.01)
    assert abs(best(3, nothing) - float(labels[labels < 10].median())) < 0.1


def test_redshift_residuals_and_label_errors_are_divided_by_1_plus_z(mocks):
    likelihood = Likelihood(mocks.scaling)
    index = vocabulary().index("Z_QSO")
    sigma, median = mocks.scaling.sigma[index], mocks.scaling.median[index]
    z_true, z_phot, z_err, log_variance = 2.0, 2.3, 0.1, -1.0
    costs = likelihood(
        answers_of(
            torch.tensor([[(z_phot - median) / sigma]]).float(), torch.tensor([[log_variance]])
        ),
        torch.tensor([[id_of("Z_QSO")]]),
        torch.tensor([[(z_true - median) / sigma]]).float(),
        torch.tensor([[z_err / sigma]]).float(),
    )
    variance = math.exp(log_variance) + (z_err / sigma / 3) ** 2
    expected = 0.5 * ((0.3 / 3 / sigma) ** 2 / variance + math.log(variance))
    assert float(costs.regression) == pytest.approx(expected, rel=1e-4)


def test_other_quantities_are_not_stretched(mocks):
    likelihood = Likelihood(mocks.scaling)
    ids = torch.tensor([[id_of("LOGM"), id_of("J0660"), 0]])
    assert likelihood.stretch(ids, torch.full((1, 3), 2.0)).tolist() == [[1, 1, 1]]


def test_bands_are_gaussian_and_labels_a_student_t(mocks):
    """A band's noise is what its error says; it is a label that may be another source's."""
    ids = torch.tensor([[id_of("LOGM"), id_of("J0660"), id_of("MAG_G")]])
    values, errors = torch.full((1, 3), 7.0), torch.full((1, 3), 0.4)
    answers = answers_of(torch.zeros(1, 3), torch.full((1, 3), -0.5))
    costs = Likelihood(mocks.scaling, degrees_of_freedom=3)(answers, ids, values, errors)
    given = (values[0, 0], errors[0, 0], answers.log_variance[0, 0])
    of_bands, of_labels = gaussian_nll(*given), student_nll(*given, 3)
    assert of_bands > 2 * of_labels
    assert torch.allclose(costs.regression, torch.stack([of_labels, of_bands, of_bands]))


def test_each_target_belongs_to_one_term(mocks):
    ids = torch.tensor([[SPECTYPE_ID, MORPHTYPE_ID, id_of("LOGM"), 5, 0]])
    costs = Likelihood(mocks.scaling)(
        answers_of(torch.zeros(1, 5), torch.zeros(1, 5)),
        ids,
        torch.tensor([[2.0, 4.0, 1.0, 1.0, 0.0]]),
        torch.zeros(1, 5),
    )
    members = torch.stack([costs.is_spectype, costs.is_morphtype, costs.is_regression])[:, 0]
    expected = [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 1, 0]]
    assert members.int().tolist() == expected
    assert float(costs.spectype[0, 0]) == pytest.approx(math.log(3))
    assert float(costs.morphtype[0, 1]) == pytest.approx(math.log(6))
    assert float(costs.regression[0, 2]) == pytest.approx(0.5)


@pytest.mark.parametrize("weight", [1.0, 2.5])
def test_loss_is_the_sum_of_its_terms(mocks, jpas, weight):
    objective = Objective(
        toy_model(UNDROPPED), mocks.scaling, AdaptationConfig(), regression_weight=weight
    )
    with torch.no_grad():
        terms = objective(*batches(mocks, jpas), 2.0)
    others = sum(float(terms[name]) for name in ("spectype", "morphtype", "adaptation"))
    expected = weight * float(terms["regression"]) + others
    assert float(terms["loss"]) == pytest.approx(expected)


def test_a_term_without_targets_is_0(jpas):
    """A model of J-PAS alone has no class to learn."""
    objective = Objective(toy_model(UNDROPPED), jpas.scaling)
    batch = draw_batch(
        jpas,
        MaskingConfig(),
        batch_size=50,
        num_context=20,
        generator=torch.Generator().manual_seed(0),
    )
    with torch.no_grad():
        terms = objective(batch)
    assert float(terms["spectype"]) == 0
    assert torch.isfinite(terms["loss"])


def test_every_parameter_gets_a_gradient_from_the_loss(mocks, jpas):
    objective = Objective(toy_model(UNDROPPED), mocks.scaling, AdaptationConfig())
    objective(*batches(mocks, jpas), 2.0)["loss"].backward()
    for name, parameter in objective.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_padding_of_one_side_does_not_change_the_other(mocks, jpas):
    """J-PAS sources with missing bands pad the mocks beside them: the terms stay the same."""
    objective = Objective(toy_model(UNDROPPED), mocks.scaling, AdaptationConfig())
    gaps = resident(
        toy_table(200, seed=1, labelled=False, missing=0.6), mocks.scaling, labelled=False
    )
    batch, padded = batches(mocks, gaps, num_context=30)
    assert batch.context.padding is None
    assert padded.padding is not None
    with torch.no_grad():
        alone, beside = objective(batch), objective(batch, padded)
    for name in ("regression", "spectype", "morphtype"):
        assert float(alone[name]) == pytest.approx(float(beside[name]), rel=1e-4)


def test_gradient_of_detached_mocks_is_none(mocks, jpas):
    """With detach_source the MMD moves J-PAS embeddings alone."""
    model = toy_model(UNDROPPED)
    held, free = (
        gradient_of_mmd(
            Objective(model, mocks.scaling, AdaptationConfig(detach_source=detached)), mocks, jpas
        )
        for detached in (True, False)
    )
    assert held > 0
    assert free > 0
    assert held != pytest.approx(free, rel=1e-3)


def gradient_of_mmd(objective, mocks, jpas):
    objective.zero_grad()
    objective(*batches(mocks, jpas))["adaptation"].backward()
    return float(objective.model.embedding.weight.grad.norm())
