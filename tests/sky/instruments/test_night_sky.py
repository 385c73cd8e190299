import numpy as np
import pytest

from ojala.sky.instruments.night_sky import noise, sky
from ojala.surveys.desi.arms import ARMS

# Median 1 sigma per pixel, 1e-17 erg/s/cm2/A, of a faint source in 1,009 s of a DESI dark exposure
# (coadd-sv3-dark-26065, in the tests of specutils), in windows of 120 A from these wavelengths.
MEASURED = {
    "b": {3960: 0.755, 4200: 0.572, 4560: 0.461, 5040: 0.332, 5400: 0.326},
    "r": {6000: 0.272, 6480: 0.228, 6960: 0.198},
    "z": {7880: 0.178, 8240: 0.164, 8960: 0.165, 9200: 0.160},
}


@pytest.mark.parametrize("arm", ARMS)
def test_noise_of_a_dark_exposure_is_desis_own(arm):
    wave = ARMS[arm]
    sigma = noise(np.full((1, len(wave)), 0.2, np.float32), np.array([1009.0]), arm, "dark")[0]
    for start, measured in MEASURED[arm].items():
        window = (wave >= start) & (wave < start + 120)
        assert np.median(sigma[window]) == pytest.approx(measured, rel=0.15)


def test_the_sky_has_its_lines_where_they_are():
    wave = ARMS["r"]
    line = (wave > 6299) & (wave < 6305)  # [OI] 6302.0 in vacuum
    brightness = sky("r", "dark")
    assert abs(wave[line][np.argmax(brightness[line])] - 6302.05) < 0.8
    assert brightness[line].max() > 20 * np.median(brightness)


def test_moonlight_brightens_the_blue_most():
    ratio = [np.median(sky(arm, "bright") / sky(arm, "dark")) for arm in ("b", "r", "z")]
    assert ratio[0] > ratio[1] > 1


def test_noise_falls_as_the_root_of_time_where_the_sky_dominates():
    flux = np.zeros((2, len(ARMS["z"])), np.float32)
    sigma = noise(flux, np.array([1000.0, 4000.0]), "z", "dark")
    assert np.median(sigma[0] / sigma[1]) == pytest.approx(2, rel=0.01)
