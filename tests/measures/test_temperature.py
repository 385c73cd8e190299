"""A temperature is found where probabilities are wrong by one, and none where they are honest."""

import numpy as np
import pytest

from ojala.measures.temperature import Tempering, best


def drawn(num, seed, *, temperature=1.0, offsets=(0.0, 0.0, 0.0)):
    """Stated probabilities and true classes; honest ones are stated ^ (1 / temperature)."""
    rng = np.random.default_rng(seed)
    logits = 2.5 * rng.normal(size=(num, 3))
    honest = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    true = (honest.cumsum(axis=1) < rng.random((num, 1))).sum(axis=1)
    stated = np.exp((logits - np.array(offsets)) * temperature)
    return (stated / stated.sum(axis=1, keepdims=True)).astype(np.float32), true, honest


@pytest.mark.parametrize("temperature", [0.5, 1.7, 3.0])
def test_the_temperature_that_was_put_in_is_found(temperature):
    stated, true, honest = drawn(6000, 1, temperature=temperature)
    found = best(stated, true)
    assert found.temperature == pytest.approx(temperature, rel=0.06)
    assert np.abs(found.of(stated) - honest).mean() < 0.01
    assert np.array_equal(found.of(stated).argmax(axis=1), stated.argmax(axis=1)) or found.offsets


def test_offsets_of_the_classes_are_found_where_there_are_any():
    stated, true, _ = drawn(9000, 2, offsets=(0.0, 0.0, 1.5))
    found = best(stated, true)
    weight = (1 / np.bincount(true))[true]  # classes weigh the same: so do the honest ones
    assert len(found.offsets) == 2 and found.offsets[1] == pytest.approx(1.5, abs=0.25)
    loss = [-np.log(p[np.arange(9000), true]) @ weight for p in (found.of(stated), stated)]
    assert loss[0] < loss[1]


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_honest_probabilities_are_left_as_they_are_to_the_bit(seed):
    logits = 2.5 * np.random.default_rng(seed).normal(size=(3000, 3))
    logits = np.concatenate([np.roll(logits, shift, axis=1) for shift in range(3)])
    stated = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    draw = np.random.default_rng(seed + 10).random((9000, 1))
    true = (stated.cumsum(axis=1) < draw).sum(axis=1)
    found = best(stated, true)
    assert found == Tempering() and found.of(stated) is stated


def test_few_sources_teach_nothing():
    stated, true, _ = drawn(60, 6, temperature=4.0)
    assert best(stated, true) == Tempering()
    assert best(stated[:0], true[:0]) == Tempering()


def test_probabilities_add_up_and_certain_ones_stay_finite():
    found = Tempering(temperature=2.0, offsets=(0.3, -0.2))
    stated = np.array([[1.0, 0.0, 0.0], [0.2, 0.3, 0.5]], dtype=np.float32)
    told = found.of(stated)
    assert told.dtype == np.float32 and told.sum(axis=1) == pytest.approx([1.0, 1.0])
    assert np.isfinite(told).all() and told[0, 0] > 0.999
    with pytest.raises(ValueError, match="temperature is 0"):
        Tempering(temperature=0.0)
