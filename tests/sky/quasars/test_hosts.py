import numpy as np
import pytest

from ojala.sky.quasars.hosts import host_masses


def hosts(**changed):
    truth = {"LOGL3000": 45.5, "host_fraction": 0.1, "host_young": 0.5} | changed
    return host_masses({name: np.array([value]) for name, value in truth.items()})


def test_a_typical_quasar_lives_in_a_massive_star_forming_galaxy():
    assert 10.3 < hosts()["LOGM"][0] < 11.5
    assert 0 < hosts()["LOGSFR"][0] < 2


def test_mass_is_proportional_to_the_hosts_light():
    brighter = hosts(LOGL3000=46.5)["LOGM"][0] - hosts()["LOGM"][0]
    assert brighter == pytest.approx(1)


def test_old_hosts_are_heavier_and_form_fewer_stars():
    old, young = hosts(host_young=0.1), hosts(host_young=0.9)
    assert old["LOGM"] > young["LOGM"]
    assert old["LOGSFR"] < young["LOGSFR"]


def test_other_sources_have_none():
    assert np.isnan(hosts(LOGL3000=np.nan)["LOGM"][0])
