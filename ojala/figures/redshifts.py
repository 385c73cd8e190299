"""Photometric redshifts of galaxies and quasars: Fig. 4, and given against true."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from ojala.evaluation.comparisons import Comparison
from ojala.evaluation.config import REAL
from ojala.figures.panels import (
    MIN_OBJECTS,
    STYLES,
    class_legend,
    curve,
    density_bar,
    density_scatter,
    not_enough,
    score,
)
from ojala.figures.style import COLOURS
from ojala.measures.metrics import OUTLIER_THRESHOLD, residual_scores, sigma_nmad

CLASS_OF = {"galaxy": "GALAXY", "qso": "QSO"}
RESIDUAL_RANGE = 7.0
"""Half of the range of a panel of residuals, in units of their scatter."""

MEASURES = {
    "bias": "Bias of $\\Delta z$",
    "sigma_nmad": "$\\sigma_{\\rm NMAD}$ of $\\Delta z$",
    "outlier_fraction": f"Outlier fraction, $|\\Delta z|$ > {OUTLIER_THRESHOLD}",
}


def by_magnitude_and_redshift(
    sets: Mapping[str, Mapping[str, Any]], min_class_objects: int
) -> Figure:
    """Fig. 4: bias, sigma_nmad and outlier fraction by i (left) and by z_spec (right)."""
    figure = Figure(figsize=(11, 9.5), layout="constrained")
    axes = figure.subplots(len(MEASURES), 2, sharex="col", sharey="row")
    for (left, right), measure in zip(axes, MEASURES, strict=True):
        for set_name, scores in sets.items():
            for name, class_name in CLASS_OF.items():
                style = {"color": COLOURS[class_name], **STYLES[set_name]}
                shaded = set_name == REAL
                curve(left, scores["by_magnitude"], ("mag_i", name, measure), shaded, **style)
                curve(right, scores["by_redshift"][name], ("z_spec", measure), shaded, **style)
        left.set(ylabel=MEASURES[measure])
        _limits((left, right), measure)
    axes[-1, 0].set(xlabel="i (AB mag)")
    axes[-1, 1].set(xlabel="Spectroscopic redshift")
    class_legend(axes[0, 0], sets, CLASS_OF.values())
    figure.suptitle(
        r"$\Delta z = (z_{\rm phot} - z_{\rm spec}) / (1 + z_{\rm spec})$ in sliding bins "
        f"that hold at least {min_class_objects} sources of the class; right: all magnitudes",
        fontsize=10,
    )
    return figure


def _limits(axes: tuple[Axes, Axes], measure: str) -> None:
    for axis in axes:
        axis.grid(alpha=0.25)
        if measure == "bias":
            axis.axhline(0, color="k", lw=0.7)
        elif measure == "sigma_nmad" and _any_drawn(axes):
            axis.set(yscale="log")
            axis.yaxis.set_major_formatter("{x:g}")
            axis.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
            axis.yaxis.set_minor_formatter("{x:g}")
        else:
            axis.set(ylim=(-0.02, 1.02))


def _any_drawn(axes: tuple[Axes, Axes]) -> bool:
    """Whether a curve has a point; an empty axis cannot be logarithmic."""
    values = [line.get_ydata() for axis in axes for line in axis.lines]
    return any(np.any(np.asarray(y, dtype=float) > 0) for y in values)


def one_by_one(
    found: Mapping[str, Mapping[str, Mapping[str, Comparison]]], faint_limit: float
) -> Figure:
    """Photometric against spectroscopic redshift and the residual below, of both sets.

    found: comparisons of Test-Real and Test-Synth, by that name; faint_limit: of both, in i
    """
    figure = Figure(figsize=(10, 14), layout="constrained")
    axes = figure.subplots(4, 2, height_ratios=(5, 2, 5, 2))
    for number, (set_name, comparisons) in enumerate(found.items()):
        for column, (name, class_name) in enumerate(CLASS_OF.items()):
            above, below = axes[2 * number : 2 * number + 2, column]
            points = _panel(above, comparisons[name]["z"])
            below.set_title(f"{class_name}, {set_name}", fontsize=9)
            _residuals(below, comparisons[name]["z"], above.get_xlim())
            above.set(ylabel="Photometric redshift", title=f"{class_name}, {set_name}")
            for axis in (above, below):
                axis.set(xlabel="Spectroscopic redshift")
    density_bar(figure, axes, points)
    figure.suptitle(f"Sources with i < {faint_limit:g}", fontsize=10)
    return figure


def _residuals(axis: Axes, compared: Comparison, x_limits: tuple[float, float]) -> None:
    """Residuals within RESIDUAL_RANGE of the scatter, and how many lie beyond."""
    axis.set(ylabel=r"$\Delta z$", xlim=x_limits)
    true, residual = (of[compared.takes_part] for of in (compared.true, compared.residual))
    if len(true) < MIN_OBJECTS:
        not_enough(axis, len(true))
        return
    scatter = max(sigma_nmad(residual), 1e-6)
    limits = (-RESIDUAL_RANGE * scatter, RESIDUAL_RANGE * scatter)
    inside = np.abs(residual) <= limits[1]
    density_scatter(axis, true[inside], residual[inside], x_limits, limits)
    axis.axhline(0, color="k", lw=0.9, ls="--")
    axis.axhspan(-scatter, scatter, color="0.5", alpha=0.2, lw=0, zorder=0)
    said = rf"$\pm\sigma_{{\rm NMAD}}$ grey; {np.sum(~inside)} of {len(true):,} beyond the panel"
    axis.set(ylim=limits)
    axis.set_title(f"{axis.get_title()}: {said}", fontsize=9)


def _panel(axis: Axes, compared: Comparison) -> Any:
    true, given = compared.true[compared.takes_part], compared.given[compared.takes_part]
    top = max(float(np.quantile(np.concatenate([true, given]), 0.995)) if len(true) else 1.0, 0.1)
    limits = (-0.02 * top, 1.08 * top)
    if len(true) < MIN_OBJECTS:
        not_enough(axis, len(true))
        return density_scatter(axis, true, given, limits, limits)
    points = density_scatter(axis, true, given, limits, limits)
    z = np.array(limits)
    axis.plot(z, z, color="k", lw=0.9, ls="--", label="one to one")
    for sign in (-1, 1):
        label = f"$|\\Delta z|$ = {OUTLIER_THRESHOLD}" if sign > 0 else None
        axis.plot(z, z + sign * OUTLIER_THRESHOLD * (1 + z), color="0.5", lw=0.8, label=label)
    scores = residual_scores(compared.residual, MIN_OBJECTS, redshift=True)
    lines = [
        f"N = {scores['num_sources']:,}",
        f"bias = {score(scores['bias']):.5f}",
        rf"$\sigma_{{\rm NMAD}}$ = {score(scores['sigma_nmad']):.5f}",
        f"outliers = {score(scores['outlier_fraction']):.2%}",
    ]
    axis.text(0.04, 0.97, "\n".join(lines), transform=axis.transAxes, va="top", fontsize=9)
    axis.legend(frameon=False, fontsize=8, loc="lower right")
    axis.set(xlim=limits, ylim=limits, box_aspect=1)
    return points
