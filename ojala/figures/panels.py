"""Panels that several figures share: curves with intervals, densities, given against true."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from itertools import pairwise
from operator import getitem
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ojala.evaluation.comparisons import Comparison
from ojala.evaluation.config import REAL, SYNTH
from ojala.figures.style import COLOURS
from ojala.measures.metrics import NOT_ENOUGH, residual_scores

Floats = NDArray[Any]
Place = Literal["best", "lower left"]

STYLES: dict[str, dict[str, Any]] = {
    REAL: {"ls": "-", "marker": "o", "ms": 3},
    SYNTH: {"ls": "--", "marker": "s", "ms": 2.5, "alpha": 0.7},
}
"""Lines of the two test sets."""

MAX_POINTS = 30_000
"""Points that a panel draws, at most: the first ones; its numbers are of all."""

MIN_OBJECTS = 10
"""Sources that a number printed into a panel needs."""


def score(value: Any) -> float:
    """A score as a number; NaN where there were not enough objects."""
    return float("nan") if value is None or isinstance(value, str) else float(value)


def curve(
    axis: Axes,
    bins: Sequence[dict[str, Any]],
    path: Sequence[str],
    interval: bool = False,
    **style: Any,
) -> None:
    """A score against the centres of its bins; gaps where there were not enough objects.

    path: key of the centre, then keys that lead to the score; interval: shade its interval
    """
    x, *parents, name = path
    holders = [reduce(getitem, parents, entry) for entry in bins]
    centres = np.array([entry[x] for entry in bins], dtype=float)
    values = np.array([score(holder.get(name)) for holder in holders])
    (line,) = axis.plot(centres, values, **style)
    if interval:
        unknown = [float("nan")] * 2
        ends = [holder.get("interval", {}).get(name, unknown) for holder in holders]
        low, high = np.array(ends, dtype=float).reshape(-1, 2).T
        axis.fill_between(centres, low, high, color=line.get_color(), alpha=0.15, lw=0)


def class_legend(
    axis: Axes, sets: Mapping[str, Mapping[str, Any]], names: Iterable[str], loc: Place = "best"
) -> None:
    """Colours of the classes with their sources in Test-Real, and lines of the sets."""
    for name in names:
        number = sets[REAL]["num_of_class"][name]
        axis.plot([], [], color=COLOURS[name], lw=4, label=f"{name} (n = {number:,})")
    for set_name in sets:
        note = ", 68 % shaded" if set_name == REAL else ""
        axis.plot([], [], color="0.3", label=set_name + note, **STYLES[set_name])
    axis.legend(frameon=False, fontsize=8, loc=loc)


def one_to_one(axis: Axes, real: Comparison, synth: Comparison, name: str, reference: str) -> Any:
    """Given against true values of Test-Real, coloured by density, with the scores of both sets.

    reference: what the true values come from. Scores of Test-Synth stand in parentheses; the line
    of medians has the 16-84 % range.
    Returns the points, None where there are too few.
    """
    axis.set(xlabel=f"{name}, {reference}", ylabel=f"{name}, predicted", box_aspect=1)
    true, given = real.true[real.takes_part], real.given[real.takes_part]
    if len(true) < MIN_OBJECTS:
        not_enough(axis, len(true))
        axis.set(xticks=[], yticks=[])
        return None
    low, high = np.quantile(np.concatenate([true, given]), [0.005, 0.995])
    edge = 0.06 * max(high - low, 1e-9)
    limits = (low - edge, high + edge)
    points = density_scatter(axis, true, given, limits, limits)
    axis.plot(limits, limits, color="k", lw=0.9, ls="--", label="one to one")
    median_band(axis, true, given, limits)
    axis.text(0.04, 0.96, _numbers(real, synth), transform=axis.transAxes, va="top", fontsize=8)
    axis.legend(frameon=False, fontsize=7, loc="lower right")
    axis.set(xlim=limits, ylim=limits)
    return points


def density_scatter(
    axis: Axes,
    x: Floats,
    y: Floats,
    x_limits: tuple[float, float],
    y_limits: tuple[float, float],
    *,
    size: float = 5.0,
) -> Any:
    """Points coloured by their density relative to the densest place; returns them.

    x, y: (num_sources,)
    """
    x, y = x[:MAX_POINTS], y[:MAX_POINTS]
    ranges = (sorted(x_limits), sorted(y_limits))
    counts, x_edges, y_edges = np.histogram2d(x, y, 60, ranges)
    smooth = gaussian_filter(counts, 1.5)
    column = np.clip(np.searchsorted(x_edges, x) - 1, 0, 59)
    row = np.clip(np.searchsorted(y_edges, y) - 1, 0, 59)
    density = smooth[column, row] / max(smooth.max(), 1e-300)
    order = np.argsort(density)
    return axis.scatter(
        x[order], y[order], c=density[order], s=size, cmap="viridis", vmin=0, vmax=1, lw=0
    )


def median_band(axis: Axes, x: Floats, y: Floats, limits: tuple[float, float]) -> None:
    """Draw the running median of y and its 16-84 % range.

    x, y: (num_sources,)
    """
    centres, median, low, high = running(x, y, limits)
    axis.plot(centres, median, color="tab:red", lw=1.2, label="median, 16-84 %")
    axis.fill_between(centres, low, high, color="tab:red", alpha=0.15, lw=0)


def running(
    x: Floats, y: Floats, limits: tuple[float, float], num_bins: int = 12
) -> tuple[Floats, Floats, Floats, Floats]:
    """Centres, median and 16-84 % range of y in equal bins of x that hold enough sources.

    x, y: (num_sources,); each answer: (num_filled_bins,), at most num_bins of them
    """
    edges = np.linspace(*limits, num_bins + 1)
    centres, quantiles = [], []
    for low, high in pairwise(edges):
        inside = (x >= low) & (x < high) & np.isfinite(y)
        if inside.sum() >= MIN_OBJECTS:
            centres.append((low + high) / 2)
            quantiles.append(np.quantile(y[inside], [0.5, 0.16, 0.84]))
    median, lower, upper = np.array(quantiles).reshape(-1, 3).T
    return np.array(centres), median, lower, upper


def not_enough(axis: Axes, num_sources: int) -> None:
    """Say in an empty panel why it is empty."""
    axis.text(
        0.5,
        0.5,
        f"{NOT_ENOUGH}\n(n = {num_sources})",
        transform=axis.transAxes,
        ha="center",
        va="center",
        color="0.5",
    )


def density_bar(figure: Figure, axes: Any, points: Any) -> None:
    """The colour bar of density_scatter."""
    figure.colorbar(points, ax=axes, label="Density of sources over its maximum", shrink=0.6)


def _numbers(real: Comparison, synth: Comparison) -> str:
    found = [residual_scores(one.residual, MIN_OBJECTS) for one in (real, synth)]
    lines = [f"N = {found[0]['num_sources']:,} ({found[1]['num_sources']:,})"]
    for name, symbol in (("bias", "bias"), ("sigma_nmad", r"$\sigma_{\rm NMAD}$")):
        inside, outside = (score(one[name]) for one in reversed(found))
        lines.append(f"{symbol} = {_digits(outside)} ({_digits(inside)})")
    return "\n".join(lines)


def _digits(value: float) -> str:
    """Three significant digits, zeros at the end included."""
    return f"{value:#.3g}".removesuffix(".")
