import numpy as np
import pytest

from ojala.sky.instruments.light import FIELD_STEP, BandLight, response_matrix
from ojala.sky.instruments.redshift_fits import CONFIDENT, continuum, fit, line_snr
from ojala.surveys.desi.arms import WAVE

NUM = 400


def source(spectype="GALAXY", z=0.4, ew=0.0, level=1.0, noise=0.5):
    """Sources of a flat spectrum, f_lambda = level, with equal lines."""
    names = ("OII_3727", "HBETA_4861", "OIII_5007", "HALPHA_6562", "NII_6584")
    truth = {f"{name}_EW": np.full(NUM, ew) for name in names}
    truth |= {
        "spectype": np.full(NUM, spectype),
        "z": np.full(NUM, z),
        "host_fraction": np.full(NUM, np.nan),
        "broad_fraction": np.full(NUM, np.nan),
    }
    matrix = response_matrix(FIELD_STEP)
    flux = np.full((NUM, len(matrix.bands)), level)
    light = BandLight(flux_lambda=flux, bands=matrix.bands, pivot=matrix.pivot)
    rng = np.random.default_rng(4)
    flux_err = np.full((NUM, len(WAVE)), noise)
    return truth, light, level + noise * rng.standard_normal(flux_err.shape), flux_err


def fitted(**kind):
    return fit(np.random.default_rng(5), *source(**kind))


def test_bright_sources_get_their_redshift_and_class():
    found = fitted(level=5.0)
    assert np.all(found["ZWARN"] == 0)
    assert set(found["SPECTYPE"]) == {"GALAXY"}
    right = np.abs(found["Z"] - 0.4) < 0.002
    assert 0.98 < np.mean(right) <= 1
    assert np.std((found["Z"] - 0.4)[right] / found["ZERR"][right]) == pytest.approx(1, rel=0.15)


def test_without_signal_the_redshift_is_flagged():
    found = fitted(level=0.02)
    assert np.mean(found["ZWARN"] > 0) > 0.8
    assert np.array_equal(found["ZWARN"] > 0, found["DELTACHI2"] < CONFIDENT)


def test_emission_lines_save_a_faint_galaxy():
    without, with_lines = fitted(level=0.1), fitted(level=0.1, ew=60.0)
    assert np.mean(with_lines["ZWARN"] > 0) < np.mean(without["ZWARN"] > 0)


def test_hosts_hide_quasars():
    truth, *rest = source("QSO", level=5.0)
    truth["host_fraction"] = np.linspace(0, 1, NUM)
    found = fit(np.random.default_rng(5), truth, *rest)["SPECTYPE"]
    assert np.all(found[:200] == "QSO")
    assert np.all(found[-40:] == "GALAXY")


def test_lines_outside_the_spectrum_or_without_data_have_no_signal():
    truth, light, _, flux_err = source(z=1.2, ew=30.0)
    snr = line_snr(truth, light, flux_err)
    assert np.all(snr[:, 0] > 0)
    assert np.all(snr[:, 3:] == 0)  # H-alpha and [NII] are beyond 9824 Angstrom
    assert np.all(line_snr(truth, light, np.full_like(flux_err, np.inf)) == 0)


def test_the_continuum_is_the_band_less_its_line():
    _, light, *_ = source(level=2.0)
    wave = np.full(NUM, 6600.0)
    assert continuum(light, wave, np.zeros(NUM)) == pytest.approx(2.0)
    assert continuum(light, wave, np.full(NUM, 147.0)) == pytest.approx(1.0, rel=0.02)
