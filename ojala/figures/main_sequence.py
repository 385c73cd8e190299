"""The star-forming main sequence as predicted and as the catalogue has it (Fig. 14)."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ojala.evaluation.comparisons import is_class
from ojala.figures.panels import MAX_POINTS, MIN_OBJECTS, density_scatter, not_enough
from ojala.tables.shards import Columns

LIMITS = (7.0, 12.2), (-4.0, 3.0)
REDSHIFT_LIMIT = 1.0
SPECIFIC_RATE = -11.0
"""log10 of the specific rate (per year) below which galaxies are quiescent (Sect. 4.5)."""


def main_sequence(predicted: Columns, truth: Columns) -> Figure:
    """Fig. 14: SFR against mass of galaxies at z < 1, by density (top) and by redshift (bottom)."""
    chosen = is_class(truth, "galaxy") & (truth["z"] < REDSHIFT_LIMIT)
    figure = Figure(figsize=(10, 8), layout="constrained")
    axes = figure.subplots(2, 2, sharex=True, sharey=True)
    for (top, bottom), (name, columns) in zip(
        axes.T, {"OJALA, Test-Real": predicted, "CIGALE (labels)": truth}.items(), strict=True
    ):
        mass, rate = columns["LOGM"], columns["LOGSFR"]
        known = chosen & np.isfinite(mass) & np.isfinite(rate)
        for axis in (top, bottom):
            axis.axline(
                (10, SPECIFIC_RATE + 10),
                slope=1,
                color="0.4",
                lw=0.9,
                ls="--",
                label="sSFR = 10$^{-11}$ yr$^{-1}$",
            )
            axis.set_title(f"{name} (n = {known.sum():,})", fontsize=10)
            if known.sum() < MIN_OBJECTS:
                not_enough(axis, int(known.sum()))
        points = density_scatter(top, mass[known], rate[known], *LIMITS)
        coloured = _by_redshift(bottom, mass[known], rate[known], truth["z"][known])
        bottom.set(xlabel=r"log$_{10}$ $M_\star$ (M$_\odot$)", xlim=LIMITS[0], ylim=LIMITS[1])
    for axis in axes[:, 0]:
        axis.set(ylabel=r"log$_{10}$ SFR (M$_\odot$ yr$^{-1}$)")
    axes[0, 0].legend(frameon=False, fontsize=8, loc="upper left")
    figure.colorbar(points, ax=axes[0], label="Density of sources over its maximum")
    figure.colorbar(coloured, ax=axes[1], label="Spectroscopic redshift")
    return figure


def _by_redshift(axis: Any, mass: Any, rate: Any, z: Any) -> Any:
    drawn = slice(MAX_POINTS)
    return axis.scatter(
        mass[drawn], rate[drawn], c=z[drawn], s=5, lw=0, cmap="plasma", vmin=0, vmax=REDSHIFT_LIMIT
    )
