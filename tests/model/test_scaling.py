"""Scaling is invertible, robust and remembered."""

import json

import numpy as np
import pytest

from ojala.model.scaling import Scaling, measured
from ojala.vocabulary.quantities import vocabulary


@pytest.fixture(scope="module")
def columns():
    rng = np.random.default_rng(0)
    return {
        "J0500": rng.normal(0.98, 0.3, 5000),
        "MAG_i": rng.normal(19.6, 1.2, 5000),
        "HALPHA_6562_EW": rng.lognormal(2, 1.5, 5000) - 1,
        "Z_GAL": np.where(rng.random(5000) < 0.5, rng.gamma(4, 0.1, 5000), np.nan),
        "SPECTYPE": rng.integers(0, 3, 5000).astype(float),
    }


@pytest.mark.parametrize("token", ["J0500", "MAG_i", "HALPHA_6562_EW", "Z_GAL"])
def test_scaled_values_have_median_0_and_sigma_1(columns, token):
    scaled, _ = measured(columns).scale(token, columns[token], np.ones(5000))
    scaled = scaled[np.isfinite(scaled)]
    assert np.median(scaled) == pytest.approx(0, abs=1e-9)
    assert 1.4826 * np.median(np.abs(scaled)) == pytest.approx(1)


@pytest.mark.parametrize("token", ["J0500", "HALPHA_6562_EW", "Z_GAL"])
def test_unscale_inverts_scale(columns, token):
    scaling = measured(columns)
    value, error = columns[token], np.full(5000, 0.3)
    back, back_err = scaling.unscale(token, *scaling.scale(token, value, error))
    assert np.allclose(back, value, equal_nan=True)
    assert np.allclose(back_err[np.isfinite(value)], 0.3)


def test_errors_of_equivalent_widths_follow_the_slope():
    """The 1 sigma of asinh(EW) is that of many noisy draws."""
    scaling = measured({"HALPHA_6562_EW": np.linspace(0, 100, 1001)})
    draws = np.random.default_rng(1).normal(30, 1.0, 100_000)
    scaled, _ = scaling.scale("HALPHA_6562_EW", draws, draws)
    _, error = scaling.scale("HALPHA_6562_EW", np.array([30.0]), np.array([1.0]))
    assert np.std(scaled) == pytest.approx(error[0], rel=0.02)


def test_asinh_keeps_the_tail_that_a_linear_scale_stretches(columns):
    extreme = np.array([1000.0])
    curved, _ = measured(columns).scale("HALPHA_6562_EW", extreme, extreme)
    linear = measured(columns, ew_transform="linear")
    straight, _ = linear.scale("HALPHA_6562_EW", extreme, extreme)
    assert curved[0] < 6 < 50 < straight[0]


def test_codes_pass_unchanged(columns):
    scaled, _ = measured(columns).scale("SPECTYPE", columns["SPECTYPE"], np.zeros(5000))
    assert np.array_equal(scaled, columns["SPECTYPE"])


def test_medians_are_those_of_the_weighted_sample(columns):
    weight = np.where(columns["MAG_i"] > 21, 1.0, 0.0)
    faint = measured(columns, weight=weight).median[vocabulary().index("MAG_i")]
    assert faint == pytest.approx(np.median(columns["MAG_i"][columns["MAG_i"] > 21]), abs=0.05)


def test_a_constant_column_can_be_scaled():
    scaling = measured({"FEH": np.full(100, -0.5)})
    assert scaling.sigma[vocabulary().index("FEH")] == 1


def test_written_and_read_back_is_the_same(columns, tmp_path):
    scaling = measured(columns)
    scaling.write(tmp_path / "scaling.json")
    again = Scaling.read(tmp_path / "scaling.json")
    assert np.array_equal(again.median, scaling.median)
    assert np.array_equal(again.sigma, scaling.sigma)
    assert again.transforms == scaling.transforms


def test_a_broken_scaling_is_named(columns, tmp_path):
    path = tmp_path / "scaling.json"
    measured(columns).write(path)
    content = json.loads(path.read_text())
    content["J0500"]["sigma"] = 0.0
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="J0500: cannot scale with median"):
        Scaling.read(path)
    del content["J0500"]
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="the scaling lacks 'J0500'"):
        Scaling.read(path)
