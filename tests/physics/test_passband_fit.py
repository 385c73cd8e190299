"""The fit of the analytic bands."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from astropy.table import Table

from ojala.cli import main
from ojala.physics.passband_fit import deviation, fit
from ojala.physics.passbands import passband
from ojala.physics.responses import Response, packaged
from ojala.vocabulary.bands import narrow_bands


@pytest.mark.parametrize("token", ["J0378", "J0600", "J0760", "J0910"])
def test_the_numbers_of_a_curve_are_found_again(token):
    shape = passband(token)
    wave = np.arange(shape.centre - 200, shape.centre + 200)
    found = fit(Response(wave, 0.37 * shape.throughput(wave)))
    assert np.allclose(astuple(found), astuple(shape), rtol=1e-3, atol=1e-3)


def test_a_far_leak_does_not_move_the_fit():
    shape = passband("J0910")
    wave = np.arange(shape.centre - 200, 10_500.0)
    leak = np.where(wave > shape.centre + 150, 0.002, 0)
    found = fit(Response(wave, shape.throughput(wave) + leak))
    assert np.allclose(astuple(found), astuple(shape), rtol=1e-3, atol=1e-3)


def test_deviation_is_a_share_of_the_peak():
    shape = passband("J0500")
    wave = np.arange(shape.centre - 200, shape.centre + 200)
    bump = 0.05 * np.exp(-(((wave - shape.centre) / 5) ** 2))
    response = Response(wave, 3 * (shape.throughput(wave) + bump))
    assert 0.03 < deviation(shape, response) < 0.05


def test_the_command_writes_the_table_it_came_from(tmp_path, capsys):
    curves = tmp_path / "curves"
    curves.mkdir()
    for band in narrow_bands():
        curve = packaged()[band.token]
        np.savetxt(curves / f"{band.token}.txt", np.column_stack([curve.wave, curve.throughput]))
    assert main(["responses", str(curves), "--out", str(tmp_path / "bands.ecsv")]) == 0
    assert "J0910: within 0.00" in capsys.readouterr().out
    table = Table.read(tmp_path / "bands.ecsv", format="ascii.ecsv")
    row = table[table["token"] == "J0600"][0]
    assert np.isclose(row["centre"], passband("J0600").centre, atol=0.01)
    assert len(table) == 60 and table["slope"].mask.sum() == 6
