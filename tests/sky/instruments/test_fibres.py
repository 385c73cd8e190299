import numpy as np
import pytest

from ojala.physics.synphot import flux_density
from ojala.sky.instruments.fibres import COSMIC_SHARE, empty_sky, expose, joined
from ojala.surveys.desi.arms import ARMS, WAVE, merge_arms

NUM = 60


def spectra(mag_r, r_half=0.0, name="QSO", seed=5):
    flux = np.full((NUM, len(WAVE)), flux_density(mag_r, 6420.0), np.float32)
    truth = {"r_half": np.full(NUM, r_half), "sersic": np.ones(NUM)}
    rngs = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    return expose(*rngs, flux, truth, name=name, program="dark"), flux


def snr(fibres):
    flux, ivar = merge_arms(fibres.arms)
    return np.median(flux * np.sqrt(ivar), axis=1)


def test_signal_to_noise_falls_with_magnitude():
    found = [np.median(snr(spectra(mag, name="ELG")[0])) for mag in (17.0, 19.0, 21.0, 22.0, 23.0)]
    assert np.all(np.diff(found) < 0)
    assert found[3] / found[4] == pytest.approx(10**0.4, rel=0.15)  # the sky's noise
    assert found[0] / found[1] < 10**0.8  # the source's own
    assert 0.8 < found[3] < 2.0


def test_spectra_of_points_are_calibrated_to_their_total_flux():
    fibres, flux = spectra(18.0)
    recorded, _ = merge_arms(fibres.arms)
    ratio = np.median(recorded / flux, axis=1)
    assert np.median(ratio) == pytest.approx(1, abs=0.03)
    assert np.median(np.abs(ratio / fibres.scale - 1)) < 0.04


def test_extended_sources_lose_light_at_the_fibre():
    assert np.median(spectra(18.0, r_half=1.5)[0].scale) < 0.5


def test_residuals_are_noise_of_the_stated_size():
    fibres, _ = spectra(23.0, name="ELG")
    for arm, (flux, ivar) in fibres.arms.items():
        good = ivar[:, 50:-50] > 0
        smooth = np.median(flux, axis=0)[50:-50]
        chi2 = ((flux[:, 50:-50] - smooth) ** 2 * ivar[:, 50:-50])[good]
        assert np.mean(chi2) == pytest.approx(1, abs=0.06), arm
        assert np.mean(~good) == pytest.approx(COSMIC_SHARE, rel=0.2)


def test_numbers_do_not_depend_on_blocks():
    """Conditions come per block, pixels row by row: equal blocks give equal spectra."""
    once, again = spectra(20.0)[0], spectra(20.0)[0]
    for arm in ARMS:
        assert np.array_equal(once.arms[arm][0], again.arms[arm][0])
    both = joined([once, again])
    assert len(both.scale) == 2 * NUM
    assert np.array_equal(both.rows(np.arange(NUM)).arms["b"][1], once.arms["b"][1])


def test_sky_fibres_are_noise_about_zero():
    rng = np.random.default_rng(1)
    fibres = empty_sky(rng, rng, 20, len(WAVE), "bright")
    assert np.abs(np.mean(snr(fibres))) < 0.05
