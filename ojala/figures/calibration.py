"""Whether stated errors are honest: PIT histograms and coverage of every quantity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray
from scipy.stats import binom

from ojala.evaluation.comparisons import CLASS_NAMES, Comparison, flattened, stated_name
from ojala.evaluation.config import REAL, SYNTH
from ojala.figures.panels import MIN_OBJECTS, STYLES, class_legend, not_enough
from ojala.figures.redshifts import CLASS_OF
from ojala.figures.style import COLOURS
from ojala.measures.calibration import LEVELS

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
        "Share of the stated distribution below the true value: flat where errors are honest, "
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


def redshift_coverage(sets: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Coverage of the redshifts of galaxies and quasars by magnitude, at 68 and 95 %.

    sets: scores of Test-Real and Test-Synth, by that name
    """
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    for axis, (level_name, level) in zip(figure.subplots(1, 2), LEVELS.items(), strict=True):
        for set_name, scores in sets.items():
            for name, class_name in CLASS_OF.items():
                style = {"color": COLOURS[class_name], **STYLES[set_name]}
                _covered(axis, scores["by_magnitude"], name, level_name, set_name == REAL, style)
        axis.axhline(level, color="k", lw=0.9, ls=":")
        axis.set(xlabel="i (AB mag)", ylabel="Share of true redshifts inside")
        low, high = axis.get_ylim()
        axis.set(ylim=(max(low - 0.4 * (high - low), 0), 1.02))
        axis.set_title(f"Interval that is to hold {100 * level:.3g} %", fontsize=10)
        axis.grid(alpha=0.25)
        class_legend(axis, sets, CLASS_OF.values())
    figure.suptitle(
        "Central intervals of p(z) in sliding bins of i; below the dotted line errors are too "
        "small.\nShaded: 68 % binomial range of Test-Real",
        fontsize=10,
    )
    return figure


def _covered(
    axis: Axes,
    bins: Sequence[Mapping[str, Any]],
    name: str,
    level_name: str,
    shaded: bool,
    style: Mapping[str, Any],
) -> None:
    """One curve of a class, and the range that chance leaves it."""
    known = [of for of in bins if isinstance(of[name]["calibration"][level_name], float)]
    mag_i = [of["mag_i"] for of in known]
    share = np.array([of[name]["calibration"][level_name] for of in known])
    axis.plot(mag_i, share, **style)
    if shaded and len(share):
        number = np.array([of[name]["calibration"]["num_sources"] for of in known])
        half = np.sqrt(share * (1 - share) / number)
        axis.fill_between(mag_i, share - half, share + half, color=style["color"], alpha=0.15, lw=0)


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
    """PIT of the sources that take part."""
    return compared.stated.among(slice(None)).pit
