"""Choice of context, queries and targets: the rules of Appendix A.3."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from toy_sky import toy_table

from ojala.model.context import full_context
from ojala.training.batch import (
    MaskingConfig,
    context_size,
    draw_batch,
    draw_context,
    token_weights,
)
from ojala.training.resident import IS_BAND, IS_LABEL, measured_scaling, resident
from ojala.vocabulary.quantities import vocabulary

MASKING = MaskingConfig()


@pytest.fixture(scope="module")
def mocks():
    table = toy_table(300, missing=0.1)
    return resident(table, measured_scaling(table), labelled=True)


def draw(mocks, num_context=20, masking=MASKING, batch_size=2000, seed=0, part=slice(None)):
    generator = torch.Generator().manual_seed(seed)
    return draw_batch(
        mocks,
        masking,
        batch_size=batch_size,
        num_context=num_context,
        generator=generator,
        part=part,
    )


def is_label(ids):
    return torch.from_numpy(np.concatenate([[False], IS_LABEL]))[ids]


def test_every_source_has_the_same_number_of_tokens_and_no_padding(mocks):
    batch = draw(mocks, num_context=20)
    assert batch.context.padding is None
    assert batch.context.ids.shape == (2000, 20)
    assert (batch.context.ids > 0).all()


def test_sources_with_fewer_tokens_are_padded(mocks):
    batch = draw(mocks, num_context=mocks.observed_range[1])
    assert batch.context.padding.any()
    assert torch.equal(batch.context.padding, batch.context.ids == 0)
    assert (batch.context.values[batch.context.padding] == 0).all()
    assert (~batch.context.padding).any(dim=1).all()


def test_tokens_are_not_repeated_and_targets_not_in_the_context(mocks):
    batch = draw(mocks)
    ids = torch.cat([batch.context.ids, batch.query_ids], dim=1).sort(dim=1).values
    assert (ids[:, 1:] != ids[:, :-1]).all()


def test_values_belong_to_their_tokens(mocks):
    generator = torch.Generator().manual_seed(0)
    rows = mocks.draw(2000, generator)
    batch = draw(mocks)
    expected = mocks.values[rows].gather(1, batch.context.ids - 1)
    assert torch.equal(batch.context.values, expected)
    assert torch.equal(batch.targets, mocks.values[rows].gather(1, batch.query_ids - 1))
    assert torch.equal(batch.target_errors, mocks.errors[rows].gather(1, batch.query_ids - 1))


def test_no_label_stays_beside_a_label_that_is_asked_for(mocks):
    batch = draw(mocks, num_context=50)
    asks_label = is_label(batch.query_ids).any(dim=1)
    has_label = is_label(batch.context.ids).any(dim=1)
    assert not (asks_label & has_label).any()
    assert has_label.any()  # a missing band may be asked for with labels in the context
    assert torch.equal(batch.photometric, ~has_label)


def test_the_rule_holds_for_any_of_the_targets_not_the_first_alone(mocks):
    batch = draw(mocks, num_context=50)
    later = ~is_label(batch.query_ids[:, 0]) & is_label(batch.query_ids[:, 1:]).any(dim=1)
    assert later.any()
    assert batch.photometric[later].all()


def test_first_targets_are_chosen_by_token_weight(mocks):
    """Of one source, the first of the race falls on a token in proportion to its weight."""
    rows = mocks.values[:1].expand(60_000, -1)
    single = resident_of(mocks, rows)
    batch = draw(single, masking=MaskingConfig(num_targets=1), batch_size=60_000)
    weights = token_weights(mocks.frequency, 1000.0) * torch.isfinite(mocks.values[0])
    counts = torch.bincount(batch.query_ids[:, 0] - 1, minlength=76).double()
    there = weights > 0
    expected = 60_000 * weights[there].double() / weights[there].double().sum()
    assert chisquare(counts[there], expected).pvalue > 1e-3


def resident_of(mocks, values):
    """The same table with other values, every row alike."""
    return replace(
        mocks,
        values=values,
        errors=torch.zeros_like(values),
        cumulative=torch.arange(1.0, len(values) + 1, dtype=torch.float64),
    )


def test_rare_tokens_are_asked_for_and_kept_more_often(mocks):
    batch = draw(mocks, batch_size=20_000, num_context=20)
    asked = torch.bincount(batch.query_ids.flatten(), minlength=77)[1:] / 20_000
    rare, frequent = vocabulary().index("Z_QSO"), vocabulary().index("MAG_i")
    assert asked[rare] / mocks.frequency[rare] > 2 * asked[frequent]


def test_token_weights_are_inverse_frequencies_with_a_cap():
    frequency = torch.tensor([1.0, 0.5, 1e-6, 0.0])
    assert token_weights(frequency, 1000.0).tolist() == pytest.approx([1, 2, 1000, 0])


def test_context_sizes_are_uniform_between_the_fractions():
    rng = np.random.default_rng(0)
    sizes = [context_size(MASKING, (50, 60), rng) for _ in range(20_000)]
    assert min(sizes) == 5
    assert max(sizes) == 60
    assert np.mean(np.array(sizes) <= 30) == pytest.approx(30.5 / 60, abs=0.02)
    narrow = MaskingConfig(keep_min_frac=0.5, keep_max_frac=0.7, size_multiple=8)
    assert {context_size(narrow, (50, 60), rng) for _ in range(100)} == {32, 40}


def test_workers_together_draw_the_batch_of_one(mocks):
    whole = draw(mocks, batch_size=100)
    halves = [draw(mocks, batch_size=100, part=part) for part in (slice(0, 50), slice(50, 100))]
    ids = torch.cat([half.context.ids for half in halves])
    assert torch.equal(whole.context.ids, ids)
    targets = torch.cat([half.targets for half in halves])
    assert torch.equal(whole.targets, targets)


def test_fresh_noise_has_the_errors_of_the_bands_and_leaves_labels_alone(mocks):
    noisy = draw(mocks, masking=MaskingConfig(fresh_noise=True), batch_size=20_000, num_context=20)
    rows = mocks.draw(20_000, torch.Generator().manual_seed(0))
    clean = mocks.values[rows].gather(1, noisy.query_ids - 1)
    is_band = torch.from_numpy(IS_BAND)[noisy.query_ids - 1]
    pull = ((noisy.targets - clean) / noisy.target_errors)[is_band]
    assert pull.mean() == pytest.approx(0, abs=0.02)
    assert pull.std() == pytest.approx(1, abs=0.02)
    assert torch.equal(noisy.targets[~is_band], clean[~is_band])


def test_few_tokens_leave_targets_empty(mocks):
    values = torch.full((10, 76), torch.nan)
    values[:, :3] = 1.0
    batch = draw(resident_of(mocks, values), batch_size=10, num_context=5)
    assert ((batch.query_ids > 0).sum(dim=1) == 3).all()
    assert torch.isfinite(batch.targets).all()


def test_contexts_of_jpas_hold_observations_alone(mocks):
    jpas = resident(toy_table(100, labelled=False, missing=0.2), mocks.scaling, labelled=False)
    context = draw_context(
        jpas,
        token_weights(mocks.frequency, 1000.0),
        batch_size=500,
        num_context=20,
        generator=torch.Generator().manual_seed(0),
    )
    assert context.padding is None
    assert not is_label(context.ids).any()


def test_full_context_holds_all_that_is_allowed(mocks):
    allowed = torch.from_numpy(~IS_LABEL)
    context = full_context(mocks.values[:20], allowed)
    present = torch.isfinite(mocks.values[:20]) & allowed
    assert torch.equal((context.ids > 0).sum(dim=1), present.sum(dim=1))
    assert torch.equal(context.padding, context.ids == 0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_targets": 0}, "masking.num_targets is 0"),
        ({"keep_min_frac": 0.7, "keep_max_frac": 0.5}, "keep_min_frac <= keep_max_frac"),
        ({"max_token_weight": 0.5}, "max_token_weight is 0.5"),
    ],
)
def test_settings_out_of_range_are_errors(settings, message):
    with pytest.raises(ValueError, match=message):
        MaskingConfig(**settings)
