"""The training set: what sampling does to it, and the noise that it is given."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ojala.bands import narrow_bands
from ojala.figures.panels import running
from ojala.figures.style import COLOURS
from ojala.metrics import error_correlation
from ojala.quantities import CLASSES
from ojala.shards import Columns


def sampling(columns: Columns, weight: NDArray[Any]) -> Figure:
    """The training set as it is and as it is sampled (Appendix B).

    columns: those of ``sampling.COLUMNS``; weight: sampling probability of each source.
    """
    figure = Figure(figsize=(13, 6.2), layout="constrained")
    axes = figure.subplots(2, 4)
    for axis, code in ((axes[0, 0], 0), (axes[0, 1], 2)):
        _before_and_after(axis, columns, weight, code)
    _class_shares(axes[0, 2], columns["SPECTYPE"], weight)
    _effective_size(axes[0, 3], columns["SPECTYPE"], weight)
    bpt = _bpt(columns)
    for axis, drawn, when in ((axes[1, 0], None, "as it is"), (axes[1, 1], weight, "as sampled")):
        _density(axis, *bpt, drawn, (-1.6, 0.8), (-1.4, 1.4))
        axis.set(
            xlabel=r"log$_{10}$ [NII]/H$\alpha$ (EW)",
            ylabel=r"log$_{10}$ [OIII]/H$\beta$ (EW)",
            title=f"Galaxies z < 0.49, {when} (n = {np.isfinite(bpt[0] + bpt[1]).sum():,})",
        )
    kiel = columns["TEFF"], columns["LOGG"]
    for axis, drawn, when in ((axes[1, 2], None, "as it is"), (axes[1, 3], weight, "as sampled")):
        _density(axis, *kiel, drawn, (9000, 3000), (5.5, 0.0))
        axis.set(
            xlabel=r"$T_{\rm eff}$ (K)",
            ylabel=r"log $g$ (dex, cm s$^{-2}$)",
            title=f"Stars, {when} (n = {np.isfinite(kiel[0] + kiel[1]).sum():,})",
        )
    for axis in axes.flat:
        axis.title.set_fontsize(9)
    figure.suptitle("Colours of the maps: share of the fullest cell, dark to bright", fontsize=9)
    return figure


def _before_and_after(axis: Axes, columns: Columns, weight: NDArray[Any], code: int) -> None:
    chosen = columns["SPECTYPE"] == code
    axis.set(
        xlabel="Redshift",
        ylabel="Probability density",
        title=f"{CLASSES[code]} (n = {chosen.sum():,})",
    )
    if not chosen.any():
        return
    z, colour = columns["z"][chosen], COLOURS[CLASSES[code]]
    edges = np.linspace(0, np.quantile(z, 0.999), 40).tolist()
    axis.hist(z, edges, density=True, color=colour, alpha=0.3, label="as it is")
    sampled = weight[chosen]
    axis.hist(
        z, edges, weights=sampled, density=True, histtype="step", color=colour, label="as sampled"
    )
    axis.legend(frameon=False, fontsize=8)


def _class_shares(axis: Axes, spectype: NDArray[Any], weight: NDArray[Any]) -> None:
    place = np.arange(len(CLASSES))
    before = [np.mean(spectype == code) for code in place]
    after = [weight[spectype == code].sum() for code in place]
    axis.bar(place - 0.2, before, 0.4, color="0.75", label="as it is")
    axis.bar(place + 0.2, after, 0.4, color="0.35", label="as sampled")
    axis.axhline(1 / 3, color="k", lw=0.7, ls=":")
    axis.set_xticks(place, CLASSES)
    axis.set(ylabel="Share of the sources", title=f"Classes (n = {len(spectype):,})")
    axis.legend(frameon=False, fontsize=8)


def _effective_size(axis: Axes, spectype: NDArray[Any], weight: NDArray[Any]) -> None:
    """Distribution of the weights within each class, relative to its mean."""
    edges = np.logspace(-2, 2, 50).tolist()
    for code, name in enumerate(CLASSES):
        chosen = weight[spectype == code]
        if not chosen.sum() > 0:
            continue
        effective = chosen.sum() ** 2 / np.sum(chosen**2) / len(chosen)
        axis.hist(
            chosen / chosen.mean(),
            edges,
            histtype="step",
            color=COLOURS[name],
            label=f"{name}, ESS {effective:.0%}",
        )
    axis.set(
        xscale="log",
        yscale="log",
        xlabel="Weight over the mean of its class",
        ylabel="Sources",
        title="Weights, effective sample size (ESS)",
    )
    axis.margins(y=0.45)
    axis.legend(frameon=False, fontsize=8, loc="upper left")


def _bpt(columns: Columns) -> tuple[NDArray[Any], NDArray[Any]]:
    def log_ratio(above: str, below: str) -> NDArray[Any]:
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.log10(columns[above] / columns[below])
        positive = (columns[above] > 0) & (columns[below] > 0) & (columns["z"] < 0.49)
        return np.where(positive, ratio, np.nan)

    return (
        log_ratio("NII_6584_EW", "HALPHA_6562_EW"),
        log_ratio("OIII_5007_EW", "HBETA_4861_EW"),
    )


def _density(
    axis: Axes,
    x: NDArray[Any],
    y: NDArray[Any],
    weight: NDArray[Any] | None,
    x_limits: tuple[float, float],
    y_limits: tuple[float, float],
) -> None:
    """Two-dimensional histogram, each cell relative to the fullest one."""
    usable = np.isfinite(x) & np.isfinite(y)
    ranges = (sorted(x_limits), sorted(y_limits))
    counts, x_edges, y_edges = np.histogram2d(
        x[usable], y[usable], 45, ranges, weights=None if weight is None else weight[usable]
    )
    shown = np.where(counts > 0, counts / max(counts.max(), 1e-300), np.nan).T
    axis.pcolormesh(x_edges, y_edges, shown, cmap="viridis", vmin=0, vmax=1)
    axis.set(xlim=x_limits, ylim=y_limits)


def noise(errors: dict[str, tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]) -> Figure:
    """Errors of the mocks against those of J-PAS: by magnitude, and between bands.

    errors: for each set of sources (the first is J-PAS itself) the i magnitude (num_sources,),
    flux and 1 sigma error in the narrow bands (num_sources, num_bands), all known.
    """
    figure = Figure(figsize=(13, 6.6), layout="constrained")
    axes = figure.subplots(2, 4)
    tokens = [band.token for band in narrow_bands()]
    for axis, token in zip(axes[0], ("J0390", "J0520", "J0660", "J0860"), strict=True):
        number = tokens.index(token)
        for colour, (name, (mag_i, flux, flux_err)) in zip("kbr", errors.items(), strict=False):
            centre, median, low, high = running(
                mag_i, flux[:, number] / flux_err[:, number], (15.75, 22.75), 14
            )
            axis.plot(centre, median, color=colour, label=name)
            axis.fill_between(centre, low, high, color=colour, alpha=0.12, lw=0)
        axis.set(xlabel="i (AB mag)", ylabel="S/N", yscale="log", title=token, xlim=(17, 22.5))
    axes[0, 0].legend(frameon=False, fontsize=8)
    reference = error_correlation(*next(iter(errors.values()))[::2])
    for axis, (name, (mag_i, _, flux_err)) in zip(axes[1], errors.items(), strict=False):
        correlation = error_correlation(mag_i, flux_err)
        image = axis.imshow(correlation, vmin=-1, vmax=1, cmap="RdBu_r", origin="lower")
        distance = np.sqrt(np.nanmean((correlation - reference) ** 2))
        axis.set_title(
            f"{name} (n = {len(mag_i):,})\nrms difference to J-PAS {distance:.2f}", fontsize=9
        )
        ticks = range(4, len(tokens), 12)
        axis.set_xticks(ticks, [tokens[tick] for tick in ticks], fontsize=7)
        axis.set_yticks(ticks, [tokens[tick] for tick in ticks], fontsize=7)
        axis.set(xlabel="Band", ylabel="Band")
    for axis in axes[1, len(errors) :]:
        axis.set_axis_off()
    bar: dict[str, Any] = {"ax": axes[1, -1], "location": "left", "fraction": 0.2, "aspect": 14}
    figure.colorbar(image, label="Correlation of log errors at fixed i", **bar)
    figure.suptitle("Top: medians in half a magnitude, 16-84 % of the sources shaded", fontsize=9)
    return figure
