import numpy as np
import pytest
from astropy import units as u

from ojala.physics import cosmology

Z = np.array([0.003, 0.02, 0.3, 1.1, 4.7])


def test_interpolated_distances_agree_with_astropy():
    model = cosmology.COSMOLOGY
    exact = model.luminosity_distance(Z).to_value(u.Mpc)
    assert cosmology.luminosity_distance(Z) == pytest.approx(exact, rel=1e-5)
    assert cosmology.age(Z) == pytest.approx(model.age(Z).to_value(u.Gyr), rel=1e-5)
    volume = model.comoving_volume(Z).to_value(u.Mpc**3)
    assert cosmology.comoving_volume(Z) == pytest.approx(volume, rel=1e-4)
    scale = 1 / model.arcsec_per_kpc_proper(Z).to_value(u.arcsec / u.kpc)
    assert cosmology.angular_scale(Z) == pytest.approx(scale, rel=1e-5)


def test_sphere_at_ten_parsec_distance_scale():
    area = cosmology.sphere_area(Z)
    assert area == pytest.approx(
        4 * np.pi * (cosmology.luminosity_distance(Z) * 3.0857e24) ** 2, rel=1e-4
    )
