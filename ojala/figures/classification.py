"""Spectral class: Fig. 3, confusion, and the reliability of its probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ojala.evaluation.config import REAL
from ojala.evaluation.contexts import LABELS, PAPER
from ojala.figures.panels import MIN_OBJECTS, STYLES, Floats, class_legend, curve, not_enough
from ojala.figures.style import COLOURS
from ojala.measures.calibration import NUM_BINS
from ojala.vocabulary.quantities import CLASSES

Sets = Mapping[str, Mapping[str, Any]]
"""Scores (``evaluation.scores``) of Test-Real and Test-Synth, by that name."""

CONTEXT_COLOURS = dict(
    zip(PAPER, ("k", "tab:purple", "tab:orange", "tab:cyan", "0.6"), strict=False)
)
CONTEXT_WIDTHS = dict(zip(PAPER, (5.0, 3.6, 2.4, 1.6, 1.6), strict=False))
"""Widths of lines: those drawn first are wider, and are seen where they coincide."""

MEASURES = {"purity": "Purity", "completeness": "Completeness", "f1": "F1"}


def by_magnitude(sets: Sets, min_class_objects: int) -> Figure:
    """Fig. 3: balanced purity, completeness and F1 by i; weighted F1 of five contexts."""
    figure = Figure(figsize=(11, 8), layout="constrained")
    axes = figure.subplots(2, 2, sharex=True)
    for axis, (measure, title) in zip(axes.flat, MEASURES.items(), strict=False):
        for set_name, scores in sets.items():
            for name in CLASSES:
                curve(
                    axis,
                    scores["by_magnitude"],
                    ("mag_i", "class", name, measure),
                    interval=set_name == REAL,
                    color=COLOURS[name],
                    **STYLES[set_name],
                )
        axis.set(ylabel=f"{title} (balanced)", title=title)
    class_legend(axes[0, 0], sets, CLASSES, loc="lower left")
    _contexts(axes[1, 1], sets[REAL])
    for axis in axes.flat:
        axis.set(ylim=(0, 1.03), xlim=(15.3, 23.2))
        axis.grid(alpha=0.25)
    for axis in axes[1]:
        axis.set(xlabel="i (AB mag)")
    figure.suptitle(
        "Spectral class in bins of 0.6 mag, centred every 0.3 mag, "
        f"that hold at least {min_class_objects} sources of the class "
        "(purity, F1: of two classes)",
        fontsize=10,
    )
    return figure


def _contexts(axis: Axes, scores: Mapping[str, Any]) -> None:
    for name in PAPER:
        curve(
            axis,
            scores["contexts"][name]["by_magnitude"],
            ("mag_i", "weighted_f1"),
            color=CONTEXT_COLOURS[name],
            lw=CONTEXT_WIDTHS[name],
            label=LABELS[name],
            **STYLES[REAL] | {"ms": 2 + CONTEXT_WIDTHS[name]},
        )
    total = sum(scores["num_of_class"].values())
    title = f"F1 by what the model is shown, Test-Real (n = {total:,}),\nbins that hold all classes"
    axis.set(ylabel="Weighted F1")
    axis.set_title(title, fontsize=10)
    if not any(np.isfinite(line.get_ydata()).any() for line in axis.lines):
        not_enough(axis, total)
    axis.legend(frameon=False, fontsize=8, loc="lower left")


def confusion(sets: Sets) -> Figure:
    """Row-normalised confusion matrices (Eq. 4), with counts."""
    figure = Figure(figsize=(9.5, 4.2), layout="constrained")
    axes = figure.subplots(1, len(sets))
    for axis, (set_name, scores) in zip(axes, sets.items(), strict=True):
        counts = np.array(scores["class"]["confusion"], dtype=float)
        totals = counts.sum(axis=1, keepdims=True)
        shares = np.divide(counts, totals, out=np.full_like(counts, np.nan), where=totals > 0)
        image = axis.imshow(shares, vmin=0, vmax=1, cmap="Blues")
        _write_shares(axis, shares, counts)
        axis.set_xticks(range(len(CLASSES)), CLASSES)
        axis.set_yticks(range(len(CLASSES)), CLASSES)
        axis.set(xlabel="Class predicted")
        limit, total = scores["faint_limit"], int(counts.sum())
        axis.set_title(f"{set_name}, i < {limit:g} (n = {total:,})", fontsize=10)
    axes[0].set(ylabel="Class from spectra")
    figure.colorbar(image, ax=axes, label="Share of the true class")
    return figure


def _write_shares(axis: Axes, shares: Any, counts: Any) -> None:
    for row, column in np.ndindex(*shares.shape):
        share = shares[row, column]
        text = "no sources" if np.isnan(share) else f"{share:.1%}\n({int(counts[row, column]):,})"
        colour = "white" if share > 0.5 else "black"
        axis.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)


def reliability(sets: Sets) -> Figure:
    """Share of sources that are of a class against the probability stated for it."""
    figure = Figure(figsize=(11, 4.3), layout="constrained")
    axes = figure.subplots(1, len(CLASSES), sharey=True)
    for code, (axis, name) in enumerate(zip(axes, CLASSES, strict=True)):
        axis.plot([0, 1], [0, 1], color="k", lw=0.9, ls=":", label="honest")
        for set_name, scores in sets.items():
            found = scores["calibration"]["class_all_magnitudes"]
            label = f"{set_name} (n = {found['num_sources']:,})"
            if "reliability" not in found:
                not_enough(axis, found["num_sources"])
                continue
            stated, happened, low, high = _in_bins(found["reliability"][code]["bins"])
            style = {"color": COLOURS[name], "label": label, "lw": 1.2} | STYLES[set_name]
            axis.errorbar(stated, happened, yerr=(happened - low, high - happened), **style)
        axis.set(xlabel=f"Probability stated for {name}", title=name, box_aspect=1)
        axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axis.legend(frameon=False, fontsize=7, loc="upper left" if code != 1 else "lower right")
    axes[0].set(ylabel="Share that is of the class\n(true classes weigh the same)")
    figure.suptitle(
        f"Sources of all magnitudes, in {NUM_BINS} bins of probability; bins of fewer than "
        f"{MIN_OBJECTS} sources are left out, lines end there. Bars: 68 % intervals",
        fontsize=10,
    )
    return figure


def _in_bins(bins: Sequence[Mapping[str, float]]) -> tuple[Floats, Floats, Floats, Floats]:
    """Stated probability and share that happened with the ends of its interval, (NUM_BINS,).

    NaN in a bin of too few sources, so that lines break there. The interval is Wilson's (1927), of
    as many sources of equal weight as tell the same.
    """
    stated, happened, number = np.full((3, NUM_BINS), np.nan)
    for entry in bins:
        if entry["num_sources"] >= MIN_OBJECTS:
            place = min(int(entry["stated"] * NUM_BINS), NUM_BINS - 1)
            stated[place], happened[place] = entry["stated"], entry["happened"]
            number[place] = entry["num_effective"]
    centre = (happened + 0.5 / number) / (1 + 1 / number)
    half = np.sqrt(happened * (1 - happened) / number + 0.25 / number**2) / (1 + 1 / number)
    low, high = np.minimum(centre - half, happened), np.maximum(centre + half, happened)
    return stated, happened, low, high
