"""Emission-line galaxies: diagnostic diagrams (Fig. 7) and line fluxes (Fig. 11)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import norm

from ojala.evaluation.comparisons import Comparison, Selected
from ojala.evaluation.diagram_scores import bpt_sample, bpt_types, whan_sample, whan_types
from ojala.figures.panels import MIN_OBJECTS, density_bar, density_scatter, median_band, not_enough
from ojala.measures.metrics import bias, sigma_nmad
from ojala.physics.derived import LINES as FLUX_LINES
from ojala.physics.diagrams import BPT_LINES, STRONG_EW, WEAK_EW, WHAN_CUTS
from ojala.tables.shards import Columns

Floats = NDArray[Any]

BPT_LIMITS = (-1.6, 0.6), (-1.3, 1.4)
WHAN_LIMITS = (-1.6, 0.8), (-1.0, 2.7)
LINE_STYLES = {"Ke01": "-", "Ka03": "--", "S06": ":"}
BPT_SHOWN, WHAN_SHOWN = "Ka03", "S06"
"""Dividing lines of the percentages in the panels."""

FLUX_NAMES = {
    "FLUX_HALPHA": r"H$\alpha$",
    "FLUX_HBETA": r"H$\beta$",
    "FLUX_NII6584": "[NII] 6584",
    "FLUX_OIII5007": "[OIII] 5007",
}


def diagrams(truth: Columns, predicted: Mapping[str, Columns], faint_limit: float) -> Figure:
    """Fig. 7: BPT and WHAN diagrams of the spectra, and as predicted in both sets.

    truth: of Test-Real; predicted: of Test-Real and Test-Synth by that name, same rows
    """
    columns = {"DESI spectra": truth, **predicted}
    figure = Figure(figsize=(12, 8), layout="constrained")
    axes = figure.subplots(2, len(columns), sharex="row", sharey="row")
    for axis, (name, of_set) in zip(axes[0], columns.items(), strict=True):
        sample = bpt_sample(truth, faint_limit)
        points = _scatter(axis, *_bpt(of_set, sample), *BPT_LIMITS)
        _percentages(axis, name, bpt_types(of_set, line=BPT_SHOWN)[sample], ("SF", "AGN"))
        _draw_bpt_lines(axis)
        axis.set(xlabel=r"log$_{10}$ [NII]/H$\alpha$")
    for axis, (name, of_set) in zip(axes[1], columns.items(), strict=True):
        sample = whan_sample(truth, faint_limit)
        _scatter(axis, *_whan(of_set, sample), *WHAN_LIMITS)
        types = whan_types(of_set, line=WHAN_SHOWN)[sample]
        _percentages(axis, name, types, ("SF", "sAGN", "wAGN", "passive"))
        _draw_whan_lines(axis)
        axis.set(xlabel=r"log$_{10}$ [NII]/H$\alpha$")
    axes[0, 0].set(ylabel=r"log$_{10}$ [OIII]/H$\beta$")
    axes[1, 0].set(ylabel=r"log$_{10}$ EW(H$\alpha$) ($\rm\AA$)")
    axes[0, 0].legend(framealpha=0.85, edgecolor="none", fontsize=8, loc="lower left")
    axes[1, 0].legend(framealpha=0.85, edgecolor="none", fontsize=8, loc="lower left")
    density_bar(figure, axes, points)
    figure.suptitle(
        f"Percentages by the lines {BPT_SHOWN} (BPT, top) and {WHAN_SHOWN} (WHAN, bottom), "
        f"of galaxies with i < {faint_limit:g}, z < 0.36",
        fontsize=10,
    )
    return figure


def fluxes(found: Mapping[str, Comparison], truth: Columns) -> Figure:
    """Fig. 11: log ratio of predicted to spectroscopic line fluxes by the spectra's EW.

    found: comparisons of the galaxies of Test-Real; truth: its columns
    """
    figure = Figure(figsize=(12, 8), layout="constrained")
    axes = figure.subplots(2, 4, width_ratios=(1, 3, 1, 3), sharey=True)
    pairs = axes.reshape(-1, 2)
    for (left, right), (token, name) in zip(pairs, FLUX_NAMES.items(), strict=True):
        residual = found[token].residual
        width = truth[FLUX_LINES[token][1]]
        known = np.isfinite(residual) & (width > 0)
        right.set(xlabel=rf"log$_{{10}}$ EW({name}) from spectra ($\rm\AA$)", title=name)
        right.axhline(0, color="k", lw=0.9, ls="--", label="equal fluxes")
        left.set(
            xlabel=r"Density (dex$^{-1}$)", ylabel=r"log$_{10}$ flux predicted / from spectra (dex)"
        )
        if known.sum() < MIN_OBJECTS:
            not_enough(right, int(known.sum()))
            continue
        points = _flux_scatter(right, np.log10(width[known]), residual[known])
        _flux_histogram(left, residual[known])
    pairs[0][1].set(ylim=(-1.5, 1.5))
    if any(found[token].takes_part.sum() >= MIN_OBJECTS for token in FLUX_NAMES):
        density_bar(figure, axes, points)
    figure.suptitle(
        "Line fluxes of galaxies, Test-Real. N, median and $\\sigma_{\\rm NMAD}$ (dex)", fontsize=10
    )
    return figure


def _flux_scatter(axis: Axes, log_width: Floats, residual: Floats) -> Any:
    low, high = np.quantile(log_width, [0.005, 0.995])
    limits = (float(low) - 0.1, float(high) + 0.1)
    points = density_scatter(axis, log_width, residual, limits, (-1.5, 1.5))
    median_band(axis, log_width, residual, limits)
    axis.set(xlim=limits)
    axis.legend(framealpha=0.85, edgecolor="none", fontsize=8, loc="lower right")
    return points


def _flux_histogram(axis: Axes, residual: Floats) -> None:
    edges = np.linspace(-1.5, 1.5, 46)
    axis.hist(residual, edges.tolist(), density=True, orientation="horizontal", color="0.75")
    centre, sigma = bias(residual), sigma_nmad(residual)
    axis.plot(norm.pdf(edges, centre, sigma), edges, color="tab:red", lw=1)
    text = f"N = {len(residual):,}\n$\\mu$ = {centre:.3f}\n$\\sigma$ = {sigma:.3f}"
    axis.text(0.95, 0.97, text, transform=axis.transAxes, ha="right", va="top", fontsize=8)


def _scatter(
    axis: Axes, x: Floats, y: Floats, x_limits: tuple[float, float], y_limits: tuple[float, float]
) -> Any:
    usable = np.isfinite(x) & np.isfinite(y)
    axis.set(xlim=x_limits, ylim=y_limits)
    if usable.sum() < MIN_OBJECTS:
        not_enough(axis, int(usable.sum()))
    return density_scatter(axis, x[usable], y[usable], x_limits, y_limits)


def _bpt(columns: Columns, sample: Selected) -> tuple[Floats, Floats]:
    return (
        _log_ratio(columns["NII_6584_EW"], columns["HALPHA_6562_EW"])[sample],
        _log_ratio(columns["OIII_5007_EW"], columns["HBETA_4861_EW"])[sample],
    )


def _whan(columns: Columns, sample: Selected) -> tuple[Floats, Floats]:
    halpha = columns["HALPHA_6562_EW"]
    ratio = _log_ratio(columns["NII_6584_EW"], halpha)
    return ratio[sample], _log_ratio(halpha, np.ones(len(halpha)))[sample]


def _log_ratio(above: Floats, below: Floats) -> Floats:
    positive = (above > 0) & (below > 0)
    ratio = np.divide(above, below, out=np.full(len(above), np.nan), where=positive)
    return np.asarray(np.log10(ratio))


def _percentages(axis: Axes, name: str, types: Floats, shown: tuple[str, ...]) -> None:
    known = types[types != ""]
    axis.set_title(f"{name} (n = {len(types):,})", fontsize=10)
    if len(known) < MIN_OBJECTS:
        return
    shares = [f"{each} {np.mean(known == each):.0%}" for each in shown]
    box = {"facecolor": "white", "alpha": 0.85, "lw": 0}
    axis.text(
        0.97, 0.97, "\n".join(shares), transform=axis.transAxes, ha="right", va="top", bbox=box
    )


def _draw_bpt_lines(axis: Axes) -> None:
    x = np.linspace(*BPT_LIMITS[0], 400)
    for name, line in BPT_LINES.items():
        y = line(x)
        left = np.isfinite(y)
        axis.plot(x[left], y[left], color="k", lw=1, ls=LINE_STYLES[name], label=name)


def _draw_whan_lines(axis: Axes) -> None:
    for name, cut in WHAN_CUTS.items():
        axis.axvline(np.log10(cut), color="k", lw=1, ls=LINE_STYLES[name], label=name)
    for width in (STRONG_EW, WEAK_EW):
        label = r"EW(H$\alpha$) = 6 and 3 $\rm\AA$" if width == STRONG_EW else None
        axis.axhline(np.log10(width), color="0.4", lw=1, ls="-.", label=label)
