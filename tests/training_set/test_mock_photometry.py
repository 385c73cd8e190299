"""Photometry of spectra whose colours are known."""

import numpy as np
import pytest
from desi_survey import fibermap_of, flat_arms, write_pair

from ojala.physics.photometry import Photometry
from ojala.physics.responses import packaged
from ojala.surveys.desi.coadds import read_coadd
from ojala.training_set.mock_photometry import (
    I_BAND,
    NARROW,
    is_north,
    legacy_magnitudes,
    observed_i,
    photometry,
    prepare_bands,
)
from ojala.vocabulary.bands import band

IDS = np.array([1, 2, 3])


@pytest.fixture(scope="module")
def matrix():
    return prepare_bands(packaged())


def observe(tmp_path, matrix, **options):
    return photometry(read_coadd(write_pair(tmp_path, IDS, **options)), matrix)


def test_a_flat_f_nu_source_has_one_magnitude_everywhere(tmp_path, matrix):
    mock = observe(tmp_path, matrix, mag_ab=[18.0, 20.0, 21.5])
    assert np.allclose(mock.columns["MAG_i"], [18.0, 20.0, 21.5], atol=1e-3)
    assert np.allclose(mock.columns["MAG_R"], [18.0, 20.0, 21.5], atol=1e-5)
    for token in ("J0400", "J0660", "J0900"):
        expected = (matrix.pivot[I_BAND] / band(token).wave) ** 2  # f_lambda ~ 1 / wave^2
        assert np.allclose(mock.columns[token], expected, rtol=3e-3)
    assert np.all(mock.usable)


def test_shapes_do_not_depend_on_brightness_and_errors_scale(tmp_path, matrix):
    mock = observe(tmp_path, matrix, mag_ab=[19.0, 20.0, 21.0])
    for token in NARROW:
        assert np.ptp(mock.columns[token]) < 1e-4 * mock.columns[token][0]
        assert np.all(np.diff(mock.columns[f"{token}_ERR"]) > 0)


def test_errors_of_the_ratio_are_those_of_noisy_draws(tmp_path, matrix):
    ids = np.arange(300)
    path = write_pair(tmp_path, ids, arms=flat_arms(np.full(300, 20.0), err=1.0, seed=5))
    mock = photometry(read_coadd(path), matrix)
    for token in ("J0450", "J0600", "J0900"):
        scatter = np.std(mock.columns[token])
        assert scatter == pytest.approx(np.median(mock.columns[f"{token}_ERR"]), rel=0.12)


def test_the_total_light_follows_legacy_r_and_the_shape_does_not(tmp_path, matrix):
    full = observe(tmp_path, matrix)
    doubled = observe(
        tmp_path, matrix, fibermap={"FLUX_R": np.full(3, 2 * 10 ** (0.4 * (22.5 - 20)))}
    )
    brighter = doubled.columns["MAG_i"] - full.columns["MAG_i"]
    assert np.allclose(brighter, -2.5 * np.log10(2), atol=1e-5)
    assert np.array_equal(doubled.columns["J0500"], full.columns["J0500"])


def test_without_legacy_photometry_i_is_that_of_the_spectrum(tmp_path, matrix):
    columns = {"FLUX_R": np.array([0.0, -1.0, 10.0]), "FLUX_IVAR_R": np.array([4.0, 4.0, 0.0])}
    mock = observe(tmp_path, matrix, mag_ab=[20.0, 20.5, 21.0], fibermap=columns)
    assert np.allclose(mock.columns["MAG_i"], [20.0, 20.5, 21.0], atol=1e-3)
    assert np.all(np.isnan(mock.columns["MAG_R"]))
    assert np.all(mock.columns["MAG_i_ERR"] > 0)


def test_i_takes_over_the_errors_of_r():
    i_mag, i_err = observed_i(
        (np.array([20.0]), np.array([0.03])),
        (np.array([20.5]), np.array([0.04])),
        (np.array([20.1]), np.array([0.12])),
    )
    assert i_mag == pytest.approx(19.6) and i_err == pytest.approx(0.13)


def test_magnitudes_without_flux_or_error_are_missing():
    columns = fibermap_of(IDS, [20.0, 20.0, 20.0], MORPHTYPE=np.array(["PSF", "GPSF", "??"]))
    columns["FLUX_W1"] = np.array([-1.0, 5.0, 5.0])
    columns["FLUX_IVAR_W1"] = np.array([9.0, 0.0, 4.0])
    photometry_columns = legacy_magnitudes(columns)
    assert np.isnan(photometry_columns["MAG_W1"]).tolist() == [True, True, False]
    assert photometry_columns["MAG_W1_ERR"][2] == pytest.approx(2.5 / np.log(10) / (5 * 2))
    assert photometry_columns["MORPHTYPE"].tolist() == [3, 3, -1]


def test_an_arm_without_data_costs_its_bands_only(tmp_path, matrix):
    arms = flat_arms([20.0] * 3)
    arms["b"][2][0], arms["z"][2][1] = 0, 0
    mock = observe(tmp_path, matrix, arms=arms)
    assert mock.usable.tolist() == [True, False, True]  # i lies in r and z
    assert np.isnan(mock.columns["J0450"][mock.usable]).tolist() == [True, False]
    assert np.all(np.isfinite(mock.columns["J0650"][mock.usable]))


def test_a_spectrum_of_noise_has_no_shape(tmp_path, matrix):
    arms = flat_arms([40.0, 20.0, 20.0], err=1.0, seed=1)
    arms["r"][1][0], arms["z"][1][0] = -0.1, -0.1
    assert observe(tmp_path, matrix, arms=arms).usable.tolist() == [False, True, True]


def test_observations_are_valid_photometry(tmp_path, matrix):
    columns = observe(tmp_path, matrix).columns
    tokens = tuple(token for token in columns if f"{token}_ERR" in columns)
    flux = np.stack([columns[token] for token in tokens], axis=1)
    flux_err = np.stack([columns[f"{token}_ERR"] for token in tokens], axis=1)
    assert len(tokens) == 60
    assert np.all(np.isfinite(flux))
    Photometry(flux=flux, flux_err=flux_err, observed=np.isfinite(flux), bands=tokens)


def test_the_northern_survey_is_told_by_photsys_or_by_position():
    photsys = np.array(["N", "S", "", "", ""])
    ra = np.array([0.0, 0.0, 200.0, 200.0, 20.0])  # the last lies south of the Galactic plane
    dec = np.array([-10.0, 80.0, 32.3, 32.5, 40.0])
    assert is_north(photsys, ra, dec).tolist() == [True, False, False, True, False]
