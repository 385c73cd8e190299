"""Every parameter is stepped once, by the optimiser that it belongs to."""

from dataclasses import replace

import pytest
import torch
from toy_sky import toy_table

from ojala.model.network import Ojala
from ojala.model.presets import preset
from ojala.training.config import TrainConfig
from ojala.training.loss import Objective
from ojala.training.muon import Muon
from ojala.training.optimizers import optimizers
from ojala.training.resident import measured_scaling

CONFIG = TrainConfig(preset="demo", precision="float32")


@pytest.fixture(scope="module")
def objective():
    scaling = measured_scaling(toy_table(100))
    return Objective(Ojala(preset("demo")), scaling, CONFIG.adaptation)


def stepped(found):
    return [p for one in found for group in one.param_groups for p in group["params"]]


def test_muon_steps_as_pytorchs_own_does(objective):
    """To what bfloat16, which PyTorch multiplies in, leaves of the singular values."""
    torch.manual_seed(0)
    shapes = [(24, 40), (24, 40), (40, 24), (16, 16)]
    starts = [torch.randn(shape) for shape in shapes]
    gradients = [[torch.randn(shape) for shape in shapes] for _ in range(3)]
    found = []
    for kind, extra in ((Muon, {}), (torch.optim.Muon, {"adjust_lr_fn": "match_rms_adamw"})):
        matrices = [torch.nn.Parameter(start.clone()) for start in starts]
        muon = kind([{"params": matrices}], lr=0.02, weight_decay=0.1, **extra)
        for step in gradients:
            for matrix, gradient in zip(matrices, step, strict=True):
                matrix.grad = gradient
            muon.step()
        found.append([m.detach() - start for m, start in zip(matrices, starts, strict=True)])
    for ours, theirs in zip(*found, strict=True):
        assert (ours - theirs).norm() < 0.03 * theirs.norm()


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_every_parameter_is_stepped_once(objective, name):
    found = optimizers(objective, replace(CONFIG, optimizer=name))
    ids = [id(parameter) for parameter in stepped(found)]
    assert len(ids) == len(set(ids))
    assert set(ids) == {id(parameter) for parameter in objective.parameters()}


def test_muon_has_the_matrices_and_nothing_else(objective):
    adamw, muon = optimizers(objective, replace(CONFIG, optimizer="muon"))
    names = {id(parameter): name for name, parameter in objective.named_parameters()}
    matrices = {names[id(parameter)] for parameter in stepped([muon])}
    for part in (
        "embedding.weight_GND",
        "embedding.summaries.read.weight",
        "encoder.0.query_key_value.weight",
        "heads.hidden.0.weight",
        "heads.mean.weight",
        "heads.redshift.kinds.1.weight",
    ):
        assert f"model.{part}" in matrices
    # A table of vectors, one for each token, and what reweights are none.
    for part in ("asked", "position", "features", "extra_key_value", "bias", "reweighter"):
        assert not any(part in name for name in matrices)
    left = [names[id(p)] for p in stepped([adamw]) if p.ndim > 1]
    assert not any(name.startswith(("model.encoder.", "model.heads.")) for name in left)


def test_muon_takes_a_stack_of_matrices_as_so_many_matrices():
    torch.manual_seed(0)
    start, gradient = torch.randn(3, 20, 12), torch.randn(3, 20, 12)
    stack = torch.nn.Parameter(start.clone())
    each = [torch.nn.Parameter(matrix.clone()) for matrix in start]
    stack.grad = gradient
    for matrix, of_it in zip(each, gradient, strict=True):
        matrix.grad = of_it
    Muon([{"params": [stack]}], lr=0.02).step()
    Muon([{"params": each}], lr=0.02).step()
    assert torch.allclose(stack, torch.stack(list(each)), atol=1e-6)


def test_muon_turns_a_matrix_whatever_the_size_of_its_gradient(objective):
    """Its first step has singular values that are nearly equal, and no memory of the scale."""
    steps = []
    for scale in (1.0, 1e-3):
        model = Ojala(preset("demo"))
        weight = model.encoder[0].feed_forward.widen.weight
        before = weight.detach().clone()
        config = replace(CONFIG, optimizer="muon", adaptation=None, weight_decay=0.0)
        _, muon = optimizers(torch.nn.ModuleDict({"model": model}), config)
        torch.manual_seed(1)
        weight.grad = scale * torch.randn_like(weight)
        muon.step()
        steps.append(weight.detach() - before)
    sizes = torch.linalg.svdvals(steps[0])
    assert sizes.max() / sizes.min() < 2
    assert torch.allclose(steps[0], steps[1], rtol=0.05, atol=1e-5)
