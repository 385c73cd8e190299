"""A head learns what the embeddings know, and states as its own error what the labels' leave."""

import numpy as np
import pytest
import torch

from ojala.heads.fit import FinetuneConfig, fit
from ojala.heads.head import Head, HeadConfig
from ojala.heads.labels import Labelled
from ojala.model.likelihood import gaussian_nll

WIDTH = 8
CONFIG = FinetuneConfig(num_steps=400, batch_size=256, learning_rate=3e-3, dropout=0.0)


def labelled(value, error):
    return Labelled(photometry=None, value=value, error=np.broadcast_to(error, value.shape).copy())


def embeddings(num_sources, seed=0):
    rng = np.random.default_rng(seed)
    offset, spread = rng.normal(size=WIDTH), rng.uniform(0.01, 10, WIDTH)
    return (offset + spread * rng.normal(size=(num_sources, WIDTH))).astype(np.float32)


def held_out(num_sources):
    return np.arange(num_sources) % 5 == 0


def answers(fitted, embedded):
    settings = HeadConfig(
        name="a", quantity="Q", base="", width=WIDTH, median=fitted.median, sigma=fitted.sigma
    )
    answer = Head(config=settings, network=fitted.network, digest="").answer(embedded)
    return answer["Q"], answer["Q_ERR"]


def linear(embedded, slope=1e3, zero=1e4):
    """A quantity that is linear in the embeddings, in a unit of its own."""
    standard = (embedded - embedded.mean(axis=0)) / embedded.std(axis=0)
    return zero + slope * standard @ np.linspace(-1, 1, WIDTH)


def test_a_linear_function_of_the_embedding_is_recovered():
    embedded = embeddings(2000)
    value = linear(embedded)
    is_val = held_out(2000)
    fitted = fit(embedded, labelled(value, 0.0), is_val, CONFIG)
    given, error = answers(fitted, embedded[is_val])
    residual = given - value[is_val]
    assert np.std(residual) < 0.05 * np.std(value)
    assert np.median(error) < 0.1 * np.std(value)


@pytest.mark.parametrize(("label_err", "own"), [(0.0, 0.5), (0.4, 0.3)])
def test_the_stated_error_is_what_the_labels_own_leave(label_err, own):
    """Labels scatter by 0.5 in both; where 0.4 of it is said to be theirs, 0.3 is left."""
    rng = np.random.default_rng(1)
    embedded = embeddings(4000)
    value = 7 + 0.5 * rng.standard_normal(4000)
    fitted = fit(embedded, labelled(value, label_err), held_out(4000), CONFIG)
    given, error = answers(fitted, embedded[held_out(4000)])
    assert np.median(error) == pytest.approx(own, rel=0.12)
    assert np.median(given) == pytest.approx(7, abs=0.06)


def test_errors_follow_the_sources():
    """Half of the sources scatter five times as much, and the embedding tells which."""
    rng = np.random.default_rng(2)
    embedded = embeddings(4000)
    noisy = embedded[:, 0] > np.median(embedded[:, 0])
    value = np.where(noisy, 1.0, 0.2) * rng.standard_normal(4000)
    fitted = fit(embedded, labelled(value, 0.0), held_out(4000), CONFIG)
    _, error = answers(fitted, embedded)
    assert np.median(error[noisy]) == pytest.approx(1.0, rel=0.15)
    assert np.median(error[~noisy]) == pytest.approx(0.2, rel=0.25)


def test_labels_with_large_errors_count_for_less():
    """Two populations of labels disagree by 4: the answer follows the inverse variances."""
    rng = np.random.default_rng(3)
    embedded = embeddings(4000)
    poor = rng.random(4000) < 0.5
    value = np.where(poor, 4.0, 0.0) + np.where(poor, 8.0, 0.1) * rng.standard_normal(4000)
    fitted = fit(embedded, labelled(value, np.where(poor, 8.0, 0.1)), held_out(4000), CONFIG)
    given, _ = answers(fitted, embedded)
    assert abs(np.median(given)) < 0.3


def test_the_loss_is_the_likelihood_of_a_gaussian():
    """Eq. 2 against scipy's density, and its minimum over the variance at residual^2 - err^2."""
    from scipy.stats import norm

    residual, label_err, sigma = 1.3, 0.5, 0.7
    loss = gaussian_nll(
        torch.tensor(residual), torch.tensor(label_err), 2 * torch.tensor(sigma).log()
    )
    expected = -norm(0, np.hypot(sigma, label_err)).logpdf(residual) - 0.5 * np.log(2 * np.pi)
    assert float(loss) == pytest.approx(expected, rel=1e-6)
    log_variance = torch.linspace(-3, 3, 2001, dtype=torch.float64)
    losses = gaussian_nll(torch.tensor(residual), torch.tensor(label_err), log_variance)
    best = float(log_variance[losses.argmin()].exp())
    assert best == pytest.approx(residual**2 - label_err**2, rel=0.01)


def test_the_best_weights_are_kept_and_a_hopeless_training_ends_early():
    rng = np.random.default_rng(4)
    embedded, value = embeddings(120), rng.standard_normal(120)
    is_val = held_out(120)
    fitted = fit(embedded, labelled(value, 0.0), is_val, FinetuneConfig(learning_rate=3e-3))
    assert fitted.curve[-1]["step"] < 1000  # of 2000: noise is soon learnt by heart
    given, error = answers(fitted, embedded[is_val])
    scaled = (value[is_val] - given) / fitted.sigma
    nll = 0.5 * np.mean((scaled * fitted.sigma / error) ** 2 + 2 * np.log(error / fitted.sigma))
    least = min(check["val/loss"] for check in fitted.curve)
    assert nll == pytest.approx(least, abs=1e-4)


def test_the_same_seed_gives_the_same_head_whatever_came_before():
    embedded = embeddings(300)
    value, is_val = linear(embedded), held_out(300)
    short = FinetuneConfig(num_steps=20)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one = fit(embedded, labelled(value, 0.0), is_val, short)
    assert torch.equal(torch.get_rng_state(), before)  # nor does a head disturb what comes after
    torch.manual_seed(6)
    other = fit(embedded, labelled(value, 0.0), is_val, short)
    assert one.curve == other.curve
    for name, tensor in one.network.state_dict().items():
        assert torch.equal(tensor, other.network.state_dict()[name])


def test_labels_that_do_not_differ_are_learnt_as_a_constant():
    embedded = embeddings(200)
    fitted = fit(embedded, labelled(np.full(200, 42.0), 0.0), held_out(200), CONFIG)
    given, _ = answers(fitted, embedded)
    assert given == pytest.approx(42.0, abs=0.5)


def test_a_training_that_diverges_says_so():
    embedded = embeddings(200)
    embedded[7, 0] = np.inf
    with pytest.raises(ValueError, match="the training of the head diverged before step"):
        fit(embedded, labelled(linear(embeddings(200)), 0.0), held_out(200), CONFIG)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"num_steps": 0}, "finetune.num_steps is 0"),
        ({"learning_rate": 0.0}, "finetune.learning_rate is 0"),
        ({"dropout": 1.0}, "finetune.dropout is 1"),
        ({"weight_decay": -1.0}, "finetune.weight_decay is -1"),
    ],
)
def test_settings_out_of_range_are_errors(settings, said):
    with pytest.raises(ValueError, match=said):
        FinetuneConfig(**settings)
