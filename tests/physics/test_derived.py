import numpy as np
import pytest
from astropy import units as u

from ojala.physics.cosmology import COSMOLOGY
from ojala.physics.derived import derived

ERRORS = {
    "Z_GAL": 0.003,
    "HALPHA_CONT": 0.02,
    "HBETA_CONT": 0.03,
    "HALPHA_6562_EW": 1.5,
    "HBETA_4861_EW": 0.8,
    "OIII_5007_EW": 1.0,
    "NII_6584_EW": 0.5,
}
VALUES = {
    "Z_GAL": 0.1,
    "HALPHA_CONT": 0.95,
    "HBETA_CONT": 0.9,
    "HALPHA_6562_EW": 40.0,
    "HBETA_4861_EW": 10.0,
    "OIII_5007_EW": 12.0,
    "NII_6584_EW": 14.0,
}


def predicted(num=1, scale_errors=1.0, rng=None, **changed):
    columns = {}
    for name, value in (VALUES | changed).items():
        error = ERRORS[name] * scale_errors
        columns[name] = value + error * (rng.standard_normal(num) if rng else np.zeros(num))
        columns[f"{name}_ERR"] = np.full(num, error)
    return columns


def test_fluxes_follow_from_continuum_width_and_redshift():
    columns = derived(predicted(), np.array([500.0]))
    expected = 0.95 * 40 * 1.1 * 500e-19
    assert columns["FLUX_HALPHA"][0] == pytest.approx(expected)
    assert columns["FLUX_NII6584"][0] == pytest.approx(expected * 14 / 40)
    assert columns["FLUX_OIII5007"][0] == pytest.approx(0.9 * 12 * 1.1 * 500e-19)


def test_luminosity_is_corrected_by_the_decrement_and_sfr_is_kennicutts():
    columns = derived(predicted(), np.array([500.0]))
    ratio = 0.95 * 40 / (0.9 * 10)
    assert columns["HA_HB_RATIO"][0] == pytest.approx(ratio)
    distance = COSMOLOGY.luminosity_distance(0.1).to_value(u.cm)
    luminosity = columns["FLUX_HALPHA"][0] * 4 * np.pi * distance**2 * (ratio / 2.86) ** 2.36
    assert columns["L_HALPHA_CORR"][0] == pytest.approx(luminosity, rel=1e-5)
    assert columns["LOGSFR_HA"][0] == pytest.approx(np.log10(7.9e-42 * luminosity))


def test_the_correction_never_dims():
    columns = derived(predicted(HBETA_4861_EW=30.0), np.array([500.0]))
    assert columns["HA_HB_RATIO"][0] < 2.86
    distance = COSMOLOGY.luminosity_distance(0.1).to_value(u.cm)
    uncorrected = columns["FLUX_HALPHA"][0] * 4 * np.pi * distance**2
    assert columns["L_HALPHA_CORR"][0] == pytest.approx(uncorrected, rel=1e-5)


@pytest.mark.parametrize("name", ["FLUX_HALPHA", "HA_HB_RATIO", "LOGSFR_HA", "L_HALPHA_CORR"])
def test_errors_are_those_of_many_draws(name):
    num = 40_000
    drawn = derived(predicted(num, 0.3, np.random.default_rng(0)), np.full(num, 500.0))[name]
    stated = derived(predicted(1, 0.3), np.array([500.0]))[f"{name}_ERR"][0]
    assert np.std(drawn) == pytest.approx(stated, rel=0.05)


def test_absorption_and_missing_values_are_not_numbers_rather_than_wrong_ones():
    columns = derived(predicted(HALPHA_6562_EW=-1.0), np.array([500.0]))
    assert np.isnan(columns["LOGSFR_HA"][0])
    assert np.isnan(columns["LOGSFR_HA_ERR"][0])
    columns = derived(predicted(), np.array([np.nan]))
    assert all(
        np.isnan(values[0])
        for name, values in columns.items()
        if name != "HA_HB_RATIO" and name != "HA_HB_RATIO_ERR"
    )
