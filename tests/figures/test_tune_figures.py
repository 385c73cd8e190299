"""Figures of a search: every trial is drawn, the front holds what nothing beats."""

import numpy as np
import pytest
from drawn import words

from ojala.figures.tune import Tried, parallel, pareto, pareto_front

SPANS = {"learning_rate": (1e-4, 1e-2, True), "masking.num_targets": (5.0, 20.0, False)}


def tried():
    rows = [(0.2, 0.95, 0.05, 8), (0.3, 0.97, 0.07, 8), (0.4, 0.90, 0.06, 2)]
    return [
        Tried(
            number=number,
            point={"learning_rate": 1e-3, "masking.num_targets": 5 + number},
            scores={"objective": value, "weighted_f1": f1, "galaxy_sigma_nmad": sigma},
            epochs=epochs,
            is_whole=epochs == 8,
        )
        for number, (value, f1, sigma, epochs) in enumerate(rows, start=1)
    ]


def lines_across(axis):
    """The lines from the first scale to the objective."""
    return [line for line in axis.lines if len(line.get_xdata()) == len(SPANS) + 1]


def test_every_trial_is_a_line_across_its_scales():
    figure = parallel(tried(), SPANS, best=1, total=4)
    axis = figure.axes[0]
    lines = lines_across(axis)
    assert len(lines) == 3
    for line in lines:
        assert line.get_ydata()[0] == 0.5, "1e-3 is the middle of 1e-4 ... 1e-2"
    assert max(lines, key=lambda line: line.get_linewidth()).get_ydata()[1] == 1 / 15
    assert axis.get_legend().get_title().get_text() == "4 trials, 1 failed"


def test_one_trial_alone_is_one_line_and_one_point_which_is_the_front():
    lines, points = parallel(tried()[:1], SPANS, 1, 1), pareto(tried()[:1], 1, 1)
    for figure in (lines, points):
        figure.canvas.draw()
    (line,) = lines_across(lines.axes[0])
    assert line.get_ydata() == pytest.approx([0.5, 1 / 15, 0.5])
    drawn = [line.get_xydata().tolist() for line in points.axes[0].lines]
    assert drawn == [[[0.05, 0.95]]] * 3, "the trial, the star of the best, and the front"
    assert points.axes[0].get_legend().get_title().get_text() == "1 trial"
    assert "front" not in words(points), "a front of one point is not seen"


def test_the_front_holds_what_nothing_beats():
    cost = np.array([0.1, 0.2, 0.3, 0.15, 0.1])
    gain = np.array([0.5, 0.7, 0.6, 0.4, 0.4])
    assert pareto_front(cost, gain) == [0, 1]


def test_the_front_is_of_those_that_trained_longest():
    figure = pareto(tried(), best=1, total=3)
    steps = [line for line in figure.axes[0].lines if line.get_linestyle() == "--"]
    assert steps[0].get_xdata().tolist() == [0.05, 0.07]
    assert "front of those of 8 epochs" in words(figure)
