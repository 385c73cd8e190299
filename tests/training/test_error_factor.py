"""Errors are made half of an interval that holds 68 % of held-out sources."""

import numpy as np
import pytest
import torch
from toy_model import PATCHED, UNDROPPED, toy_model
from toy_sky import toy_table

from ojala.model.answers import OutputHeads
from ojala.model.bundle import Bundle
from ojala.model.predictor import Predictor
from ojala.tables.shards import columns_of
from ojala.training.error_factor import BOUNDS, ENOUGH, least_factor, set_error_factors
from ojala.training.resident import measured_scaling, resident
from ojala.training.validation import calibrate
from ojala.vocabulary.quantities import queries, vocabulary


def test_a_residual_is_reached_by_its_factor_and_the_labels_own_error():
    residual, error = torch.tensor([1.3, -0.7, 0.1]), torch.tensor([0.5, 0.2, 0.4])
    label_err = torch.tensor([0.3, 0.0, 0.2])
    factor = least_factor(residual, error, label_err)
    reached = torch.sqrt((factor * error).square() + label_err.square())
    assert reached[:2] == pytest.approx(residual[:2].abs())
    assert factor[2] == 0, "the label alone is as wrong as that"


def heads_of(needed, steps=0):
    heads = OutputHeads(8, (), steps)
    set_error_factors(heads, needed)
    return {
        token: float(heads.error_factor_I[vocabulary().index(token) + 1]) for token in queries()
    }


def test_of_gaussian_errors_twice_too_small_the_factor_is_two():
    generator = torch.Generator().manual_seed(0)
    needed = 2 * torch.randn((20_000, len(queries())), generator=generator).abs()
    found = heads_of(needed, steps=10)
    assert found.pop("SPECTYPE") == 1
    assert found.pop("Z_GAL") == found.pop("Z_QSO") == 1, "steps say how sure they are themselves"
    assert list(found.values()) == pytest.approx([2] * len(found), rel=0.03)
    assert heads_of(needed)["Z_GAL"] == pytest.approx(2, rel=0.03)


def test_a_few_labels_change_nothing_and_no_factor_is_without_bounds():
    needed = torch.full((ENOUGH, len(queries())), 100.0)
    needed[:, 3], needed[0, 4] = 0.0, torch.nan
    found = heads_of(needed, steps=10)
    number = [token for token in queries() if token not in ("SPECTYPE", "Z_GAL", "Z_QSO")]
    expected = {token: BOUNDS[1] for token in number}
    expected |= {queries()[3]: BOUNDS[0], queries()[4]: 1.0}
    assert {token: found[token] for token in number} == pytest.approx(
        {token: expected[token] for token in number}
    )


@pytest.mark.parametrize("sizes", [UNDROPPED, PATCHED], ids=["Gaussians", "steps"])
def test_68_percent_of_the_held_out_sources_lie_within_an_error(sizes):
    table = toy_table(600, seed=4)
    scaling, model = measured_scaling(table), toy_model(sizes)
    calibrate(model, resident(table, scaling, labelled=True))
    truth = columns_of(table)
    answers = Predictor(Bundle(model=model.eval(), scaling=scaling)).predict(truth)
    for token in ("LOGM", "TEFF", "LOGSFR"):
        sigma = np.hypot(answers[f"{token}_ERR"], truth[f"{token}_ERR"])
        deviate = ((answers[token] - truth[token]) / sigma)[np.isfinite(truth[token])]
        assert np.mean(np.abs(deviate) < 1) == pytest.approx(0.6827, abs=0.03), token
