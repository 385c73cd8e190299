"""The reliability diagram shows what is known, how well, and nothing in between."""

import numpy as np
from matplotlib.container import ErrorbarContainer

from ojala.evaluation.config import REAL
from ojala.figures.classification import reliability
from ojala.measures.calibration import NUM_BINS
from ojala.measures.calibration import reliability as in_bins
from ojala.vocabulary.quantities import CLASSES


def drawn(probability, happened, weight=None):
    """Points of the first panel, and their bars from the lower end to the upper one."""
    bins = in_bins(np.array(probability), np.array(happened), weight)
    curves = [{"class": name, "bins": bins} for name in CLASSES]
    found = {"num_sources": len(probability), "reliability": curves}
    axis = reliability({REAL: {"calibration": {"class_all_magnitudes": found}}}).axes[0]
    (container,) = (one for one in axis.containers if isinstance(one, ErrorbarContainer))
    points, _, (bars,) = container.lines
    return points.get_xydata(), [np.asarray(bar) for bar in bars.get_segments()]


def test_a_line_breaks_where_bins_hold_too_few_sources():
    points, _ = drawn([0.01] * 50 + [0.55] * 3 + [0.99] * 50, [False] * 51 + [True] * 52)
    assert len(points) == NUM_BINS
    assert np.flatnonzero(np.isfinite(points[:, 1])).tolist() == [0, NUM_BINS - 1]


def test_bars_are_those_of_a_binomial():
    points, bars = drawn([0.45] * 400, [True] * 200 + [False] * 200)
    (low, high) = bars[4][:, 1]
    assert np.allclose(points[4], [0.45, 0.5])
    assert abs((high - low) / 2 - 0.025) < 1e-4, "sqrt(p (1 - p) / n)"
    _, certain = drawn([0.99] * 400, [True] * 400)
    assert certain[9][1, 1] == 1 and 0.99 < certain[9][0, 1] < 1, "400 of 400 may be 399 in 400"


def test_bars_grow_where_few_sources_have_most_of_the_weight():
    happened = [True] * 10 + [False] * 390
    weight = np.where(happened, 39.0, 1.0)
    (_, alike), (_, unlike) = (drawn([0.45] * 400, happened, w) for w in (None, weight))
    assert np.ptp(unlike[4][:, 1]) > 3 * np.ptp(alike[4][:, 1])
