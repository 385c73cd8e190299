"""Neighbouring bands as tokens: every subset is a context, and what is missing is told apart."""

from dataclasses import replace

import pytest
import torch
from toy_model import PATCHED, toy_model

from ojala.model.patches import I_BAND, PatchEmbedding, patches
from ojala.model.presets import PatchConfig
from ojala.vocabulary.bands import narrow_bands
from ojala.vocabulary.quantities import observations, queries, vocabulary

NARROW = [band.token_id for band in narrow_bands()]


def sizes(bands=6, reach=3):
    return PatchConfig(
        bands=bands,
        reach=reach,
        value_width=4,
        num_summaries=2,
        summary_width=8,
        summary_layers=1,
    )


def context(tokens, values=None):
    ids = torch.tensor([[vocabulary().index(token) + 1 for token in tokens]])
    return ids, torch.ones(ids.shape) if values is None else torch.tensor([values])


@pytest.mark.parametrize(("bands", "reach"), [(6, 3), (9, 0), (7, 2), (54, 5)])
def test_every_observation_is_in_a_patch_and_every_patch_sees_i(bands, reach):
    members = patches(sizes(bands, reach))
    observed = {vocabulary().index(token) + 1 for token in observations()}
    assert set(members.flatten().tolist()) - {0} == observed
    assert (members == I_BAND).any(dim=1).all()
    for row in members[:-1].tolist():
        narrow = [token_id for token_id in row if token_id in NARROW]
        assert narrow == NARROW[NARROW.index(narrow[0]) :][: len(narrow)]


def test_answers_do_not_depend_on_the_order_or_the_padding_of_a_context():
    model = toy_model(PATCHED).eval()
    ids, values = context(["J0400", "MAG_i", "MORPHTYPE"], [0.3, -1.0, 2.0])
    asked = torch.tensor([[vocabulary().index("LOGM") + 1]])
    expected = model(ids, values, asked).mean
    turned = model(ids.flip(1), values.flip(1), asked).mean
    padded = model(
        torch.cat([ids, torch.zeros(1, 4, dtype=torch.long)], dim=1),
        torch.cat([values, torch.full((1, 4), 7.0)], dim=1),
        asked,
        torch.tensor([[False] * 3 + [True] * 4]),
    ).mean
    assert torch.allclose(turned, expected, atol=1e-6)
    assert torch.allclose(padded, expected, atol=1e-6)


@pytest.mark.parametrize("token", ["J0400", "MAG_W1", "MORPHTYPE", "Z_GAL", "SPECTYPE"])
def test_a_value_of_0_is_not_a_missing_one(token):
    model = toy_model(PATCHED).eval()
    without = model.encode(*context(["MAG_i"], [0.5]))
    with_zero = model.encode(*context(["MAG_i", token], [0.5, 0.0]))
    assert not torch.allclose(without, with_zero, atol=1e-4)


@pytest.mark.parametrize("labels_in_summaries", [False, True])
def test_labels_move_their_own_token_and_summaries_that_see_them(labels_in_summaries):
    torch.manual_seed(0)
    config = replace(sizes(), labels_in_summaries=labels_in_summaries)
    embedding = PatchEmbedding(16, 8, config)
    own = len(embedding.position_GD)
    expected = [own, own + 1, own + 2] if labels_in_summaries else [own]
    for token in queries():
        without = embedding(*context(["MAG_i"], [0.5]))
        known = embedding(*context(["MAG_i", token], [0.5, 1.0]))
        moved = (without - known).abs().amax(dim=(0, 2)) > 0
        assert moved.nonzero().flatten().tolist() == expected


def test_a_category_is_not_a_number():
    """Types 0, 1, 2 are not on a line."""
    embedding = toy_model(PATCHED).embedding
    zero, one, two = (
        embedding(*context(["MAG_i", "MORPHTYPE"], [0.5, float(code)])) for code in range(3)
    )
    assert not torch.allclose(two - one, one - zero, atol=1e-3)


def test_what_lies_aside_moves_redshifts_and_nothing_else():
    model = toy_model(PATCHED).eval()
    ids, values = context(["MAG_i", "J0400"], [0.5, 0.2])
    asked = torch.tensor([[vocabulary().index(token) + 1 for token in ("Z_GAL", "LOGM")]])
    memory = model.encode(ids, values)
    torch.nn.init.normal_(model.beside.steps.weight)
    before = model.answer(memory, asked)
    moved = memory.clone()
    moved[:, -model.num_aside :] += 1.0
    after = model.answer(moved, asked)
    assert not torch.allclose(before.redshift, after.redshift)
    assert torch.equal(before.mean, after.mean)
    assert torch.equal(before.spectype, after.spectype)
    assert torch.equal(model.pooled(memory), model.pooled(moved))


def test_what_lies_aside_is_the_hidden_layer_that_the_summaries_are_written_from():
    model = toy_model(PATCHED).eval()
    summaries = model.embedding.summaries
    hidden = []
    summaries.write.register_forward_pre_hook(lambda _, given: hidden.append(given[0]))
    memory = model.encode(*context(["MAG_i", "J0400"], [0.5, 0.2]))
    assert torch.equal(memory[:, -model.num_aside :].flatten(1), hidden[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"redshift_steps": 0}, "hidden_in_memory is for redshifts by steps"),
        ({"width": 64, "encoder_heads": (4,)}, "summary_width is 32, no multiple of the width 64"),
    ],
)
def test_a_hidden_layer_that_cannot_lie_aside_is_an_error(change, message):
    with pytest.raises(ValueError, match=message):
        replace(PATCHED, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bands": 0}, "patches.bands is 0"),
        ({"reach": -1}, "patches.reach is -1"),
        ({"num_summaries": 0}, "patches.num_summaries is 0"),
    ],
)
def test_sizes_out_of_range_are_errors(change, message):
    given = vars(sizes()) | change
    with pytest.raises(ValueError, match=message):
        PatchConfig(**given)
