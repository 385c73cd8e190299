import numpy as np
import pytest
from toy_training_set import errors_of

from ojala.measures.metrics import error_correlation
from ojala.training_set.noise_comparison import NARROW, distances, error_sets


def sources(num, shared, seed):
    mag_i, flux_err = errors_of(num, shared, seed)
    columns = {"MAG_i": mag_i, "targetid": np.arange(num), "SPECTYPE": np.arange(num) % 3}
    columns |= {token: np.ones(num) for token in NARROW}
    return columns | {f"{token}_ERR": flux_err[:, k] for k, token in enumerate(NARROW)}


def test_correlation_is_what_is_left_beside_the_trend_with_magnitude():
    together, alone = sources(4000, 1.0, 0), sources(4000, 0.0, 0)
    for columns, low, high in ((together, 0.99, 1.0), (alone, -0.1, 0.1)):
        errors = np.stack([columns[f"{token}_ERR"] for token in NARROW], axis=1)
        assert low < error_correlation(columns["MAG_i"], errors)[3, 40] <= high


def test_errors_that_keep_together_are_nearer_to_jpas_than_those_of_the_magnitude_alone():
    matched, jpas = sources(2000, 0.9, 1), sources(3000, 0.9, 2)
    noisy = matched | {"targetid": matched["targetid"].copy()}
    found = distances(error_sets(matched, noisy, jpas, np.random.default_rng(3)))
    assert set(found["similar donor"].values()) == {0.0}
    assert found["magnitude alone"]["correlation"] > 0.7
    assert found["magnitude alone"]["log_snr"] == pytest.approx(0, abs=0.05)
    assert found["magnitude alone"]["log_snr_of_class"] == pytest.approx(0, abs=0.05)
    assert found["magnitude alone"]["log_error"] == pytest.approx(np.sqrt(2) * 0.13 * 0.9, rel=0.2)


def test_a_class_that_is_noisier_at_its_magnitude_is_seen_class_by_class():
    matched, jpas = sources(6000, 0.9, 7), sources(6000, 0.9, 8)
    for columns in (matched, jpas):
        for token in NARROW:
            columns[f"{token}_ERR"] *= np.where(columns["SPECTYPE"] == 0, 2.0, 1.0)
    found = distances(error_sets(matched, dict(matched), jpas, np.random.default_rng(9)))
    alone = found["magnitude alone"]
    assert found["similar donor"]["log_snr_of_class"] == 0.0
    assert alone["log_snr_of_class"] > 2 * alone["log_snr"]


def test_sources_are_joined_and_those_with_missing_bands_or_out_of_range_left_out():
    matched, noisy = sources(500, 0.5, 4), sources(500, 0.5, 5)
    matched["targetid"] = np.arange(500) + 100
    noisy["J0660"][100:110] = np.nan
    matched["MAG_i"][10:20] = 24.0
    sets = error_sets(matched, noisy, sources(500, 0.5, 6), np.random.default_rng(0))
    assert len(sets["J-PAS"].mag_i) == len(sets["similar donor"].mag_i) == 380
