import astropy.units as u
import numpy as np
import pytest
from dust_extinction.parameter_averages import CCM89

from ojala.sky.galaxies import dust

WAVES = np.geomspace(1000, 50000, 400)


def test_calzetti_has_its_total_to_selective_ratio():
    assert dust.calzetti(5500.0) == pytest.approx(4.05, abs=0.02)
    assert dust.calzetti(4400.0) - dust.calzetti(5500.0) == pytest.approx(1.0, abs=0.05)


def test_calzetti_is_continuous_and_falls():
    curve = dust.calzetti(WAVES)
    assert np.all(np.diff(curve) < 0.02)
    assert np.all(np.abs(np.diff(curve)) < 0.5)
    assert np.all(curve > 0)


def test_cardelli_agrees_with_an_independent_implementation():
    waves = np.geomspace(1700, 30000, 100)
    assert dust.cardelli(waves) == pytest.approx(3.1 * CCM89(3.1)(waves * u.AA), rel=0.06)
    optical = np.linspace(3500, 10000, 100)
    assert dust.cardelli(optical) == pytest.approx(3.1 * CCM89(3.1)(optical * u.AA), rel=0.005)


def test_no_dust_lets_all_light_through():
    assert np.all(dust.transmission(WAVES, 0.0) == 1.0)


def test_dust_dims_and_reddens():
    through = dust.transmission(WAVES, np.array([[0.1], [0.5]]), np.array([[-0.2], [0.2]]))
    assert through.shape == (2, len(WAVES))
    assert np.all((through > 0) & (through < 1))
    blue, red = dust.transmission(np.array([3700.0, 9000.0]), 0.3)
    assert blue < red


def test_two_screens_of_dust_multiply():
    both = dust.transmission(WAVES, 0.3, -0.1)
    assert both == pytest.approx(
        dust.transmission(WAVES, 0.1, -0.1) * dust.transmission(WAVES, 0.2, -0.1)
    )


def test_steep_curves_have_the_stronger_bump():
    def bump(slope):
        low, at, high = dust.attenuation_curve(np.array([1850.0, 2175.0, 2600.0]), slope)
        return at / np.sqrt(low * high)

    assert bump(-0.4) > bump(0.0) > bump(0.4)
