"""One source: its J-spectrum, p(z) and what else was answered."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ojala.catalogue.recalibration import REDSHIFT_OF
from ojala.figures.style import COLOURS
from ojala.measures.redshift_modes import modes
from ojala.measures.redshift_pdf import ONE_SIGMA, RedshiftPdf
from ojala.tables.shards import Columns, numbers
from ojala.vocabulary.bands import Band, band, broad_bands, narrow_bands, reference_band
from ojala.vocabulary.emission_lines import rest_waves
from ojala.vocabulary.quantities import CLASSES, quantities

REFERENCE = reference_band().token

LINES = {
    "OII_3726": "[OII]",
    "HBETA_4861": r"H$\beta$",
    "OIII_5007": "[OIII]",
    "HALPHA_6562": r"H$\alpha$",
}
"""Emission lines that are marked where the answered redshift puts them."""

LIMITS = 3300.0, 9700.0
"""Angstrom: beyond the bluest and the reddest narrow band."""

HELD = 0.998
"""Probability of the range of redshift that is shown."""


def source(
    name: str,
    columns: Columns,
    observed: Collection[str],
    answers: Columns,
    redshifts: Mapping[str, RedshiftPdf],
) -> Figure:
    """The J-spectrum with its errors, p(z) with its modes, and the answers about one source.

    name: what it is called; columns: of its tokens, (1,) each, narrow bands over f_lambda(i)
    observed: tokens that the network was shown; answers, redshifts: the Predictor's, of one row
    """
    figure = Figure(figsize=(12, 7), layout="constrained")
    grid = figure.add_gridspec(2, 3, height_ratios=(1.15, 1))
    spectrum = figure.add_subplot(grid[0, :])
    found = str(answers["CLASS"][0])
    _spectrum(spectrum, columns, observed, COLOURS.get(found, "0.3"))
    _mark_lines(spectrum, found, answers)
    spectrum.set_title(f"{name}: {_said(columns, observed, answers)}", fontsize=10)
    for place, (kind, token) in enumerate(REDSHIFT_OF.items()):
        _distribution(figure.add_subplot(grid[1, place]), redshifts[token], kind, answers)
    _answers(figure.add_subplot(grid[1, 2]), found, answers)
    return figure


def _said(columns: Columns, observed: Collection[str], answers: Columns) -> str:
    """What is in the title: magnitude, number of bands, class."""
    num_narrow = sum(one.token in observed for one in narrow_bands())
    said = [f"{num_narrow} narrow bands"]
    if REFERENCE in observed:
        said.insert(0, f"i = {_value(columns, REFERENCE):.2f}")
    found = str(answers["CLASS"][0])
    said.append(f"{found} ({_share(answers, found)})" if found else str(answers["REASON"][0]))
    return ", ".join(said)


def _share(answers: Columns, name: str) -> str:
    return f"{float(answers[f'P_{name}'][0]):.1%}"


def _value(columns: Columns, name: str) -> float:
    """A number of the source, NaN where there is none."""
    return float(numbers(columns[name], name)[0]) if name in columns else np.nan


def _spectrum(axis: Axes, columns: Columns, observed: Collection[str], colour: str) -> None:
    """Narrow bands in the colours of their light, broad ones as squares of the class's colour."""
    narrow = [one for one in narrow_bands() if one.token in observed]
    missing = [one.wave for one in narrow_bands() if one.token not in observed]
    wave = np.array([one.wave for one in narrow])
    flux = np.array([_value(columns, one.token) for one in narrow])
    flux_err = np.array([_value(columns, f"{one.token}_ERR") for one in narrow])
    known = np.isfinite(flux_err) & (flux_err > 0)
    axis.errorbar(wave[known], flux[known], flux_err[known], fmt="none", ecolor="0.6", lw=0.9)
    tint = colormaps["turbo"]((wave - LIMITS[0]) / (LIMITS[1] - LIMITS[0]))
    axis.scatter(wave, flux, c=tint, s=24, zorder=3, label="narrow bands")
    _broad(axis, columns, observed, colour)
    if missing:
        axis.plot(missing, np.full(len(missing), 0.02), "|", c="0.4", ms=7, label="not observed",
                  transform=axis.get_xaxis_transform())  # fmt: skip
    axis.set(xlim=LIMITS, xlabel=r"Wavelength ($\rm\AA$)", ylabel=r"$f_\lambda$ / $f_\lambda(i)$")
    axis.legend(frameon=False, fontsize=8, loc="lower right")


def _broad(axis: Axes, columns: Columns, observed: Collection[str], colour: str) -> None:
    """Broad bands within the spectrum as ratios to i, each as wide as it is."""
    if REFERENCE not in observed:
        return
    shown = [one for one in broad_bands() if one.token in observed and one.wave < LIMITS[1]]
    ratio = [_over_i(one, _value(columns, one.token), _value(columns, REFERENCE)) for one in shown]
    axis.errorbar(
        [one.wave for one in shown],
        ratio,
        xerr=[0.5 * one.fwhm for one in shown],
        fmt="s",
        ms=5,
        mfc="white",
        color=colour,
        lw=0.9,
        label="broad bands",
    )


def _over_i(one: Band, magnitude: float, mag_i: float) -> float:
    """f_lambda of an AB magnitude over that of i."""
    return float(10 ** (-0.4 * (magnitude - mag_i)) * (band(REFERENCE).wave / one.wave) ** 2)


def _mark_lines(axis: Axes, found: str, answers: Columns) -> None:
    """Where emission lines would be at the redshift of the likeliest class."""
    if found not in REDSHIFT_OF:
        return
    z = float(answers[REDSHIFT_OF[found]][0])
    for line, label in LINES.items():
        wave = rest_waves()[line] * (1 + z)
        if LIMITS[0] < wave < LIMITS[1]:
            axis.axvline(wave, color="0.75", lw=0.8, ls=":", zorder=0)
            axis.text(wave, 0.99, label, transform=axis.get_xaxis_transform(), fontsize=8,
                      ha="center", va="top", color="0.4")  # fmt: skip


def _distribution(axis: Axes, pdf: RedshiftPdf, kind: str, answers: Columns) -> None:
    """p(z) if the source is of that class: its modes with their weight, and its 68 %."""
    axis.set(xlabel="Redshift", ylabel="p(z)", yticks=[])
    if not pdf.known[0]:
        axis.set(title=f"If {kind}", xticks=[])
        axis.text(0.5, 0.5, "no answer", ha="center", va="center", color="0.5")
        return
    z, found = np.expm1(pdf.edges), modes(pdf)
    density: NDArray[Any] = pdf.probability[0] / np.diff(z)
    axis.stairs(density, z, color=COLOURS[kind], fill=True, alpha=0.35, lw=0.7)
    low, high = (float(end[0]) for end in pdf.interval(ONE_SIGMA))
    top = 1.15 * float(density.max())
    axis.plot([low, high], [0.94 * top, 0.94 * top], c="0.4", lw=3, solid_capstyle="butt")
    said = []
    for mode, weight, style in (
        (found.first[0], found.first_weight[0], "-"),
        (found.second[0], found.second_weight[0], ":"),
    ):
        if np.isfinite(mode):
            axis.axvline(float(mode), color=COLOURS[kind], lw=1.2, ls=style)
            said.append(f"{mode:.4f} ({weight:.0%})")
    near, far = (float(end[0]) for end in pdf.interval(HELD))
    margin = max(0.15 * (far - near), 0.01)
    axis.set(xlim=(max(near - margin, float(z[0])), far + margin), ylim=(0, top))
    axis.set_title(f"If {kind} ({_share(answers, kind)}): {', '.join(said)}", fontsize=9)


def _answers(axis: Axes, found: str, answers: Columns) -> None:
    """The quantities of the likeliest class, with 1 sigma and unit."""
    axis.axis("off")
    if not found:
        return
    lines = [f"{name:16s} {_share(answers, name):>9s}" for name in CLASSES] + [""]
    for one in quantities():
        if one.kind == "continuous" and found in one.classes and one.token in answers:
            value, error = (float(answers[f"{one.token}{end}"][0]) for end in ("", "_ERR"))
            lines.append(f"{one.token:16s} {value:9.4g} +- {error:<8.2g} {one.unit}")
    axis.text(0, 1, "\n".join(lines), va="top", family="monospace", fontsize=8)
    axis.set_title(f"Answers if {found}, mode or mean and 1 sigma", fontsize=9)
