import numpy as np
import pytest
from drawn import words
from matplotlib.figure import Figure

from ojala.evaluation.comparisons import Comparison
from ojala.figures.panels import curve, density_scatter, one_to_one, running, score
from ojala.measures.metrics import NOT_ENOUGH


def compared(num, shift=0.0):
    true = np.random.default_rng(0).normal(10, 1, num)
    return Comparison(given=true + shift, true=true, sigma=np.full(num, 0.1))


@pytest.fixture
def axis():
    return Figure().subplots()


def test_the_numbers_in_a_panel_are_those_of_its_sources(axis):
    one_to_one(axis, compared(500, 0.25), compared(400, 0.1), "mass (dex)", "CIGALE")
    text = words(axis.figure)
    assert "N = 500 (400)" in text
    assert "bias = 0.250 (0.100)" in text
    assert "mass (dex), CIGALE" in text


def test_few_sources_are_not_drawn(axis):
    assert one_to_one(axis, compared(3), compared(3), "mass", "CIGALE") is None
    assert NOT_ENOUGH in words(axis.figure)


def test_a_curve_has_gaps_where_there_were_not_enough_objects(axis):
    bins = [
        {"mag_i": 18.0, "qso": {"bias": 0.1, "interval": {"bias": [0.0, 0.2]}}},
        {"mag_i": 18.3, "qso": {"bias": NOT_ENOUGH}},
        {"mag_i": 18.6, "qso": {"bias": 0.3, "interval": {"bias": [0.2, 0.4]}}},
    ]
    curve(axis, bins, ("mag_i", "qso", "bias"), True, color="k")
    x, y = axis.lines[0].get_data()
    assert np.allclose(x, [18.0, 18.3, 18.6])
    assert np.allclose(y, [0.1, np.nan, 0.3], equal_nan=True)
    assert np.isnan(score(NOT_ENOUGH)) and np.isnan(score(None)) and score(2) == 2.0


def test_the_densest_points_are_drawn_last_and_brightest(axis):
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(0, 0.1, 500), rng.uniform(-3, 3, 50)])
    points = density_scatter(axis, x, x, (-3, 3), (-3, 3))
    density = np.asarray(points.get_array())
    assert np.all(np.diff(density) >= 0)
    assert abs(points.get_offsets()[-1][0]) < 0.3
    assert density.max() <= 1


def test_running_medians_follow_a_line():
    x = np.linspace(0, 1, 2000)
    centres, median, low, high = running(x, 2 * x, (0, 1))
    assert np.allclose(median, 2 * centres, atol=0.01)
    assert np.all(low < median) and np.all(median < high)
