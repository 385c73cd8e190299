"""What scores lose: from Test-Synth to Test-Real, and with trays or bands that are missing."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import getitem
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ojala.evaluation.comparisons import CLASS_NAMES, NAMES
from ojala.evaluation.config import REAL
from ojala.evaluation.contexts import LABELS, TRAYS
from ojala.evaluation.curves import runs_by_bands_shown
from ojala.figures.panels import STYLES, score
from ojala.figures.style import COLOURS
from ojala.measures.metrics import NOT_ENOUGH
from ojala.vocabulary.bands import narrow_bands

Sets = Mapping[str, Mapping[str, Any]]
"""Scores (``evaluation.scores``) of Test-Real and Test-Synth, by that name."""

SCORES = (
    ("Weighted F1", ("weighted_f1",), "k"),
    (r"$\sigma_{\rm NMAD}$ of galaxies", ("galaxy", "sigma_nmad"), COLOURS["GALAXY"]),
    ("Outlier fraction of galaxies", ("galaxy", "outlier_fraction"), COLOURS["GALAXY"]),
    ("Outlier fraction of quasars", ("qso", "outlier_fraction"), COLOURS["QSO"]),
)
"""Scores of ``evaluation.summary`` that are drawn: name, keys that lead to it, colour."""


def gap(gaps: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Figure:
    """The sim-to-real gap of every scatter, relative to Test-Synth, and of F1 and outliers."""
    figure = Figure(figsize=(11, 7), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.6, 1))
    rows = [
        (f"{CLASS_NAMES[name]}, {NAMES[token][0]}", COLOURS[name.upper()], of_token["sigma_nmad"])
        for name, of_class in gaps.items()
        if name != "class"
        for token, of_token in of_class.items()
    ]
    _rows(left, rows, relative=True)
    left.set(xlabel=r"$\sigma_{\rm NMAD}$: (Test-Real $-$ Test-Synth) / Test-Synth")
    shares = [
        (_f1_title(name), COLOURS.get(name.removesuffix("_f1"), "k"), entry)
        for name, entry in gaps["class"].items()
    ]
    shares += [
        (
            f"{CLASS_NAMES[name]}, outliers",
            COLOURS[name.upper()],
            gaps[name]["z"]["outlier_fraction"],
        )
        for name in ("galaxy", "qso")
    ]
    _rows(right, shares, relative=False)
    right.set(xlabel="Test-Real $-$ Test-Synth")
    figure.suptitle(
        "The sim-to-real gap with its 95 % interval (bootstrap over sources)", fontsize=10
    )
    return figure


def _f1_title(name: str) -> str:
    """What the F1 of a class, or of all, is called."""
    of_class = name.removesuffix("_f1")
    return "weighted F1" if of_class == "weighted" else f"{CLASS_NAMES[of_class.lower()]}, F1"


def _rows(axis: Axes, rows: list[tuple[str, str, Any]], *, relative: bool) -> None:
    """One gap with its interval per line, top to bottom."""
    axis.axvline(0, color="k", lw=0.8, label="no gap")
    labels = []
    for place, (name, colour, entry) in enumerate(rows):
        labels.append(f"{name} (n = {entry.get('num_sources', 0):,})")
        ends = np.array([score(entry.get(key)) for key in ("low", "difference", "high")])
        ends = ends / entry["synth"] if relative and "synth" in entry else ends
        low, centre, high = ends
        axis.plot([low, high], [place, place], color=colour, lw=1.5)
        axis.plot(centre, place, "o", color=colour, ms=4)
        if np.isnan(centre):
            axis.text(0, place, f" {NOT_ENOUGH}", color="0.5", fontsize=7, va="center")
    axis.set_yticks(range(len(rows)), labels, fontsize=8)
    axis.set(ylim=(len(rows) - 0.5, -0.5))
    axis.locator_params(axis="x", nbins=5)
    axis.grid(axis="x", alpha=0.25)
    axis.legend(frameon=False, fontsize=8)


def missing_bands(sets: Sets) -> Figure:
    """Scores by the number of narrow bands shown, the others hidden at random."""
    figure = Figure(figsize=(13, 3.8), layout="constrained")
    total = len(narrow_bands())
    for axis, (title, path, colour) in zip(figure.subplots(1, len(SCORES)), SCORES, strict=True):
        for set_name, scores in sets.items():
            runs = runs_by_bands_shown(scores, total)
            values = [_value(run, path) for run in runs.values()]
            label = f"{set_name} (n = {_count(runs[total], path):,})"
            axis.plot(list(runs), values, color=colour, label=label, **STYLES[set_name])
        axis.set(xlabel=f"Narrow bands shown, of {total}", ylabel=title)
        top = 1.35 * np.nanmax(
            [0.01, *[value for line in axis.lines for value in line.get_ydata()]]
        )
        axis.set(xlim=(0, total + 2), ylim=(0, min(top, 1.03)))
        axis.legend(frameon=False, fontsize=8)
        axis.grid(alpha=0.25)
    _limit_note(figure, sets)
    return figure


def trays(sets: Sets) -> Figure:
    """Scores by what the model is shown: trays, broad bands (BB), morphology (M)."""
    figure = Figure(figsize=(13, 4.4), layout="constrained")
    axes = figure.subplots(1, len(SCORES), sharey=True)
    for axis, (title, path, colour) in zip(axes, SCORES, strict=True):
        for set_name, scores in sets.items():
            runs = [scores["contexts"][name] for name in TRAYS]
            style = STYLES[set_name] | {"ls": "none", "ms": 5}
            label = f"{set_name} (n = {_count(runs[0], path):,})"
            values = [_value(run, path) for run in runs]
            axis.plot(values, range(len(TRAYS)), color=colour, label=label, **style)
        axis.set(xlabel=title, xlim=(0, 1.03) if path == ("weighted_f1",) else (0, None))
        axis.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1))
        axis.grid(alpha=0.25)
    axes[0].set_yticks(range(len(TRAYS)), [LABELS[name] for name in TRAYS])
    axes[0].set(ylim=(len(TRAYS) - 0.5, -0.5), ylabel="Shown")
    _limit_note(figure, sets)
    return figure


def _limit_note(figure: Figure, sets: Sets) -> None:
    limit = sets[REAL]["faint_limit"]
    figure.suptitle(f"Sources with i < {limit:g}", fontsize=10)


def _value(run: Mapping[str, Any], path: tuple[str, ...]) -> float:
    return score(reduce(getitem, path, run))


def _count(run: Mapping[str, Any], path: tuple[str, ...]) -> int:
    return int(reduce(getitem, path[:-1], run)["num_sources"])
