"""p(z) of single sources, beside the spectroscopic redshift."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from ojala.evaluation.comparisons import CLASS_NAMES, REDSHIFT_TOKENS, brighter_than, is_class
from ojala.figures.style import COLOURS
from ojala.measures.redshift_modes import modes
from ojala.measures.redshift_pdf import ONE_SIGMA, RedshiftPdf
from ojala.tables.shards import Columns
from ojala.vocabulary.bands import reference_band

REFERENCE = reference_band().token

NUM_COLUMNS = 4
SEED = 5
MARGIN = 0.25
"""Of the range that a panel shows, on either side of p(z) and the true redshift."""


def examples(redshifts: Mapping[str, RedshiftPdf], truth: Columns, faint_limit: float) -> Figure:
    """Galaxies and quasars as they come, by magnitude, and those whose p(z) has two modes.

    redshifts: of a test set, by token; truth: its columns, row by row the same
    """
    figure = Figure(figsize=(12, 10.5), layout="constrained")
    axes = figure.subplots(2 * len(REDSHIFT_TOKENS), NUM_COLUMNS)
    counts = []
    for number, (name, token) in enumerate(REDSHIFT_TOKENS.items()):
        pdf = redshifts[token]
        candidates = is_class(truth, name) & pdf.known & np.isfinite(truth["z"])
        candidates &= brighter_than(truth, faint_limit)
        counts.append(f"{CLASS_NAMES[name]}, n = {candidates.sum():,}")
        chosen = (_as_they_come(candidates, truth), _two_modes(candidates, pdf))
        for row, (kind, rows) in enumerate(zip(("as it came", "two modes"), chosen, strict=True)):
            for column, axis in enumerate(axes[2 * number + row]):
                axis.set_title(f"{CLASS_NAMES[name].capitalize()}, {kind}", fontsize=8)
                if column < len(rows):
                    _panel(axis, pdf[rows[column : column + 1]], truth, rows[column], name)
                else:
                    axis.text(0.5, 0.5, "no such source", ha="center", va="center", color="0.5")
                    axis.set(xticks=[], yticks=[])
                axis.set(xlabel="Redshift", ylabel="p(z)")
    figure.suptitle(
        f"Sources of Test-Real with i < {faint_limit:g} ({'; '.join(counts)}). As it came: "
        "at random, one of each quarter in magnitude.\nTwo modes: the largest second ones. "
        "Modes with their probability",
        fontsize=10,
    )
    figure.legend(handles=_keys(), loc="outside lower center", ncols=5, frameon=False, fontsize=9)
    return figure


def _as_they_come(candidates: NDArray[np.bool_], truth: Columns) -> NDArray[np.intp]:
    """One source of each quarter in magnitude, at random."""
    rows = np.flatnonzero(candidates)
    ordered = rows[np.argsort(truth[REFERENCE][rows], kind="stable")]
    rng = np.random.default_rng(SEED)
    ends = np.linspace(0, len(ordered), NUM_COLUMNS + 1).astype(int)
    return np.array([rng.choice(ordered[a:b]) for a, b in pairwise(ends) if b > a], dtype=np.intp)


def _two_modes(candidates: NDArray[np.bool_], pdf: RedshiftPdf) -> NDArray[np.intp]:
    """The sources whose second mode weighs most."""
    weight = np.where(candidates, modes(pdf).second_weight, 0.0)
    order = np.argsort(-weight, kind="stable")[:NUM_COLUMNS]
    return order[weight[order] > 0]


def _panel(axis: Axes, pdf: RedshiftPdf, truth: Columns, row: np.intp, name: str) -> None:
    """p(z) of one source, its modes, its 68 % and the true redshift."""
    colour, z_true = COLOURS[name.upper()], float(truth["z"][row])
    z = np.expm1(pdf.edges)
    density = pdf.probability[0] / np.diff(z)
    axis.stairs(density, z, color=colour, fill=True, alpha=0.35)
    axis.stairs(density, z, color=colour, lw=0.7)
    low, high = (float(end[0]) for end in pdf.interval(ONE_SIGMA))
    top = 1.12 * float(density.max())
    axis.plot([low, high], [0.95 * top, 0.95 * top], color="0.4", lw=3, solid_capstyle="butt")
    found = modes(pdf)
    axis.axvline(float(found.first[0]), color=colour, lw=1.2)
    if np.isfinite(found.second[0]):
        axis.axvline(float(found.second[0]), color=colour, lw=1.2, ls=":")
    axis.axvline(z_true, color="k", lw=1.0, ls="--")
    shown = [float(end[0]) for end in pdf.interval(0.98)] + [z_true]
    margin = max(MARGIN * (max(shown) - min(shown)), 0.01)
    axis.set(xlim=(min(shown) - margin, max(shown) + margin), ylim=(0, top), yticks=[])
    said = [
        f"i = {truth[REFERENCE][row]:.1f}",
        f"{found.first[0]:.3f} ({found.first_weight[0]:.0%})",
    ]
    if found.second_weight[0] > 0:
        said.append(f"{found.second[0]:.3f} ({found.second_weight[0]:.0%})")
    said.append(f"true {z_true:.3f}")
    axis.set_title(f"{axis.get_title()}\n{'; '.join(said)}", fontsize=8)


def _keys() -> list[Patch | Line2D]:
    return [
        Patch(color="0.4", alpha=0.4, label="p(z), in the colour of the class"),
        Line2D([], [], color="0.4", label="mode"),
        Line2D([], [], color="0.4", ls=":", label="second mode"),
        Line2D([], [], color="0.4", lw=3, label="central 68 %"),
        Line2D([], [], color="k", ls="--", label="spectroscopic redshift"),
    ]
