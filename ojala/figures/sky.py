"""Figures of the simulated sky: what was drawn, and what the surveys made of it."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from ojala.figures import sky_surveys
from ojala.figures.sky_surveys import SAMPLE_COLOURS, magnitude
from ojala.figures.style import COLOURS
from ojala.physics.diagrams import BPT_LINES, STRONG_EW, WEAK_EW, WHAN_CUTS
from ojala.sky.truth_table import read_truth
from ojala.tables.shards import Columns
from ojala.tables.writing import written_whole

MAX_REDSHIFT_OF_LINES = 0.49
"""Redshift up to which DESI and J-PAS have H-alpha and [NII]."""

LINE_NAMES = {"Ke01": "Kewley+ 01", "Ka03": "Kauffmann+ 03", "S06": "Stasinska+ 06"}

SHOWN = 4000
"""Dots of a class in a scatter plot at most."""

PALETTE = 160
"""Colours of a PNG: less than half of the bytes, and no one sees it."""


def draw_figures(sky: str | Path, directory: str | Path) -> list[Path]:
    """Draw every figure of the simulated sky in ``sky`` into ``directory``; returns the paths.

    Raises ValueError where ``sky`` has no truth table, spectra or J-PAS tables.
    """
    truth = read_truth(Path(sky) / "truth")
    figures = {
        "distributions": distributions(truth),
        "lines": lines(truth),
        "stars": stars(truth),
        "spectra": sky_surveys.spectra(sky, truth),
        "surveys": sky_surveys.surveys(sky, truth),
    }
    paths = []
    for name, figure in figures.items():
        paths.append(Path(directory) / f"{name}.png")
        _save(figure, paths[-1])
    return paths


def _save(figure: Figure, path: Path) -> None:
    """Write a PNG with a palette, small enough to be part of the documentation."""
    drawn = BytesIO()
    figure.savefig(drawn, dpi=85)
    with written_whole(path) as partial:
        Image.open(drawn).convert("RGB").quantize(PALETTE).save(partial, optimize=True)


def distributions(truth: Columns) -> Figure:
    """Colours, magnitudes and redshifts of DESI's samples and of what J-PAS sees."""
    figure = Figure(figsize=(13, 7.4), layout="constrained")
    axes = figure.subplots(2, 3)
    desi, jpas = truth["targetid"] > 0, truth["number"] > 0
    for axis, chosen, survey in ((axes[0, 0], desi, "DESI"), (axes[0, 1], jpas, "J-PAS")):
        _colour_magnitude(axis, truth, chosen)
        axis.set_title(f"{survey} (at most {SHOWN:,} of a class shown)")
    _magnitudes(axes[0, 2], truth, jpas)
    _redshifts(axes[1, 0], truth, ("BGS", "LRG", "ELG"), "field galaxies", 2.0)
    axes[1, 0].set_title("Redshifts of galaxies (LOWZ: below 0.03)")
    _redshifts(axes[1, 1], truth, ("QSO",), "field quasars", 5.0)
    axes[1, 1].set_title("Redshifts of quasars")
    _colour_colour(axes[1, 2], truth, desi)
    return figure


def lines(truth: Columns) -> Figure:
    """BPT and WHAN diagrams of the true equivalent widths, coloured by the nucleus's share."""
    chosen = np.flatnonzero((truth["spectype"] == "GALAXY") & (truth["z"] < MAX_REDSHIFT_OF_LINES))
    chosen = chosen[np.argsort(truth["agn_fraction"][chosen])]  # the few active ones on top
    galaxies = {name: values[chosen] for name, values in truth.items()}
    figure = Figure(figsize=(11, 4.8), layout="constrained")
    axes = figure.subplots(1, 2)
    _bpt(axes[0], galaxies)
    dots = _whan(axes[1], galaxies)
    for axis in axes:
        axis.set_xlabel(r"log$_{10}$ [NII] 6584 / H$\alpha$")
        axis.legend(frameon=False, fontsize=8, loc="lower left")
    figure.colorbar(dots, ax=axes, label=r"Share of H$\alpha$ from the nucleus")
    return figure


def _bpt(axis: Axes, galaxies: Columns) -> None:
    bright = galaxies["HALPHA_6562_EW"] > 0.5
    galaxies = {name: values[bright] for name, values in galaxies.items()}
    x = _log_ratio(galaxies, "NII_6584_EW", "HALPHA_6562_EW")
    _dots(axis, x, _log_ratio(galaxies, "OIII_5007_EW", "HBETA_4861_EW"), galaxies)
    grid = np.linspace(-1.8, 0.45, 300)
    for (name, line), style in zip(BPT_LINES.items(), ("-", "--", ":"), strict=True):
        inside = line(grid) > -2
        axis.plot(grid[inside], line(grid)[inside], style, c="k", lw=1, label=LINE_NAMES[name])
    axis.set(xlim=(-1.8, 0.7), ylim=(-1.5, 1.5), ylabel=r"log$_{10}$ [OIII] 5007 / H$\beta$")
    axis.set_title(rf"BPT: z < 0.49, EW(H$\alpha$) > 0.5 $\AA$ (n = {bright.sum():,})")


def _whan(axis: Axes, galaxies: Columns) -> PathCollection:
    width = np.clip(galaxies["HALPHA_6562_EW"], 0.1, None)
    dots = _dots(axis, _log_ratio(galaxies, "NII_6584_EW", "HALPHA_6562_EW"), width, galaxies)
    for (name, cut), style in zip(WHAN_CUTS.items(), (":", "--", "-"), strict=True):
        axis.plot(2 * [np.log10(cut)], [WEAK_EW, 500], style, c="k", lw=1, label=LINE_NAMES[name])
    axis.axhline(WEAK_EW, color="0.4", lw=0.8)
    axis.plot([np.log10(WHAN_CUTS["S06"]), 0.7], 2 * [STRONG_EW], color="0.4", lw=0.8)
    axis.set(xlim=(-1.8, 0.7), ylim=(0.1, 500), yscale="log", ylabel=r"EW(H$\alpha$) ($\AA$)")
    axis.set_title(f"WHAN: z < 0.49 (n = {len(width):,})")
    axis.text(-1.7, 250, "SF", fontsize=9)
    axis.text(0.4, 250, "sAGN", fontsize=9)
    axis.text(0.4, 4, "wAGN", fontsize=9)
    axis.text(-1.7, 1.8, "passive", fontsize=9)
    return dots


def _log_ratio(galaxies: Columns, above: str, below: str) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log10(galaxies[above] / galaxies[below]))


def _dots(
    axis: Axes, x: NDArray[np.float64], y: NDArray[np.float64], galaxies: Columns
) -> PathCollection:
    share = galaxies["agn_fraction"]
    return axis.scatter(x, y, s=3, lw=0, c=share, cmap="plasma", vmin=0, vmax=1, rasterized=True)


def stars(truth: Columns) -> Figure:
    """Kiel diagram and chemistry of the stars, true values."""
    figure = Figure(figsize=(13, 4.6), layout="constrained")
    axes = figure.subplots(1, 3)
    groups = (
        (axes[0], np.isin(truth["sample"], ("MWS", "FAINT")), "DESI stars"),
        (axes[1], truth["sample"] == "field stars", "J-PAS field stars"),
    )
    for axis, chosen, name in groups:
        dots = axis.scatter(
            truth["TEFF"][chosen],
            truth["LOGG"][chosen],
            c=truth["FEH"][chosen],
            s=4,
            lw=0,
            cmap="viridis",
            vmin=-2.5,
            vmax=0.5,
            rasterized=True,
        )
        dwarf = chosen & np.isnan(truth["FEH"])
        label = f"white dwarfs (n = {dwarf.sum():,})"
        axis.plot(truth["TEFF"][dwarf], truth["LOGG"][dwarf], ".", color="0.5", ms=3, label=label)
        axis.legend(frameon=False, fontsize=8, loc="lower right")
        axis.set(xscale="log", xlim=(40_000, 2_500), ylim=(9.5, -0.5))
        axis.set_xticks([3000, 5000, 10_000, 20_000, 40_000], ["3", "5", "10", "20", "40"])
        axis.minorticks_off()
        axis.set(xlabel=r"$T_{\rm eff}$ (1000 K)", ylabel=r"log $g$ (dex, cm s$^{-2}$)")
        axis.set_title(f"{name} (n = {chosen.sum():,})")
    figure.colorbar(dots, ax=axes[:2], label="[Fe/H] (dex)")
    chosen = groups[0][1] & np.isfinite(truth["FEH"])
    axes[2].scatter(truth["FEH"][chosen], truth["ALPHAFE"][chosen], s=4, lw=0, color="0.3")
    axes[2].set(
        xlabel="[Fe/H] (dex)",
        ylabel=r"[$\alpha$/Fe] (dex)",
        title=f"DESI stars (n = {chosen.sum():,})",
    )
    return figure


def _colour_magnitude(axis: Axes, truth: Columns, chosen: NDArray[np.bool_]) -> None:
    colour = magnitude(truth, "MAG_G") - magnitude(truth, "MAG_R")
    for name in ("GALAXY", "STAR", "QSO"):
        rows = np.flatnonzero(chosen & (truth["spectype"] == name))
        label, rows = f"{name} (n = {len(rows):,})", rows[:SHOWN]
        r = magnitude(truth, "MAG_R")[rows]
        axis.scatter(r, colour[rows], s=3, lw=0, alpha=0.5, color=COLOURS[name], label=label)
    axis.set(xlim=(14, 24.5), ylim=(-0.8, 2.5), xlabel="r (AB mag)", ylabel="g - r (mag)")
    axis.legend(frameon=False, fontsize=8, markerscale=3, loc="upper left")


def _magnitudes(axis: Axes, truth: Columns, jpas: NDArray[np.bool_]) -> None:
    edges = np.arange(14, 25.1, 0.25).tolist()
    r = magnitude(truth, "MAG_R")
    for name, colour in SAMPLE_COLOURS.items():
        axis.hist(r[truth["sample"] == name], edges, histtype="step", color=colour, label=name)
    axis.hist(r[jpas], edges, color="0.85", label="J-PAS, all", zorder=0)
    axis.set(yscale="log", xlabel="r (AB mag)", ylabel="Sources per 0.25 mag", title="Magnitudes")
    axis.legend(frameon=False, fontsize=8, loc="upper left")


def _redshifts(
    axis: Axes, truth: Columns, samples: tuple[str, ...], field: str, max_redshift: float
) -> None:
    edges = np.linspace(0, max_redshift, 51).tolist()

    def share(z: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.full(len(z), 1 / max(len(z), 1) / edges[1])

    for name in samples:
        z = truth["z"][truth["sample"] == name]
        label = f"{name} (n = {len(z):,})"
        colour = SAMPLE_COLOURS[name]
        axis.hist(z, edges, weights=share(z), histtype="step", color=colour, label=label)
    z = truth["z"][truth["sample"] == field]
    label = f"J-PAS field (n = {len(z):,})"
    axis.hist(z, edges, weights=share(z), color="0.85", label=label, zorder=0)
    axis.set(xlabel="Redshift", ylabel="Probability density", xlim=(0, max_redshift))
    axis.legend(frameon=False, fontsize=8)


def _colour_colour(axis: Axes, truth: Columns, desi: NDArray[np.bool_]) -> None:
    blue = magnitude(truth, "MAG_G") - magnitude(truth, "MAG_R")
    red = magnitude(truth, "MAG_R") - magnitude(truth, "MAG_W1")
    for name in SAMPLE_COLOURS:
        rows = np.flatnonzero(desi & (truth["sample"] == name))[:SHOWN]
        axis.scatter(
            blue[rows], red[rows], s=3, lw=0, alpha=0.5, color=SAMPLE_COLOURS[name], label=name
        )
    axis.set(xlim=(-0.8, 2.5), ylim=(-3, 5), xlabel="g - r (mag)", ylabel="r - W1 (mag, AB)")
    axis.set_title(f"DESI's samples (n = {desi.sum():,})")
    axis.legend(frameon=False, fontsize=8, markerscale=3, loc="upper left", ncols=2)
