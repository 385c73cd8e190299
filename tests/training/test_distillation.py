"""A student and its teacher: nothing to learn where they agree, and all of the answer otherwise."""

from dataclasses import replace

import pytest
import torch
from scipy.stats import norm
from torch.utils.flop_counter import FlopCounterMode
from toy_model import PATCHED, UNDROPPED, toy_model
from toy_sky import toy_table

from ojala.model.bundle import Bundle
from ojala.model.network import Ojala
from ojala.model.presets import preset
from ojala.training.batch import MaskingConfig, draw_batch
from ojala.training.config import TrainConfig
from ojala.training.distillation import Teacher, disagreement, teacher_of
from ojala.training.fit import fit
from ojala.training.loss import Objective
from ojala.training.resident import measured_scaling, resident
from ojala.training.views import ViewsConfig
from ojala.vocabulary.quantities import queries, vocabulary

CPU = torch.device("cpu")
CONFIG = TrainConfig(
    preset="lean",
    num_epochs=2,
    steps_per_epoch=60,
    batch_size=64,
    optimizer="muon",
    learning_rate=3e-3,
    precision="float32",
    storage="float32",
    adaptation=None,
    masking=MaskingConfig(views=ViewsConfig(complete_share=1.0, tray_share=0.0)),
)


@pytest.fixture(scope="module")
def mocks():
    table = toy_table(200)
    return resident(table, measured_scaling(table), labelled=True)


@pytest.fixture(scope="module")
def batch(mocks):
    generator = torch.Generator().manual_seed(3)
    config = replace(CONFIG.masking, num_targets=9)
    return draw_batch(mocks, config, batch_size=40, num_context=30, generator=generator)


def answers(model, batch):
    with torch.no_grad():
        return model(
            batch.context.ids, batch.context.values, batch.query_ids, batch.context.padding
        )


@pytest.mark.parametrize("sizes", [UNDROPPED, PATCHED])
def test_nothing_costs_less_than_the_teacher_s_own_answer(sizes, batch):
    taught, other = (answers(toy_model(sizes, seed=seed).eval(), batch) for seed in (0, 1))
    own, differing = (disagreement(given, taught, batch.query_ids) for given in (taught, other))
    assert torch.allclose(own["regression"], torch.zeros_like(taught.mean), atol=1e-6)
    assert ("redshift" in own) == (sizes is PATCHED)
    for name in own:
        assert torch.all(own[name] <= differing[name] + 1e-6), name
        assert own[name].mean() < differing[name].mean(), name


def test_means_and_variances_are_charged_the_divergence_of_gaussians(batch):
    """KL by its definition, an integral over the teacher's density."""
    taught, given = (answers(toy_model(UNDROPPED, seed=seed).eval(), batch) for seed in (0, 1))
    cost = disagreement(given, taught, batch.query_ids)["regression"][0, 0]
    one, other = (
        norm(float(found.mean[0, 0]), float((0.5 * found.log_variance[0, 0]).exp()))
        for found in (taught, given)
    )
    expected = one.expect(lambda x: one.logpdf(x) - other.logpdf(x))
    assert float(cost) == pytest.approx(expected, rel=1e-3)


def test_steps_are_charged_to_the_query_that_asks_for_them(batch):
    taught, given = (answers(toy_model(PATCHED, seed=seed).eval(), batch) for seed in (0, 1))
    cost = disagreement(given, taught, batch.query_ids)["redshift"]
    redshifts = [vocabulary().index(token) + 1 for token in ("Z_GAL", "Z_QSO")]
    asks = torch.isin(batch.query_ids, torch.tensor(redshifts))
    assert torch.equal(cost > 0, asks) and asks.any()


def test_a_teacher_is_learnt_from_and_left_as_it_was(mocks, batch):
    """An untrained teacher knows nothing of the labels: who agrees with it has learnt from it."""
    teacher = Teacher(toy_model(PATCHED, seed=5).eval())
    before = {name: value.clone() for name, value in teacher.model.state_dict().items()}
    costs = []
    for taught_by in (None, teacher):
        student = toy_model(replace(PATCHED, width=16, decoder_ffn=(32,)), seed=6)
        (*_, epoch) = fit(student, mocks, None, CONFIG, teacher=taught_by)
        given = answers(student.eval(), batch)
        found = disagreement(given, answers(teacher.model, batch), batch.query_ids)
        costs.append({name: float(cost.mean()) for name, cost in found.items()})
    alone, taught = costs
    assert all(taught[name] < alone[name] for name in alone)
    assert taught["regression"] < 0.5 * alone["regression"]
    assert epoch.metrics["train/teacher_redshift"] > 0
    after = teacher.model.state_dict()
    assert all(torch.equal(value, before[name]) for name, value in after.items())


def test_no_teacher_is_among_the_weights_of_a_training(mocks):
    objective = Objective(toy_model(PATCHED), mocks.scaling, teacher=Teacher(toy_model(PATCHED)))
    alone = Objective(toy_model(PATCHED), mocks.scaling)
    assert objective.state_dict().keys() == alone.state_dict().keys()
    assert len(list(objective.parameters())) == len(list(alone.parameters()))


def test_without_a_teacher_there_is_no_such_term(mocks):
    (*_, epoch) = fit(toy_model(PATCHED), mocks, None, replace(CONFIG, steps_per_epoch=1))
    assert not any("teacher" in name for name in epoch.metrics)


def test_a_teacher_of_other_numbers_is_refused_in_a_sentence(mocks):
    sizes = replace(PATCHED, redshift_steps=32)
    opened = Bundle(model=toy_model(PATCHED), scaling=mocks.scaling)
    with pytest.raises(ValueError, match=r"redshifts in 64 steps and train\.preset in 32"):
        teacher_of(sizes, opened, mocks.scaling, CPU)
    elsewhere = measured_scaling(toy_table(200, seed=9))
    with pytest.raises(ValueError, match=r"^train\.teacher was trained with another scaling"):
        teacher_of(PATCHED, opened, elsewhere, CPU)
    assert teacher_of(PATCHED, opened, mocks.scaling, CPU).model is opened.model


@pytest.mark.parametrize("words", ["ojala@champion", "champion", "ojala/", "ojala/3x", ""])
def test_a_teacher_is_a_version_by_its_number(words):
    assert TrainConfig(teacher="ojala/12").teacher == "ojala/12"
    with pytest.raises(ValueError, match=r"^train\.teacher is .*, expected a version"):
        TrainConfig(teacher=words)


def test_the_lean_network_does_less_than_a_third():
    """By its matrix products: of a full context and all queries."""
    ids = torch.arange(1, 62).expand(2, -1)
    asked = torch.tensor([vocabulary().index(token) + 1 for token in queries()]).expand(2, -1)
    work = {}
    for name in ("demo", "lean"):
        with FlopCounterMode(display=False) as counted, torch.no_grad():
            Ojala(preset(name)).eval()(ids, torch.zeros(2, 61), asked)
        work[name] = counted.get_total_flops()
    assert work["lean"] < work["demo"] / 3
    assert preset("lean").redshift_steps == preset("demo").redshift_steps
