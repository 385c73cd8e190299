"""Whether stated errors are honest: PIT histograms and coverage of every quantity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray
from scipy.stats import binom

from ojala.calibration import pit
from ojala.comparisons import CLASS_NAMES, Comparison, flattened, stated_name
from ojala.evaluate_config import REAL, SYNTH
from ojala.figures.panels import MIN_OBJECTS, not_enough
from ojala.figures.style import COLOURS

Stated = Mapping[str, Mapping[str, Comparison]]
"""Comparisons of one set that state an error (``comparisons.stated``), by class and quantity."""

NUM_BINS = 20
NUM_COLUMNS = 4
SHARES = np.linspace(0.02, 0.98, 49)


def pit_histograms(sets: Mapping[str, Stated]) -> Figure:
    """PIT of every quantity: flat where errors are honest.

    sets: of Test-Real and Test-Synth, by that name
    """
    panels = list(flattened(sets[REAL]))
    num_rows = -(-len(panels) // NUM_COLUMNS)
    figure = Figure(figsize=(12, 2.4 * num_rows + 0.8), layout="constrained")
    axes = figure.subplots(num_rows, NUM_COLUMNS, sharex=True)
    for axis, (name, token, real) in zip(axes.flat, panels, strict=False):
        _histograms(axis, real, sets[SYNTH][name][token], COLOURS[name.upper()])
        axis.set_title(f"{stated_name(token)[0]}, {axis.get_title()}", fontsize=9)
    for axis in axes.flat[len(panels) :]:
        axis.remove()
    for axis in axes[:, 0]:
        axis.set(ylabel="Density")
    for axis in axes.flat[max(len(panels) - NUM_COLUMNS, 0) : len(panels)]:
        axis.set(xlabel="PIT")
        axis.tick_params(labelbottom=True)
    figure.suptitle(
        "Share of the stated Gaussian below the true value: flat where errors are honest, "
        "piled up at the ends where they are too small.\n"
        "Galaxies red, quasars green, stars blue",
        fontsize=10,
    )
    figure.legend(handles=_keys(), loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return figure


def _keys() -> list[Any]:
    """What is drawn in every panel of the PIT."""
    flat = Line2D([], [], color="k", lw=0.8, ls=":", label="flat: honest errors")
    return [
        Patch(color="0.5", alpha=0.6, label="Test-Real, in the colour of its class (n)"),
        Line2D([], [], color="0.3", label="Test-Synth"),
        flat,
        Patch(color="k", alpha=0.1, label="95 % range of a flat one"),
    ]


def coverage(sets: Mapping[str, Stated]) -> Figure:
    """Share of true values inside the stated central interval, by the share it is to hold."""
    figure = Figure(figsize=(12, 6.6), layout="constrained")
    axes = figure.subplots(1, 3, sharey=True)
    real = sets[REAL]
    for axis, name in zip(axes, real, strict=True):
        axis.plot([0, 1], [0, 1], color="k", lw=0.9, ls=":", label="honest")
        for token, compared in real[name].items():
            values = _pit(compared)
            if len(values) >= MIN_OBJECTS:
                inside = [np.mean(np.abs(2 * values - 1) <= share) for share in SHARES]
                label = f"{stated_name(token)[0]} (n = {len(values):,})"
                axis.plot(SHARES, inside, lw=1.2, label=label)
        axis.set(title=f"{CLASS_NAMES[name]}, Test-Real", box_aspect=1)
        axis.set(xlim=(0, 1), ylim=(0, 1), xlabel="Share that the interval is to hold")
        axis.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(0, -0.15))
    axes[0].set(ylabel="Share of true values inside")
    figure.suptitle("Above the diagonal errors are too large, below it too small", fontsize=10)
    return figure


def _histograms(axis: Axes, real: Comparison, synth: Comparison, colour: str) -> None:
    values, other = _pit(real), _pit(synth)
    axis.set_title(f"n = {len(values):,}")
    if len(values) < MIN_OBJECTS:
        not_enough(axis, len(values))
        return
    edges = np.linspace(0, 1, NUM_BINS + 1).tolist()
    axis.hist(values, edges, density=True, color=colour, alpha=0.4)
    if len(other) >= MIN_OBJECTS:
        axis.hist(other, edges, density=True, color="0.3", histtype="step")
    flat = binom.ppf([0.025, 0.975], len(values), 1 / NUM_BINS) * NUM_BINS / len(values)
    axis.axhspan(*flat, color="k", alpha=0.1, lw=0)
    axis.axhline(1, color="k", lw=0.8, ls=":")


def _pit(compared: Comparison) -> NDArray[np.float64]:
    """PIT of the sources with an error."""
    residual, sigma = compared.residual, compared.residual_sigma
    known = np.isfinite(residual) & (sigma > 0)
    return pit(residual[known], sigma[known])
