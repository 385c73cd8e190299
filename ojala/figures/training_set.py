"""The training set: what sampling does to it, and the noise that it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ojala.figures.panels import not_enough, running
from ojala.figures.style import COLOURS
from ojala.measures.metrics import error_correlation
from ojala.tables.shards import Columns
from ojala.training_set.noise_comparison import ErrorSet
from ojala.vocabulary.bands import narrow_bands
from ojala.vocabulary.quantities import CLASSES


def _nearest(wave: float) -> str:
    """The narrow band nearest to a wavelength, Angstrom."""
    return min(narrow_bands(), key=lambda band: abs(band.wave - wave)).token


SNR_BANDS = tuple(dict.fromkeys(map(_nearest, (3900.0, 5200.0, 6600.0, 8600.0))))
CLASS_BAND = _nearest(6600.0)
"""Bands whose S/N is drawn: of all sources, and class by class."""


def sampling(columns: Columns, weight: NDArray[Any]) -> Figure:
    """The training set as it is and as it is sampled (Appendix B).

    columns: those of ``sampling.COLUMNS``; weight: sampling probability of each source.

    weight, and every column: (num_sources,)
    """
    figure = Figure(figsize=(13, 6.2), layout="constrained")
    axes = figure.subplots(2, 4)
    for axis, code in ((axes[0, 0], 0), (axes[0, 1], 2)):
        _before_and_after(axis, columns, weight, code)
    _class_shares(axes[0, 2], columns["SPECTYPE"], weight)
    _effective_size(axes[0, 3], columns["SPECTYPE"], weight)
    bpt = _bpt(columns)
    for axis, drawn, when in ((axes[1, 0], None, "as it is"), (axes[1, 1], weight, "as sampled")):
        image = _density(axis, *bpt, drawn, (-1.6, 0.8), (-1.4, 1.4))
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
    figure.colorbar(image, ax=axes[1, :], pad=0.01, label="Density of sources over its maximum")
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
) -> Any:
    """Two-dimensional histogram, each cell relative to the fullest one; returns it."""
    usable = np.isfinite(x) & np.isfinite(y)
    ranges = (sorted(x_limits), sorted(y_limits))
    counts, x_edges, y_edges = np.histogram2d(
        x[usable], y[usable], 45, ranges, weights=None if weight is None else weight[usable]
    )
    shown = np.where(counts > 0, counts / max(counts.max(), 1e-300), np.nan).T
    axis.set(xlim=x_limits, ylim=y_limits)
    return axis.pcolormesh(x_edges, y_edges, shown, cmap="viridis", vmin=0, vmax=1)


def noise(sets: Mapping[str, ErrorSet]) -> Figure:
    """Errors of the mocks against those of J-PAS: by magnitude, for each class, between bands.

    sets: the same sources, the first with the errors of J-PAS itself
    """
    figure = Figure(figsize=(13, 9.6), layout="constrained")
    axes = figure.subplots(3, 4)
    for axis in axes[0, len(SNR_BANDS) :]:
        axis.set_axis_off()
    for axis, token in zip(axes[0], SNR_BANDS, strict=False):
        _snr(axis, sets, token)
        axis.set(title=f"{token}, all sources")
    for code, (axis, name) in enumerate(zip(axes[1], CLASSES, strict=False)):
        of_class = {title: members.of_class(code) for title, members in sets.items()}
        _snr(axis, of_class, CLASS_BAND)
        number = len(next(iter(of_class.values())).mag_i)
        axis.set(title=f"{CLASS_BAND}, {name} (n = {number:,})")
    axes[0, 0].legend(frameon=False, fontsize=8)
    axes[1, 3].set_axis_off()
    image = _correlations(axes[2], sets)
    place = axes[2, -1].inset_axes((0, 0, 0.08, 1))
    figure.colorbar(image, cax=place, label="Correlation of log errors at fixed i")
    figure.suptitle("S/N: medians in half a magnitude, 16-84 % of the sources shaded", fontsize=9)
    return figure


def _snr(axis: Axes, sets: Mapping[str, ErrorSet], token: str) -> None:
    """S/N of one band by magnitude."""
    number = [band.token for band in narrow_bands()].index(token)
    for colour, (name, members) in zip("kbr", sets.items(), strict=False):
        snr = members.flux[:, number] / members.flux_err[:, number]
        centre, median, low, high = running(members.mag_i, snr, (15.75, 22.75), 14)
        axis.plot(centre, median, color=colour, label=name)
        axis.fill_between(centre, low, high, color=colour, alpha=0.12, lw=0)
    axis.set(xlabel="i (AB mag)", ylabel="S/N", xlim=(17, 22.5))
    if any(np.any(np.asarray(line.get_ydata(), dtype=float) > 0) for line in axis.lines):
        axis.set(yscale="log")
        axis.yaxis.set_minor_formatter("")
    else:
        not_enough(axis, len(next(iter(sets.values())).mag_i))


def _correlations(axes: Sequence[Axes], sets: Mapping[str, ErrorSet]) -> Any:
    """Between the errors of all pairs of bands, a panel per set; axes left over are removed."""
    tokens = [band.token for band in narrow_bands()]
    found = {name: error_correlation(each.mag_i, each.flux_err) for name, each in sets.items()}
    reference = next(iter(found.values()))
    for axis, (name, correlation) in zip(axes, found.items(), strict=False):
        image = axis.imshow(correlation, vmin=-1, vmax=1, cmap="RdBu_r", origin="lower")
        distance = np.sqrt(np.nanmean((correlation - reference) ** 2))
        title = f"{name} (n = {len(sets[name].mag_i):,})"
        axis.set_title(f"{title}\nrms difference to J-PAS {distance:.2f}", fontsize=9)
        ticks = range(min(4, len(tokens) - 1), len(tokens), 12)
        axis.set_xticks(ticks, [tokens[tick] for tick in ticks], fontsize=7)
        axis.set_yticks(ticks, [tokens[tick] for tick in ticks], fontsize=7)
        axis.set(xlabel="Band", ylabel="Band")
    for axis in axes[len(sets) :]:
        axis.set_axis_off()
    return image
