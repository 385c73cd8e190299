"""New noise at every draw: the errors' size, the zero-points' pattern, and labels untouched."""

from dataclasses import replace

import pytest
import torch
from toy_sky import toy_table

from ojala.training.fresh_noise import renoised
from ojala.training.resident import IS_BAND, measured_scaling, resident
from ojala.training_set.noise import PERTURBED
from ojala.vocabulary.quantities import vocabulary

NUM = 20_000
IS_NARROW = torch.tensor([token in PERTURBED[:-1] for token in vocabulary()])
I_BAND = vocabulary().index("MAG_i")


@pytest.fixture(scope="module")
def mocks():
    table = toy_table(50, missing=0.1)
    mocks = resident(table, measured_scaling(table), labelled=True)
    return replace(mocks, clean=mocks.values + 2.0)


def draws(mocks, calibration_err=0.0, row=3, num=NUM):
    deviates = torch.randn(2, num, 76, generator=torch.Generator().manual_seed(0))
    return renoised(mocks, torch.full((num,), row), calibration_err, deviates)


def test_noise_is_about_the_noiseless_values_with_the_stated_errors(mocks):
    found = draws(mocks)
    observed = torch.from_numpy(IS_BAND) & torch.isfinite(mocks.values[3])
    pull = (found - mocks.clean[3])[:, observed] / mocks.errors[3, observed]
    assert pull.mean(dim=0).abs().max() < 0.04
    assert (pull.std(dim=0) - 1).abs().max() < 0.04


def test_missing_bands_stay_missing_and_labels_as_they_are(mocks):
    known = replace(mocks, clean=torch.where(torch.from_numpy(IS_BAND), mocks.clean, torch.nan))
    found = draws(known, 0.04, num=10)
    assert torch.equal(torch.isnan(found), torch.isnan(known.values[3]).expand(10, -1))
    others = ~torch.from_numpy(IS_BAND) & torch.isfinite(known.values[3])
    assert torch.equal(found[:, others], known.values[3, others].expand(10, -1))


def test_a_table_without_noiseless_values_is_taken_as_noiseless(mocks):
    found = draws(replace(mocks, clean=None))
    observed = torch.from_numpy(IS_BAND) & torch.isfinite(mocks.values[3])
    offset = (found.mean(dim=0) - mocks.values[3])[observed]
    assert (offset / mocks.errors[3, observed]).abs().max() < 0.04


def test_zero_points_move_bands_singly_and_that_of_i_all_of_them_together(mocks):
    """Variances of ln flux: 2 s^2 each, s^2 in common, with s = 0.4 ln 10 x 0.04 mag."""
    quiet = replace(mocks, errors=torch.zeros_like(mocks.errors))
    found = draws(quiet, 0.04)
    scale, offset = (
        torch.from_numpy(part).float() for part in (mocks.scaling.sigma, mocks.scaling.median)
    )
    observed = IS_NARROW & torch.isfinite(mocks.values[3])
    flux = (found * scale + offset)[:, observed]
    logarithm = (flux / (mocks.clean[3] * scale + offset)[observed]).log()
    size = 0.4 * 2.302585 * 0.04
    assert torch.allclose(logarithm.std(dim=0), torch.tensor(size * 2**0.5), rtol=0.05)
    covariance = torch.cov(logarithm.T)
    between = covariance[~torch.eye(len(covariance), dtype=torch.bool)]
    assert float(between.mean()) == pytest.approx(size**2, rel=0.05)
    magnitude = found[:, I_BAND] * scale[I_BAND]
    assert float(magnitude.std()) == pytest.approx(0.04, rel=0.05)
    together = torch.stack([magnitude, logarithm.mean(dim=1)])
    assert torch.corrcoef(together)[0, 1] > 0.95
