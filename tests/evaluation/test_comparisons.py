import numpy as np
import pytest
from matched import matched

from ojala.evaluation.comparisons import LINES, comparisons, stated
from ojala.physics.derived import CALZETTI_EXPONENT, CASE_B


def test_redshifts_are_compared_over_one_plus_z():
    predicted, truth = matched(300)
    predicted["Z_GAL"] = truth["z"] + 0.03 * (1 + truth["z"])
    residual = comparisons(predicted, truth)["galaxy"]["z"].residual
    galaxies = (truth["SPECTYPE"] == 0) & (truth["MAG_i"] < 21)
    assert np.array_equal(np.isfinite(residual), galaxies)
    assert np.allclose(residual[galaxies], 0.03)


def test_selections_are_the_papers():
    predicted, truth = matched(2000)
    truth["z"] = np.random.default_rng(1).uniform(0.01, 1.2, 2000)
    found = comparisons(predicted, truth)
    bright = truth["MAG_i"] < 21
    stars = (truth["SPECTYPE"] == 1) & (truth["MAG_i"] < 19)
    assert np.array_equal(found["star"]["FEH"].takes_part, stars)
    galaxies = (truth["SPECTYPE"] == 0) & bright
    assert np.array_equal(found["galaxy"]["LOGM"].takes_part, galaxies)
    complete = galaxies & (truth["num_bands"] == 54)
    for token, limit in (("HALPHA_6562_EW", 0.36), ("OIII_5007_EW", 0.8)):
        positive = (predicted[token] > 0) & (truth[token] > 0)
        expected = complete & (truth["z"] < limit) & positive
        assert np.array_equal(found["galaxy"][token].takes_part, expected)


def test_uncertain_star_formation_of_galaxies_can_be_left_out():
    predicted, truth = matched(600)
    predicted["LOGSFR_ERR"][::2] = 0.6
    found = comparisons(predicted, truth)
    assert not found["galaxy"]["LOGSFR_CERTAIN"].takes_part[::2].any()
    assert found["galaxy"]["LOGSFR"].takes_part[::2].any()
    assert found["qso"]["LOGSFR"].takes_part[::2].any()


def test_widths_are_compared_in_dex_but_stated_in_angstrom():
    predicted, truth = matched(400)
    predicted["HALPHA_6562_EW"] = truth["HALPHA_6562_EW"] * 10**0.2
    found = comparisons(predicted, truth)["galaxy"]["HALPHA_6562_EW"]
    assert np.allclose(found.residual[found.takes_part], 0.2)
    predicted["HALPHA_6562_EW"] = truth["HALPHA_6562_EW"] - 50  # seen in absorption
    assert not comparisons(predicted, truth)["galaxy"]["HALPHA_6562_EW"].takes_part.any()
    linear = stated(predicted, truth)["galaxy"]["HALPHA_6562_EW"]
    assert np.allclose(linear.residual[linear.takes_part], -50)


def test_a_ratio_needs_one_strong_line_and_another_that_is_seen():
    predicted, truth = matched(3)
    for columns in (predicted, truth):
        columns["SPECTYPE"] = np.zeros(3, dtype=int)
        columns["HALPHA_6562_EW"] = np.array([20.0, 20.0, 8.0])
        columns["NII_6584_EW"] = np.array([5.0, 2.0, 8.0])
    truth |= {"MAG_i": np.full(3, 18.0), "num_bands": np.full(3, 54)}
    ratio = comparisons(predicted, truth)["galaxy"]["NII_HALPHA"]
    assert ratio.takes_part.tolist() == [True, False, False]
    assert ratio.true[0] == pytest.approx(np.log10(0.25))


def test_fluxes_and_luminosities_follow_from_continuum_width_and_redshift():
    predicted, truth = matched(400)
    for token in (*LINES, "HALPHA_CONT", "HBETA_CONT"):
        predicted[token] = truth[token].copy()
    predicted["Z_GAL"] = truth["z"].copy()
    predicted["HALPHA_CONT"] = 2 * truth["HALPHA_CONT"]
    found = comparisons(predicted, truth)["galaxy"]
    flux = found["FLUX_NII6584"].residual
    assert np.allclose(flux[np.isfinite(flux)], np.log10(2))
    luminosity = found["L_HALPHA_CORR"]
    both = truth["HALPHA_CONT"] * truth["HALPHA_6562_EW"] > CASE_B * (
        truth["HBETA_CONT"] * truth["HBETA_4861_EW"]
    )
    corrected = luminosity.residual[both & luminosity.takes_part]
    assert np.allclose(corrected, (1 + CALZETTI_EXPONENT) * np.log10(2))


def test_sigma_adds_the_error_of_the_label():
    predicted, truth = matched(200)
    found = comparisons(predicted, truth)["galaxy"]["LOGM"]
    assert np.allclose(found.sigma[found.takes_part], 0.1)
