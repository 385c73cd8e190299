import numpy as np
import pytest

from ojala.sky.instruments.morphology import light_within, morphtype
from ojala.vocabulary.quantities import MORPHTYPES


def test_a_point_source_has_the_curve_of_growth_of_a_gaussian():
    sigma = 1.1 / np.sqrt(8 * np.log(2))
    radius = 0.75
    exact = 1 - np.exp(-(radius**2) / (2 * sigma**2))
    assert light_within(radius, np.zeros(1), np.zeros(1), 1.1)[0] == pytest.approx(exact, abs=1e-12)


def test_half_of_the_light_is_within_the_half_light_radius_in_perfect_seeing():
    share = light_within(0.8, np.full(3, 0.8), np.array([1.0, 2.0, 4.0]), 0.0)
    assert share == pytest.approx(0.5)


@pytest.mark.parametrize(("sersic", "tolerance"), [(1.0, 0.03), (4.0, 0.04)])
def test_the_curve_of_growth_is_that_of_the_profile(sersic, tolerance):
    radius = np.linspace(0, 12, 40_001)
    b = 2 * sersic - 1 / 3 + 0.009876 / sersic
    light = np.cumsum(np.exp(-b * radius ** (1 / sersic)) * radius)
    light /= light[-1] if sersic == 1 else light[-1] / (1 - _beyond(12, b, sersic))
    for aperture in (0.5, 1.0, 2.0):
        exact = np.interp(aperture, radius, light)
        found = light_within(aperture, np.ones(1), np.full(1, sersic), 0.0)[0]
        assert found == pytest.approx(exact, abs=tolerance)


def _beyond(radius, b, sersic):
    from scipy.special import gammaincc

    return gammaincc(2 * sersic, b * radius ** (1 / sersic))


def test_less_light_in_the_fibre_of_larger_sources():
    share = light_within(0.75, np.linspace(0, 4, 20), np.full(20, 1.0), 1.1)
    assert np.all(np.diff(share) < 0)


def types(r_half, sersic, snr):
    rng = np.random.default_rng(3)
    ones = np.ones(2000)
    return morphtype(rng, r_half * ones, sersic * ones, snr * ones)


def test_stars_are_points_with_little_confusion():
    found = types(0.0, 0.0, 100.0)
    assert 0.99 < np.mean(found == "PSF") < 1
    assert set(found) <= set(MORPHTYPES)


def test_bright_large_galaxies_are_not_points():
    assert np.mean(types(1.2, 4.0, 200.0) == "DEV") > 0.5
    assert np.mean(types(1.2, 2.3, 200.0) == "SER") > 0.5
    assert 0 < np.mean(types(1.2, 1.0, 200.0) == "GGAL") < 0.01


def test_faint_galaxies_turn_into_points_and_round_ones():
    assert np.mean(types(0.25, 1.0, 8.0) == "PSF") > 0.8
    assert np.mean(types(0.5, 1.0, 15.0) == "REX") > 0.5
