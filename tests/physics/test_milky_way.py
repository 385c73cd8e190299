"""Extinction by the Milky Way: the normalisation of Schlafly & Finkbeiner, and its shape."""

import numpy as np
import pytest

from ojala.physics.milky_way import PER_EBV, transmission


def extinction(wave, ebv=1.0):
    return -2.5 * np.log10(transmission(wave, ebv))


def test_no_dust_no_loss():
    assert np.all(transmission(np.linspace(3000, 50_000, 20), 0.0) == 1)


def test_extinction_is_linear_in_reddening_and_falls_to_the_red():
    wave = np.linspace(3600, 50_000, 200)
    assert np.allclose(extinction(wave, 0.3), 0.3 * extinction(wave), rtol=1e-6)
    assert np.all(np.diff(extinction(wave)) < 0)


def test_one_micron_is_the_anchor():
    assert extinction(10_000.0) == pytest.approx(PER_EBV, rel=1e-4)


def test_legacy_bands_are_dimmed_as_the_legacy_surveys_say():
    # A / E(B-V) of DECam g, r, z: legacysurvey.org, 3.214, 2.165, 1.211; band averages, so 4 %.
    assert np.allclose(extinction([4770.0, 6370.0, 9150.0]), [3.214, 2.165, 1.211], rtol=0.04)


def test_wavelength_and_reddening_broadcast():
    assert transmission(np.array([[4000.0], [9000.0]]), np.array([0.0, 0.1, 0.2])).shape == (2, 3)
