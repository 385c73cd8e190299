"""A GPU gives the numbers of the CPU, within what rounding moves."""

from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest
import torch
from toy_model import UNDROPPED, toy_model
from toy_sky import toy_table

from ojala.model.bundle import Bundle
from ojala.model.device import default_device, rows_per_batch
from ojala.model.predictor import Predictor
from ojala.training.adaptation import AdaptationConfig
from ojala.training.batch import MaskingConfig, draw_batch, draw_context, token_weights
from ojala.training.config import TrainConfig
from ojala.training.fit import fit
from ojala.training.loss import Objective
from ojala.training.resident import measured_scaling, resident

HAS_GPU = torch.cuda.is_available()
needs_gpu = [pytest.mark.gpu, pytest.mark.skipif(not HAS_GPU, reason="there is no GPU here")]
CPU = torch.device("cpu")


def on(device, value):
    """The same batch on another device."""
    if isinstance(value, torch.Tensor):
        return value.to(device)
    if is_dataclass(value):
        parts = {each.name: on(device, getattr(value, each.name)) for each in fields(value)}
        return replace(value, **parts)
    return value


def terms_and_gradients(device):
    """Every term of the objective for one batch, and the gradient of every parameter."""
    table = toy_table(300)
    mocks = resident(table, measured_scaling(table), labelled=True)
    jpas = resident(toy_table(200, seed=1, labelled=False), mocks.scaling, labelled=False)
    given = {"num_context": 24, "generator": torch.Generator().manual_seed(0)}
    batch = draw_batch(mocks, MaskingConfig(), batch_size=200, **given)
    context = draw_context(jpas, token_weights(mocks.frequency, 1000.0), batch_size=80, **given)
    objective = Objective(toy_model(UNDROPPED), mocks.scaling, AdaptationConfig()).to(device)
    terms = objective(on(device, batch), on(device, context), 1.0)
    terms["loss"].backward()
    gradients = {name: weight.grad.cpu() for name, weight in objective.named_parameters()}
    return {name: float(term.detach()) for name, term in terms.items()}, gradients


def test_a_process_without_a_gpu_works_on_the_cpu():
    assert (default_device() == CPU) == (not HAS_GPU)
    assert rows_per_batch(CPU) < rows_per_batch(torch.device("cuda"))


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_gpu)])
def test_the_objective_does_not_depend_on_the_device(device):
    terms, gradients = terms_and_gradients(torch.device(device))
    expected_terms, expected = terms_and_gradients(CPU)
    assert terms == pytest.approx(expected_terms, rel=1e-3, abs=1e-5)
    for name, gradient in gradients.items():
        assert torch.allclose(gradient, expected[name], rtol=1e-2, atol=1e-5), name


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_gpu)])
def test_answers_do_not_depend_on_the_device(device):
    table = toy_table(300, missing=0.1)
    scaling = measured_scaling(table)
    answers, expected = (
        Predictor(Bundle(model=toy_model(UNDROPPED), scaling=scaling), device=place).predict(table)
        for place in (torch.device(device), CPU)
    )
    for name in (name for name in answers if f"{name}_ERR" in answers):
        moved = np.abs(answers[name] - expected[name]) / expected[f"{name}_ERR"]
        assert moved.max() < 1e-3, name


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_gpu)])
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_training_learns_on_each_device_in_half_precision(device, optimizer):
    table = toy_table(400)
    kind = {"device": device, "dtype": torch.float16}
    mocks = resident(table, measured_scaling(table), labelled=True, **kind)
    config = TrainConfig(
        num_epochs=4,
        steps_per_epoch=10,
        batch_size=64,
        learning_rate=3e-3,
        optimizer=optimizer,
        precision="bfloat16",
        storage="float16",
        adaptation=None,
    )
    losses = [
        epoch.metrics["train/loss"] for epoch in fit(toy_model(UNDROPPED), mocks, None, config)
    ]
    assert np.all(np.isfinite(losses))
    assert losses[-1] < losses[0] - 0.1
