"""What a fine-tuned head answers against what is true (Fig. 10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ojala.evaluation.config import TITLES
from ojala.figures.panels import MIN_OBJECTS, not_enough
from ojala.tables.shards import Columns
from ojala.vocabulary.bands import reference_band

REFERENCE = reference_band().token

CONTOURS = (0.15, 0.4, 0.7)
"""Densities over the largest one at which contours run."""


def given_against_true(
    answers: Mapping[str, Columns],
    truths: Mapping[str, Columns],
    scores: Mapping[str, Mapping[str, Any]],
    quantity: str,
    unit: str,
) -> Figure:
    """A panel for each set: points coloured by i, contours of their density, median errors.

    answers, truths: columns by set, row by row the same; scores: ``head_scores`` by set. Numbers
    in parentheses are those of the sources with good labels, the paper's stand below.
    """
    figure = Figure(figsize=(5.6 * len(answers), 5.1), layout="constrained")
    if scores:
        figure.supxlabel(
            "In parentheses: sources with good labels alone (label error below max_label_err)",
            fontsize=9,
        )
    points = None
    for axis, name in zip(np.atleast_1d(figure.subplots(1, len(answers))), answers, strict=True):
        points = _panel(axis, answers[name], truths[name], quantity) or points
        axis.set(xlabel=f"{quantity}, true ({unit})", ylabel=f"{quantity}, predicted ({unit})")
        axis.set_title(f"{TITLES[name]}: {_numbers(scores.get(name))}", fontsize=8)
    if points is not None:
        figure.colorbar(points, ax=figure.axes, label="i (AB mag)", shrink=0.8)
    return figure


def _panel(axis: Axes, answer: Columns, truth: Columns, quantity: str) -> Any:
    true, given = truth[quantity], answer[quantity]
    if len(true) < MIN_OBJECTS:
        not_enough(axis, len(true))
        axis.set(xticks=[], yticks=[])
        return None
    low, high = np.quantile(np.concatenate([true, given]), [0.003, 0.997])
    edge = 0.1 * max(high - low, 1e-9)
    limits = (float(low - edge), float(high + edge))
    points = axis.scatter(true, given, c=truth[REFERENCE], s=8, cmap="viridis_r", lw=0, alpha=0.8)
    _contours(axis, true, given, limits)
    axis.plot(limits, limits, color="k", lw=0.9, ls="--", label="one to one")
    errors = [float(np.nanmedian(columns[f"{quantity}_ERR"])) for columns in (truth, answer)]
    corner = limits[1] - 0.16 * (limits[1] - limits[0]), limits[0] + 0.16 * (limits[1] - limits[0])
    bars: dict[str, Any] = {"xerr": errors[0], "yerr": errors[1], "label": "median errors"}
    axis.errorbar(*corner, **bars, color="k", capsize=2, lw=1)
    axis.legend(frameon=False, fontsize=8, loc="upper left")
    axis.set(xlim=limits, ylim=limits, box_aspect=1)
    return points


def _contours(axis: Axes, x: NDArray[Any], y: NDArray[Any], limits: tuple[float, float]) -> None:
    counts, edges, _ = np.histogram2d(x, y, 40, (limits, limits))
    density = gaussian_filter(counts, 2.0)
    centres = (edges[1:] + edges[:-1]) / 2
    levels = [share * density.max() for share in CONTOURS]
    axis.contour(centres, centres, density.T, levels, colors="k", linewidths=0.7, alpha=0.6)


def _numbers(scores: Mapping[str, Any] | None) -> str:
    """N, bias and scatter, the high-quality ones in parentheses, and what they stand beside."""
    if scores is None:
        return "no head"
    full, certain = scores["full"], scores["high_quality"]
    ours = [
        f"{symbol} = {_text(full[name])} ({_text(certain[name])})"
        for name, symbol in (
            ("num_sources", "N"),
            ("bias", "bias"),
            ("sigma_nmad", r"$\sigma_{\rm NMAD}$"),
        )
    ]
    constant = rf"$\sigma_{{\rm NMAD}}$ of a constant: {_text(full['sigma_nmad_of_labels'])}"
    paper = [
        f"{name} {_text(full['paper'][name])}"
        for name in ("bias", "sigma_nmad")
        if name in full.get("paper", {})
    ]
    said = f"; the paper, on DESI: {', '.join(paper)}" if paper else ""
    return f"{', '.join(ours)}\n{constant}{said}"


def _text(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3f}" if isinstance(value, float) else "-"
