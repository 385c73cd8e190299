"""Spectral class: Fig. 3, confusion, and the reliability of its probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ojala.contexts import LABELS, PAPER
from ojala.evaluate_config import REAL
from ojala.figures.panels import MIN_OBJECTS, STYLES, class_legend, curve, not_enough
from ojala.figures.style import COLOURS
from ojala.quantities import CLASSES

Sets = Mapping[str, Mapping[str, Any]]
"""Scores (``evaluation.scores``) of Test-Real and Test-Synth, by that name."""

CONTEXT_COLOURS = dict(
    zip(PAPER, ("k", "tab:purple", "tab:orange", "tab:cyan", "0.6"), strict=True)
)
CONTEXT_WIDTHS = dict(zip(PAPER, (5.0, 3.6, 2.4, 1.6, 1.6), strict=True))
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
        f"that hold at least {min_class_objects} sources of the class",
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
            common = [
                entry
                for entry in found["reliability"][code]["bins"]
                if entry["num_sources"] >= MIN_OBJECTS
            ]
            stated, happened = ([entry[key] for entry in common] for key in ("stated", "happened"))
            axis.plot(stated, happened, color=COLOURS[name], label=label, **STYLES[set_name])
        axis.set(xlabel=f"Probability stated for {name}", title=name, box_aspect=1)
        axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axis.legend(frameon=False, fontsize=7, loc="upper left" if code != 1 else "lower right")
    axes[0].set(ylabel="Share that is of the class\n(true classes weigh the same)")
    title = f"Sources of all magnitudes, in bins of probability that hold at least {MIN_OBJECTS}"
    figure.suptitle(title, fontsize=10)
    return figure
