import numpy as np
import pytest

from ojala.sky.instruments import value_added
from ojala.sky.instruments.light import FIELD_STEP, BandLight, response_matrix
from ojala.surveys.desi.arms import WAVE

NUM = 4000
LINES = ("OII_3727_EW", "HBETA_4861_EW", "OIII_5007_EW", "HALPHA_6562_EW", "NII_6584_EW")


def pulls(labels, truth, name):
    return (labels[name] - truth[name]) / labels[f"{name}_ERR"]


def test_labels_scatter_by_their_errors_about_the_truth():
    rng = np.random.default_rng(2)
    truth = {
        "LOGM": rng.normal(10.5, 0.5, NUM),
        "LOGSFR": rng.normal(0, 1, NUM),
        "TEFF": rng.uniform(4000, 8000, NUM),
        "LOGG": rng.uniform(1, 5, NUM),
        "FEH": rng.normal(-0.7, 0.5, NUM),
        "ALPHAFE": rng.normal(0.2, 0.1, NUM),
    }
    flux, ivar = np.full(NUM, 10.0), np.full(NUM, 1.0)
    classes = {"spectype": np.full(NUM, "GALAXY")}
    labels = value_added.cigale(rng, truth | classes, {"FLUX_R": flux, "FLUX_IVAR_R": ivar})
    labels |= value_added.mws(rng, truth, np.full(NUM, 10.0))
    for name in truth:
        found = pulls(labels, truth, name)
        good = np.isfinite(found)
        assert 0.95 < good.mean() < 1, name
        assert np.mean(found[good]) == pytest.approx(0, abs=0.08), name
        assert np.std(found[good]) == pytest.approx(1, abs=0.05), name


def lines(noise, z=0.1, ew=20.0):
    truth = {name: np.full(NUM, ew) for name in LINES} | {"z": np.full(NUM, z)}
    truth |= {name: np.full(NUM, 3.0) for name in ("HALPHA_CONT", "HBETA_CONT")}
    matrix = response_matrix(FIELD_STEP)
    flux = np.full((NUM, len(matrix.bands)), 3.0)
    light = BandLight(flux_lambda=flux, bands=matrix.bands, pivot=matrix.pivot)
    flux_err = np.full((NUM, len(WAVE)), noise)
    rng, scale = np.random.default_rng(3), np.full(NUM, 0.5)
    return value_added.fastspecfit(rng, truth, light, flux_err, scale), truth


def test_equivalent_widths_are_of_the_source_and_continua_of_the_fibre():
    labels, truth = lines(noise=0.3)
    assert np.std(pulls(labels, truth, "HALPHA_6562_EW")) == pytest.approx(1, abs=0.05)
    assert np.median(labels["HALPHA_CONT"]) == pytest.approx(1.5, rel=0.01)


def test_noisier_spectra_have_larger_errors():
    quiet, loud = lines(noise=0.1)[0], lines(noise=1.0)[0]
    for name in ("HBETA_4861_EW", "HBETA_CONT"):
        assert np.all(loud[f"{name}_ERR"] > quiet[f"{name}_ERR"])


def test_what_the_spectrum_lacks_is_not_measured():
    labels, _ = lines(noise=0.3, z=0.8)
    assert np.all(np.isnan(labels["HALPHA_6562_EW"])) and np.all(np.isnan(labels["HALPHA_CONT"]))
    assert np.all(np.isfinite(labels["HBETA_4861_EW"]))


def test_black_hole_masses_are_of_bright_quasars_with_magnesium_in_the_middle():
    z = np.linspace(0.1, 3.0, NUM)
    truth = {"z": z, "LOGMBH": np.full(NUM, 8.5)}
    flux = np.where(np.arange(NUM) % 2, 10.0, 1.0)  # r = 20 and 22.5
    labels = value_added.bhmass(np.random.default_rng(1), truth, np.full(NUM, 1.0), flux)
    listed = np.isfinite(labels["LOGMASS_DAS_PAN25"])
    assert np.array_equal(listed, (z > 0.6) & (z < 1.6) & (flux > 5))
    error = labels["LOGMASS_DAS_PAN25_ERR"][listed]
    assert np.all((error >= 0.1) & (error <= 0.6))


def test_a_wrong_redshift_is_told():
    truth = {"z": np.array([0.5, 0.5, 0.0])}
    found = value_added.is_right(truth, np.array([0.501, 0.6, 0.0001]))
    assert found.tolist() == [True, False, True]
