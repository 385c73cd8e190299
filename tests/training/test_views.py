"""What a source is shown where every label is asked for."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
from toy_sky import toy_table

from ojala.model.redshift import REDSHIFT_IDS
from ojala.training.batch import MaskingConfig, draw_batch, draw_context, token_weights
from ojala.training.resident import IS_LABEL, measured_scaling, resident
from ojala.training.views import BESIDE, ViewsConfig
from ojala.vocabulary.bands import narrow_bands
from ojala.vocabulary.quantities import vocabulary

LABEL_IDS = torch.nonzero(torch.from_numpy(IS_LABEL)).flatten() + 1
TRAY_OF = {vocabulary().index(band.token) + 1: band.tray for band in narrow_bands()}
NARROW_IDS = torch.tensor(sorted(TRAY_OF))
BESIDE_IDS = torch.tensor(sorted(vocabulary().index(t) + 1 for part in BESIDE for t in part))
LOGM_ID, SPECTYPE_ID = (vocabulary().index(token) + 1 for token in ("LOGM", "SPECTYPE"))
NUM = 3000


@pytest.fixture(scope="module")
def mocks():
    table = toy_table(300, missing=0.1)
    return resident(table, measured_scaling(table), labelled=True)


def draw(mocks, part=slice(None), seed=0, **shares):
    views = replace(ViewsConfig(complete_share=0, tray_share=0, label_context=0), **shares)
    masking = MaskingConfig(views=views, keep_min_frac=0.2)
    generator = torch.Generator().manual_seed(seed)
    drawn = {"batch_size": NUM, "num_context": 5, "generator": generator, "part": part}
    batch = draw_batch(mocks, masking, **drawn)
    rows = mocks.draw(NUM, torch.Generator().manual_seed(seed))[part]
    return batch, torch.isfinite(mocks.values[rows])


def is_in(ids, wanted):
    return torch.isin(ids, wanted)


def test_every_label_of_a_source_is_asked_for_and_none_is_shown(mocks):
    batch, present = draw(mocks, complete_share=0.5, tray_share=0.3)
    asked = is_in(batch.query_ids, LABEL_IDS).sum(dim=1)
    assert torch.equal(asked, present[:, LABEL_IDS - 1].sum(dim=1))
    assert not is_in(batch.context.ids, LABEL_IDS).any()
    assert batch.photometric.all()


def test_a_complete_context_holds_all_that_was_observed_and_no_band_is_asked_for(mocks):
    batch, present = draw(mocks, complete_share=1.0)
    observed = present[:, ~torch.from_numpy(IS_LABEL)].sum(dim=1)
    assert torch.equal((batch.context.ids > 0).sum(dim=1), observed)
    assert not ((batch.query_ids > 0) & ~is_in(batch.query_ids, LABEL_IDS)).any()


def test_each_survey_beside_j_pas_is_hidden_alone_whatever_else_is_shown(mocks):
    batch, present = draw(mocks, complete_share=0.5, tray_share=0.3, hidden_survey=0.3)
    complete = ~((batch.query_ids > 0) & ~is_in(batch.query_ids, LABEL_IDS)).any(dim=1)
    hidden = []
    for part in BESIDE:
        ids = torch.tensor([vocabulary().index(token) + 1 for token in part])
        there = complete & present[:, ids - 1].any(dim=1)
        shown = is_in(batch.context.ids, ids).sum(dim=1)
        whole = present[:, ids - 1].sum(dim=1)
        assert ((shown == 0) | (shown == whole))[there].all()
        hidden.append((shown == 0)[there])
        assert float(hidden[-1].float().mean()) == pytest.approx(0.3, abs=0.05)
    narrow = is_in(batch.context.ids, NARROW_IDS).sum(dim=1)
    assert torch.equal(narrow[complete], present[:, NARROW_IDS - 1].sum(dim=1)[complete])


def test_who_has_nothing_but_what_is_hidden_is_shown_it(mocks):
    only = mocks.values[:, BESIDE_IDS - 1]
    values = torch.full_like(mocks.values, torch.nan)
    values[:, BESIDE_IDS - 1] = torch.where(torch.isfinite(only), only, 0.0)
    poor = replace(mocks, values=values)
    batch, _ = draw(poor, complete_share=1.0, hidden_survey=1.0)
    assert ((batch.context.ids > 0).sum(dim=1) == len(BESIDE_IDS)).all()


def test_the_share_of_complete_contexts_is_what_was_asked_for(mocks):
    batch, _ = draw(mocks, complete_share=0.4)
    asks_bands = ((batch.query_ids > 0) & ~is_in(batch.query_ids, LABEL_IDS)).any(dim=1)
    assert float((~asks_bands).float().mean()) == pytest.approx(0.4, abs=0.04)


def test_trays_are_whole_and_as_often_none_as_all(mocks):
    batch, present = draw(mocks, tray_share=1.0, num_bands=0)
    numbers = Counter()
    for ids, observed in zip(batch.context.ids[:600], present[:600], strict=True):
        shown = set(ids[ids > 0].tolist())
        trays = {TRAY_OF[token_id] for token_id in shown & set(TRAY_OF)}
        numbers[len(trays)] += 1
        for token_id in TRAY_OF:
            if observed[token_id - 1]:
                assert (token_id in shown) == (TRAY_OF[token_id] in trays)
    assert all(numbers[number] > 60 for number in range(5))


def test_without_a_narrow_band_half_of_the_sources_have_no_i(mocks):
    batch, _ = draw(mocks, tray_share=1.0, num_bands=0)
    without = ~is_in(batch.context.ids, NARROW_IDS).any(dim=1)
    has_i = (batch.context.ids == vocabulary().index("MAG_i") + 1).any(dim=1)
    assert float(has_i[without].float().mean()) == pytest.approx(0.5, abs=0.1)
    assert has_i[~without].all()


def test_of_a_share_of_the_sources_some_labels_are_shown_and_the_others_asked_for(mocks):
    batch, present = draw(mocks, complete_share=0.5, tray_share=0.3, label_context=0.4)
    labels = present[:, LABEL_IDS - 1].sum(dim=1)
    shown = is_in(batch.context.ids, LABEL_IDS).sum(dim=1)
    asked = is_in(batch.query_ids, LABEL_IDS).sum(dim=1)
    assert torch.equal(shown + asked, labels)
    assert (asked > 0).all()
    assert float((shown > 0).float().mean()) == pytest.approx(0.4, abs=0.03)
    assert torch.equal(batch.photometric, shown == 0)


def test_few_labels_are_known_more_often_than_many_and_redshifts_soonest(mocks):
    batch, _ = draw(mocks, complete_share=1.0, label_context=1.0)
    shown = is_in(batch.context.ids, LABEL_IDS).sum(dim=1)
    numbers = Counter(shown.tolist())
    assert numbers[1] > numbers[2] > numbers[3] > numbers[5] > 0
    alone = batch.context.ids[(shown == 1) & (batch.query_ids == SPECTYPE_ID).any(dim=1)]
    redshifts, mass = (
        int(is_in(alone, torch.tensor(ids)).sum()) for ids in (REDSHIFT_IDS, [LOGM_ID])
    )
    assert redshifts > 2 * mass > 0


def test_known_labels_stand_beside_all_that_the_view_shows(mocks):
    known, present = draw(mocks, complete_share=1.0, label_context=1.0)
    observed = (known.context.ids > 0) & ~is_in(known.context.ids, LABEL_IDS)
    assert torch.equal(observed.sum(dim=1), present[:, ~torch.from_numpy(IS_LABEL)].sum(dim=1))


def test_what_is_asked_for_is_not_shown_and_values_are_the_tables(mocks):
    batch, _ = draw(mocks, complete_share=0.3, tray_share=0.3, label_context=0.2)
    rows = mocks.draw(NUM, torch.Generator().manual_seed(0))
    for shown, asked in zip(batch.context.ids[:300], batch.query_ids[:300], strict=True):
        assert not set(shown[shown > 0].tolist()) & set(asked[asked > 0].tolist())
    taken = batch.context.ids > 0
    values = mocks.values[rows]
    assert torch.equal(batch.context.values[taken], values[taken])
    assert (batch.context.values[~taken] == 0).all()
    assert taken.any(dim=1).all()


def test_workers_together_draw_the_batch_of_one(mocks):
    shares = {"complete_share": 0.3, "tray_share": 0.3, "label_context": 0.2}
    whole, _ = draw(mocks, **shares)
    halves = [draw(mocks, part=half, **shares)[0] for half in (slice(0, 1500), slice(1500, NUM))]
    for name in ("query_ids", "targets"):
        parts = [getattr(half, name) for half in halves]
        # As many targets as the part of a batch that has most: the same columns, or fewer.
        assert torch.equal(torch.cat(parts), getattr(whole, name))
    assert torch.equal(torch.cat([half.context.ids for half in halves]), whole.context.ids)


def test_jpas_is_shown_as_the_mocks_are():
    table = toy_table(100, seed=1, labelled=False, missing=0.1)
    jpas = resident(table, measured_scaling(toy_table(100)), labelled=False)
    masking = MaskingConfig(views=ViewsConfig(complete_share=1.0))
    context = draw_context(
        jpas,
        token_weights(jpas.frequency, 1000.0),
        batch_size=50,
        num_context=5,
        generator=torch.Generator().manual_seed(2),
        config=masking,
    )
    rows = jpas.draw(50, torch.Generator().manual_seed(2))
    assert torch.equal(context.ids > 0, torch.isfinite(jpas.values[rows]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"complete_share": 1.1}, "views.complete_share is 1.1"),
        ({"label_context": -0.1}, "views.label_context is -0.1"),
        ({"num_bands": -1}, "views.num_bands is -1"),
    ],
)
def test_shares_out_of_range_are_errors(change, message):
    with pytest.raises(ValueError, match=message):
        ViewsConfig(**change)
