"""The resident table: what is missing stays missing, weights are obeyed, errors are sentences."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from toy_sky import toy_table

from ojala.training.resident import measured_scaling, resident
from ojala.vocabulary.quantities import vocabulary


@pytest.fixture(scope="module")
def table():
    return toy_table(400, missing=0.1)


@pytest.fixture(scope="module")
def scaling(table):
    return measured_scaling(table)


def replaced(table, name, values):
    position = table.column_names.index(name)
    return table.set_column(position, table.schema.field(name), [values])


def index(token):
    return vocabulary().index(token)


def test_missing_values_and_codes_are_nan(table, scaling):
    mocks = resident(table, scaling, labelled=True)
    missing = np.isnan(table["J0500"].to_numpy())
    assert np.array_equal(torch.isnan(mocks.values[:, index("J0500")]).numpy(), missing)
    assert torch.isfinite(mocks.values[:, index("SPECTYPE")]).all()
    is_star = table["spectype"].to_numpy() == "STAR"
    assert np.array_equal(torch.isfinite(mocks.values[:, index("TEFF")]).numpy(), is_star)


def test_a_band_whose_error_is_not_positive_is_missing(table, scaling):
    errors = table["J0500_ERR"].to_numpy().copy()
    errors[3], errors[4] = 0.0, np.nan
    mocks = resident(replaced(table, "J0500_ERR", errors), scaling, labelled=True)
    assert torch.isnan(mocks.values[3:5, index("J0500")]).all()


def test_a_label_without_error_is_exact(table, scaling):
    errors = np.full(table.num_rows, np.nan, dtype=np.float32)
    mocks = resident(replaced(table, "Z_GAL_ERR", errors), scaling, labelled=True)
    assert (mocks.errors[:, index("Z_GAL")] == 0).all()
    assert torch.isfinite(mocks.values[:, index("Z_GAL")]).any()


def test_sources_are_drawn_with_their_weights(table, scaling):
    mocks = resident(table, scaling, labelled=True)
    rows = mocks.draw(200_000, torch.Generator().manual_seed(0))
    weight = table["weight"].to_numpy()
    expected = 200_000 * weight / weight.sum()
    assert chisquare(np.bincount(rows, minlength=len(weight)), expected).pvalue > 1e-3


def test_a_weight_of_0_is_never_drawn(table, scaling):
    weight = np.zeros(table.num_rows)
    weight[[7, 11]] = 1.0, 3.0
    mocks = resident(replaced(table, "weight", weight), scaling, labelled=True)
    rows = mocks.draw(10_000, torch.Generator().manual_seed(0))
    assert set(rows.tolist()) == {7, 11}
    assert np.mean(rows.numpy() == 11) == pytest.approx(0.75, abs=0.02)


def test_frequencies_are_those_of_the_draws(table, scaling):
    mocks = resident(table, scaling, labelled=True)
    rows = mocks.draw(100_000, torch.Generator().manual_seed(0))
    seen = torch.isfinite(mocks.values[rows]).float().mean(dim=0)
    assert torch.allclose(seen, mocks.frequency, atol=0.01)


def test_splits_are_kept_apart(table, scaling):
    parts = [resident(table, scaling, labelled=True, split=split) for split in ("train", "val")]
    assert [len(part) for part in parts] == [320, 80]
    with pytest.raises(ValueError, match="no rows of split 'test'"):
        resident(table, scaling, labelled=True, split="test")


def test_float16_holds_what_it_must(table, scaling):
    single, half = (
        resident(table, scaling, labelled=True, dtype=dtype)
        for dtype in (torch.float32, torch.float16)
    )
    redshift = index("Z_GAL")
    known = torch.isfinite(single.values[:, redshift])
    moved = (half.values.float() - single.values)[known, redshift].abs().max()
    assert moved * scaling.sigma[redshift] < 5e-4
    assert torch.equal(torch.isnan(half.values), torch.isnan(single.values))


def test_jpas_needs_no_labels(scaling):
    jpas = resident(toy_table(50, labelled=False), scaling, labelled=False)
    assert torch.isnan(jpas.values[:, index("SPECTYPE")]).all()
    assert jpas.observed_range == (61, 61)


@pytest.mark.parametrize("name", ["J0660", "J0660_ERR", "LOGM", "MORPHTYPE"])
def test_a_missing_column_is_named(table, scaling, name):
    with pytest.raises(ValueError, match=f"lacks column {name}"):
        resident(table.drop_columns([name]), scaling, labelled=True)


@pytest.mark.parametrize("weight", [-1.0, np.nan])
def test_a_bad_weight_is_named(table, scaling, weight):
    weights = table["weight"].to_numpy().copy()
    weights[17] = weight
    with pytest.raises(ValueError, match="column weight, row 18:"):
        resident(replaced(table, "weight", weights), scaling, labelled=True)


def test_a_source_without_observations_is_named(table, scaling):
    for name in table.column_names:
        if name.startswith(("J0", "MAG_")):
            values = table[name].to_numpy().copy()
            values[5] = np.nan
            table = replaced(table, name, values)
    codes = table["MORPHTYPE"].to_numpy().copy()
    codes[5] = -1
    with pytest.raises(ValueError, match="row 6 of the table has no observed token"):
        resident(replaced(table, "MORPHTYPE", codes), scaling, labelled=True)
