"""The shape of an analytic narrow band."""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np
import pytest

from ojala.physics.passbands import OXYGEN_WAVE, Passband, from_numbers, passband
from ojala.vocabulary.bands import narrow_bands

WAVE = np.arange(4800.0, 5200.0, 0.5)
BOX = Passband(
    centre=5000,
    half_width=70,
    blue_soft=2,
    red_soft=4,
    blue_skew=0,
    red_skew=0,
    slope=0,
    curve=0,
)


def test_an_edge_without_skew_passes_half_of_the_light_where_it_stands():
    edges = np.array([BOX.centre - BOX.half_width, BOX.centre + BOX.half_width])
    assert np.allclose(BOX.throughput(edges), 0.5, atol=1e-6)
    assert np.isclose(BOX.throughput(np.array([5000.0]))[0], 1, atol=1e-6)


def test_a_softer_edge_has_more_foot():
    assert np.isclose(BOX.throughput(np.array([4930 - 8.0]))[0], 1 / (1 + np.exp(4)), rtol=1e-3)
    assert np.isclose(BOX.throughput(np.array([5070 + 8.0]))[0], 1 / (1 + np.exp(2)), rtol=1e-3)


def test_skew_sharpens_the_shoulder_and_softens_the_foot():
    skewed = replace(BOX, blue_skew=1.0)
    inside, outside = np.array([4950.0]), np.array([4905.0])
    assert 1 - skewed.throughput(inside) < 1 - BOX.throughput(inside)
    assert skewed.throughput(outside) > BOX.throughput(outside)


def test_the_top_slopes_and_curves():
    tilted = replace(BOX, slope=0.1).throughput(np.array([4965.0, 5000.0, 5035.0]))
    assert np.allclose(tilted, [0.95, 1.0, 1.05], atol=2e-3)
    bent = replace(BOX, curve=0.1).throughput(np.array([4965.0, 5000.0, 5035.0]))
    assert np.isclose(bent[0], bent[2], atol=1e-3) and bent[1] < bent[0]


def test_oxygen_cuts_only_where_it_absorbs():
    a_band = replace(BOX, centre=7620.0)
    free = replace(BOX, centre=7300.0)
    inside = np.array([OXYGEN_WAVE[1]])
    assert a_band.throughput(inside) < 0.6
    assert np.isclose(free.throughput(np.array([7300.0]))[0], 1, atol=1e-6)


@pytest.mark.parametrize("token", [band.token for band in narrow_bands()])
def test_packaged_passbands_are_positive_narrow_and_one_piece(token):
    shape = passband(token)
    wave = np.arange(shape.centre - 400, shape.centre + 400)
    throughput = shape.throughput(wave)
    above = throughput > 0.02
    assert np.all(throughput >= 0) and throughput[[0, -1]].max() < 1e-5
    assert above.sum() < 230 and np.count_nonzero(np.diff(above.astype(int))) == 2
    assert 1 < shape.blue_soft < 5 and 1 < shape.red_soft < 5


def test_numbers_and_passbands_are_the_same_thing():
    assert from_numbers(np.array(astuple(BOX))) == BOX


def test_a_broad_band_has_no_analytic_curve():
    with pytest.raises(ValueError, match="band 'MAG_i' has no analytic curve"):
        passband("MAG_i")
