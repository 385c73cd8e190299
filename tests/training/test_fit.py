"""The training loop: it learns, resumes exactly, is the same over workers, and stops at a NaN."""

import sys
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensor,
    FakeTensorMode,
)
from toy_model import PATCHED, SIZES, UNDROPPED, toy_model
from toy_sky import toy_table

from ojala.training import batch, fresh_noise, views
from ojala.training.adaptation import AdaptationConfig
from ojala.training.batch import MaskingConfig
from ojala.training.checkpoint import TrainState
from ojala.training.config import TrainConfig
from ojala.training.fit import DivergedError, _step, fit
from ojala.training.loss import Objective
from ojala.training.optimizers import optimizers
from ojala.training.resident import measured_scaling, resident
from ojala.training.views import ViewsConfig

CONFIG = TrainConfig(
    preset="demo",
    num_epochs=4,
    steps_per_epoch=6,
    batch_size=32,
    jpas_batch_size=16,
    learning_rate=1e-3,
    warmup_steps=2,
    precision="float32",
    storage="float32",
    val_rows=40,
)


def tables():
    table = toy_table(200, missing=0.05)
    scaling = measured_scaling(table)
    jpas = resident(toy_table(100, seed=1, labelled=False), scaling, labelled=False)
    mocks, val = (
        resident(table, scaling, labelled=True, split=split) for split in ("train", "val")
    )
    return mocks, jpas, val


@pytest.fixture(scope="module")
def sky():
    return tables()


def curve(epochs):
    return [epoch.metrics["train/loss"] for epoch in epochs]


PATCHES = replace(
    CONFIG,
    optimizer="muon",
    sampling="uniform",
    masking=MaskingConfig(fresh_noise=True, calibration_err=0.04, views=ViewsConfig()),
)
"""The demo's way to train."""


def test_steps_of_redshift_are_learnt_and_the_last_epoch_fits_temperatures(sky):
    mocks, jpas, _ = sky
    network = toy_model(PATCHED)
    config = replace(PATCHES, num_epochs=3, steps_per_epoch=40, batch_size=64, learning_rate=3e-3)
    epochs, temperatures = [], []
    for epoch in fit(network, mocks, jpas, config, val=mocks):
        epochs.append(epoch.metrics)
        temperatures.append(network.heads.redshift.temperature_K.tolist())
    assert temperatures[:-1] == [[1.0, 1.0]] * 2
    assert temperatures[-1] != [1.0, 1.0]
    assert epochs[-1]["val/nll/Z_GAL"] < epochs[0]["val/nll/Z_GAL"]
    assert epochs[-1]["train/redshift"] < 0.9 * epochs[0]["train/redshift"]
    assert epochs[-1]["val/sigma_nmad/Z_GAL"] < 0.2
    assert epochs[-1]["train/bfloat16"] == 0


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_resumed_training_goes_on_exactly(sky, tmp_path, optimizer):
    mocks, jpas, val = sky
    config = replace(CONFIG, optimizer=optimizer)
    whole = toy_model()
    straight = list(fit(whole, mocks, jpas, config, val=val))
    halves, training = [], fit(toy_model(), mocks, jpas, config, val=val)
    for epoch in training:
        halves.append(epoch)
        if epoch.number == 2:
            epoch.state().write(tmp_path / "state.pt")
            break
    training.close()
    resumed = toy_model(seed=99)  # what happened since does not matter
    state = TrainState.read(tmp_path / "state.pt")
    halves += fit(resumed, mocks, jpas, config, val=val, state=state)
    assert curve(halves) == curve(straight)
    assert [e.metrics["val/loss"] for e in halves] == [e.metrics["val/loss"] for e in straight]
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_finished_training_has_no_more_epochs(sky):
    mocks, jpas, _ = sky
    last = list(fit(toy_model(), mocks, jpas, replace(CONFIG, num_epochs=1)))[-1].state()
    assert list(fit(toy_model(), mocks, jpas, replace(CONFIG, num_epochs=1), state=last)) == []


def test_the_same_seed_gives_the_same_curve_and_another_one_another(sky):
    mocks, jpas, _ = sky
    short = replace(CONFIG, num_epochs=1)
    first, again, other = (
        curve(fit(toy_model(), mocks, jpas, replace(short, seed=seed))) for seed in (0, 0, 1)
    )
    assert first == again != other


def test_metrics_say_what_a_tracker_needs(sky):
    mocks, jpas, val = sky
    epoch = next(fit(toy_model(), mocks, jpas, CONFIG, val=val))
    for term in (
        "regression",
        "spectype",
        "morphtype",
        "mmd",
        "entropy",
        "ess",
        "lambda_mmd",
        "gradient_norm",
        "learning_rate",
        "samples_per_second",
        "temperature",
    ):
        assert np.isfinite(epoch.metrics[f"train/{term}"])
    for name in (
        "loss",
        "nll/Z_GAL",
        "rmse/LOGM",
        "sigma_nmad/Z_QSO",
        "accuracy/STAR",
        "outlier_fraction/Z_GAL",
        "cross_entropy/GALAXY",
    ):
        assert np.isfinite(epoch.metrics[f"val/{name}"])


def test_thirty_two_sources_can_be_learnt_by_heart():
    """Labels of 32 sources to a third of their spread, where they claim errors of a tenth."""
    table = toy_table(32, noise=0.01)
    mocks = resident(table, measured_scaling(table), labelled=True)
    mocks = replace(mocks, errors=torch.full_like(mocks.errors, 0.1))
    config = replace(
        CONFIG,
        num_epochs=1,
        steps_per_epoch=500,
        learning_rate=1e-2,
        clip=1.0,
        warmup_steps=20,
        adaptation=None,
        masking=MaskingConfig(keep_min_frac=1.0, num_targets=15, label_weight=100),
    )
    (epoch,) = fit(toy_model(UNDROPPED), mocks, None, config, val=mocks)
    rmse = [value for name, value in epoch.metrics.items() if name.startswith("val/rmse/")]
    assert len(rmse) == 14
    assert np.median(rmse) < 0.33
    assert all(epoch.metrics[f"val/accuracy/{name}"] == 1 for name in ("GALAXY", "STAR", "QSO"))


def test_a_model_of_jpas_alone_can_be_trained(sky):
    _, jpas, _ = sky
    (epoch,) = fit(toy_model(), jpas, None, replace(CONFIG, num_epochs=1))
    assert np.isfinite(epoch.metrics["train/regression"])
    assert epoch.metrics["train/spectype"] == 0


def test_nan_stops_and_names_the_term_and_keeps_the_last_state(sky):
    mocks, jpas, _ = sky
    network = toy_model()
    training = fit(network, mocks, jpas, CONFIG)
    good = next(training).state()
    with torch.no_grad():
        network.heads.spectype.weight[0, 0] = torch.nan
    with pytest.raises(DivergedError, match="epoch 2, step 1: the spectype term is nan"):
        next(training)
    assert all(torch.isfinite(tensor).all() for tensor in good.objective.values())


def test_learning_rate_rises_then_falls_to_0():
    rates = [CONFIG.learning_rate_at(step) for step in range(CONFIG.num_steps + 1)]
    assert rates[0] == pytest.approx(5e-4)
    assert max(rates) == rates[2] == pytest.approx(1e-3)
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[-1] == pytest.approx(0, abs=1e-12)


def test_the_reweighter_learns_at_its_own_rate_and_biases_do_not_decay(sky):
    mocks, jpas, _ = sky
    state = next(fit(toy_model(), mocks, jpas, CONFIG)).state()
    (adamw,) = state.optimizers
    assert {group["rate_factor"] for group in adamw["param_groups"]} == {1.0, 0.3}
    assert {group["weight_decay"] for group in adamw["param_groups"]} == {0.01, 0.0}


def test_bfloat16_training_follows_float32(sky):
    """One epoch's loss agrees to 2 %, the precision of bfloat16 over a few layers."""
    mocks, jpas, _ = sky
    plain = replace(CONFIG, num_epochs=1, steps_per_epoch=12)
    exact, rounded = (
        curve(fit(toy_model(UNDROPPED), mocks, jpas, replace(plain, precision=precision)))[0]
        for precision in ("float32", "bfloat16")
    )
    assert rounded == pytest.approx(exact, rel=0.02)


@contextmanager
def without_values():
    """Tensors have shapes and no values: whatever would bring one to the host raises."""
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            yield
    finally:
        for module in (batch, fresh_noise, views):  # not to meet such tensors in later tests
            for kept in vars(module).values():
                if hasattr(kept, "cache_clear") and kept.__module__ == module.__name__:
                    kept.cache_clear()


def hollow(table):
    names = ("values", "errors", "cumulative", "frequency")
    return replace(table, **{name: torch.empty_like(getattr(table, name)) for name in names})


def step_without_values(
    sky, optimizer="adamw", num_context=20, hook=lambda *_: None, sizes=SIZES, shown=None
):
    """The terms of a step as on an accelerator: adaptation, bfloat16, noise added."""
    masking = MaskingConfig(fresh_noise=True, calibration_err=0.04, views=shown)
    config = replace(CONFIG, optimizer=optimizer, precision="bfloat16", masking=masking)
    with without_values():
        mocks, jpas = (hollow(table) for table in sky[:2])
        model = toy_model(sizes)
        objective = Objective(model, mocks.scaling, config.adaptation, precision="bfloat16")
        objective.model.heads.register_forward_hook(hook)
        steppers = optimizers(objective, config)
        drawn = {"num_context": num_context, "generator": None}
        asked = batch.draw_batch(mocks, masking, batch_size=config.batch_size, **drawn)
        weights = batch.token_weights(mocks.frequency, masking.max_token_weight)
        unlabelled = batch.draw_context(
            jpas, weights, batch_size=config.jpas_batch_size, config=masking, **drawn
        )
        return _step(0, objective, steppers, config, asked, unlabelled)


@pytest.mark.parametrize("num_context", [20, 60], ids=["full", "padded"])
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_step_never_waits_for_the_device(sky, optimizer, num_context):
    terms = step_without_values(sky, optimizer, num_context)
    assert {"loss", "mmd", "entropy", "ess", "gradient_norm"} <= set(terms)
    assert all(isinstance(term, FakeTensor) and not term.shape for term in terms.values())


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_step_of_patches_and_views_never_waits_either(sky, optimizer):
    terms = step_without_values(sky, optimizer, sizes=PATCHED, shown=ViewsConfig())
    assert "redshift" in terms
    assert all(isinstance(term, FakeTensor) and not term.shape for term in terms.values())


@pytest.mark.parametrize(
    "wait",
    [
        lambda mean: mean.sum().item(),
        lambda mean: bool((mean > 0).any()),
        lambda mean: mean[mean > 0],
        lambda mean: mean.nonzero(),
    ],
    ids=["item", "bool", "mask", "nonzero"],
)
def test_a_step_that_waits_for_the_device_would_be_found(sky, wait):
    def hook(heads, asked, answers):
        wait(answers.mean)

    with pytest.raises((DataDependentOutputException, DynamicOutputShapeException)):
        step_without_values(sky, hook=hook)


def test_too_many_targets_for_a_source_are_an_error(sky):
    mocks, jpas, _ = sky
    greedy = replace(CONFIG, masking=MaskingConfig(num_targets=61))
    with pytest.raises(ValueError, match="leaves no context beside 61 targets"):
        next(fit(toy_model(), mocks, jpas, greedy))


def test_a_batch_must_be_shared_evenly(sky):
    mocks, jpas, _ = sky
    with pytest.raises(ValueError, match="batch_size is 32, not a multiple of 3 workers"):
        next(fit(toy_model(), mocks, jpas, CONFIG, world_size=3))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"preset": "huge"}, "preset 'huge' is not known"),
        ({"num_epochs": 0}, "train.num_epochs is 0"),
        ({"learning_rate": 0.0}, "train.learning_rate is 0"),
    ],
)
def test_settings_out_of_range_are_errors(settings, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**settings)


SHARED = replace(CONFIG, num_epochs=2, adaptation=AdaptationConfig(detach_source=False))
WAYS = {
    "a token per band": (UNDROPPED, SHARED),
    "patches": (PATCHED, replace(PATCHES, num_epochs=2)),
}


def train_as_worker(rank, world_size, directory, way):
    sizes, config = WAYS[way]
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{directory}/meet", rank=rank, world_size=world_size
    )
    mocks, jpas, _ = tables()
    network = toy_model(sizes)  # without dropout, which is each worker's own
    losses = curve(
        fit(
            network,
            mocks,
            jpas,
            config,
            rank=rank,
            world_size=world_size,
            wrap=lambda module: torch.nn.parallel.DistributedDataParallel(
                module, find_unused_parameters=True
            ),
        )
    )
    torch.save((losses, network.state_dict()), f"{directory}/rank{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="gloo meets in a file")
@pytest.mark.parametrize("way", WAYS)
def test_two_workers_train_as_one_does(sky, tmp_path, way):
    """Same batches, terms and gradients; sums in another order differ by float32 rounding."""
    mocks, jpas, _ = sky
    sizes, config = WAYS[way]
    network = toy_model(sizes)
    expected = curve(fit(network, mocks, jpas, config))
    mp.spawn(train_as_worker, args=(2, str(tmp_path), way), nprocs=2)
    for rank in (0, 1):
        losses, weights = torch.load(tmp_path / f"rank{rank}.pt", weights_only=True)
        assert losses == pytest.approx(expected, rel=1e-4)
        for name, tensor in network.state_dict().items():
            assert torch.allclose(weights[name], tensor, atol=1e-3), name
