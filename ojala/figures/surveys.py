"""Mocks and J-PAS side by side: similar sources (Fig. 1), magnitudes and colours (Fig. 2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ojala.figures.style import COLOURS
from ojala.tables.shards import Columns
from ojala.vocabulary.bands import narrow_bands, reference_band
from ojala.vocabulary.quantities import CLASSES

REFERENCE = reference_band().token

Floats = NDArray[Any]
Rows = NDArray[np.int64]

MAGNITUDE_LIMITS, COLOUR_LIMITS = (15, 24), (-0.6, 2.4)
EXAMPLES_OF_CLASS = 3
EXAMPLE_LIMITS = 17.5, 20.5  # i magnitude of the examples
MAGNITUDE_WINDOW = 0.1  # in which a counterpart is searched, Sect. 2.3


def examples(mocks: Columns, seed: int) -> Rows:
    """Rows of mocks to show: up to three of each class, bright enough for their features."""
    rng = np.random.default_rng([seed, 5])
    bright = (mocks[REFERENCE] > EXAMPLE_LIMITS[0]) & (mocks[REFERENCE] < EXAMPLE_LIMITS[1])
    rows: list[int] = []
    for code in range(len(CLASSES)):
        candidates = np.flatnonzero(bright & (mocks["SPECTYPE"] == code))
        rows += rng.permutation(candidates)[:EXAMPLES_OF_CLASS].tolist()
    return np.array(rows, dtype=np.int64)


def nearest(embeddings: Floats, mag_i: Floats, jpas_embeddings: Floats, jpas_mag_i: Floats) -> Rows:
    """Row of the J-PAS source nearest in embedding, within 0.1 mag of i; -1 where there is none.

    embeddings: (num_sources, width); jpas_embeddings: (num_jpas, width); their i: (num_sources,)
    and (num_jpas,)
    """
    found = np.full(len(mag_i), -1, dtype=np.int64)
    for row, magnitude in enumerate(mag_i):
        near = np.flatnonzero(np.abs(jpas_mag_i - magnitude) < MAGNITUDE_WINDOW)
        if len(near):
            distance = np.linalg.norm(jpas_embeddings[near] - embeddings[row], axis=1)
            found[row] = near[np.argmin(distance)]
    return found


def counterparts(mocks: Columns, jpas: Columns, jpas_rows: Rows) -> Figure:
    """Fig. 1: mocks (white) and their most similar J-PAS sources (colour), which are other objects.

    mocks: the examples; jpas: a table; jpas_rows: row of each example's counterpart in it
    jpas_rows, and the columns of mocks: (num_examples,)
    """
    figure = Figure(figsize=(13, 8), layout="constrained")
    axes = figure.subplots(EXAMPLES_OF_CLASS, len(CLASSES), sharex=True, squeeze=False)
    places = {code: iter(axes[:, code]) for code in range(len(CLASSES))}
    for row, jpas_row in enumerate(jpas_rows):
        if jpas_row >= 0:
            axis = next(places[int(mocks["SPECTYPE"][row])])
            _sed(axis, _source(mocks, row), _source(jpas, int(jpas_row)))
    for axis in (axis for left in places.values() for axis in left):
        axis.text(0.5, 0.5, "no example", transform=axis.transAxes, ha="center", color="0.5")
    for axis in axes[-1]:
        axis.set(xlabel=r"Wavelength ($\rm\AA$)")
    for axis in axes[:, 0]:
        axis.set(ylabel=r"$f_\lambda$ / $f_\lambda(i)$")
    if axes[0, 0].collections:
        axes[0, 0].legend(frameon=False, fontsize=8)
    return figure


def _source(columns: Columns, row: int) -> dict[str, Any]:
    return {name: values[row] for name, values in columns.items()}


def _sed(axis: Axes, mock: Mapping[str, Any], jpas: Mapping[str, Any]) -> None:
    bands = narrow_bands()
    wave = np.array([band.wave for band in bands])
    flux, flux_err, other, other_err = (
        np.array([source[f"{band.token}{suffix}"] for band in bands], dtype=float)
        for source in (mock, jpas)
        for suffix in ("", "_ERR")
    )
    colour = colormaps["turbo"]((wave - wave[0]) / (wave[-1] - wave[0]))
    axis.errorbar(wave, other, other_err, fmt="none", ecolor="0.7", lw=0.8)
    axis.scatter(wave, other, c=colour, s=22, label="J-PAS, the most similar source")
    style: dict[str, Any] = {"fmt": "o", "mfc": "white", "mec": "k", "ms": 3.5, "lw": 0.6}
    axis.errorbar(wave, flux, flux_err, ecolor="0.4", label="mock", **style)
    name = CLASSES[int(mock["SPECTYPE"])]
    magnitudes = f"i = {mock[REFERENCE]:.1f} and {jpas[REFERENCE]:.1f}"
    redshift = "" if name == "STAR" else f"z = {mock['z']:.3f}, "
    axis.set_title(f"{name} (n = 1 + 1), {redshift}{magnitudes}", fontsize=9)
    both = np.concatenate([flux, other])
    both = both[np.isfinite(both)]
    if len(both):
        low, high = both.min(), both.max()
        axis.set(ylim=(low - 0.08 * (high - low) - 0.02, high + 0.3 * (high - low) + 0.02))


def distributions(mocks: Columns, jpas: Columns, matched: Columns) -> Figure:
    """Fig. 2: r magnitude and g - r of mocks, of matched sources and of all J-PAS.

    mocks, jpas, matched: MAG_G, MAG_R; mocks and matched also SPECTYPE
    """
    figure = Figure(figsize=(13, 7.5), layout="constrained")
    axes = figure.subplots(2, 2)
    for row, (names, sets) in zip(
        axes, (("by class", _by_class(mocks, matched)), ("all", _all(mocks, jpas))), strict=True
    ):
        for label, columns, colour, style in sets:
            magnitude, colour_index = columns["MAG_R"], columns["MAG_G"] - columns["MAG_R"]
            for axis, values, limits in zip(
                row, (magnitude, colour_index), (MAGNITUDE_LIMITS, COLOUR_LIMITS), strict=True
            ):
                _outline(axis, values, limits, label, color=colour, ls=style)
        density = r"Probability density (mag$^{-1}$)"
        row[0].set(xlabel="r (AB mag)", ylabel=density, title=f"Magnitude, {names}")
        row[1].set(xlabel="g - r (AB mag)", ylabel=density, title=f"Colour, {names}")
        if row[1].patches:
            row[1].legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return figure


def _by_class(mocks: Columns, matched: Columns) -> Iterator[tuple[str, Columns, str, str]]:
    for code, name in enumerate(CLASSES):
        for set_name, columns, style in (("mocks", mocks, "-"), ("cross-match", matched, "--")):
            chosen = columns["SPECTYPE"] == code
            of_class = {key: columns[key][chosen] for key in ("MAG_G", "MAG_R")}
            yield f"{name}, {set_name} (n = {chosen.sum():,})", of_class, COLOURS[name], style


def _all(mocks: Columns, jpas: Columns) -> Iterator[tuple[str, Columns, str, str]]:
    for set_name, columns, colour in (("mocks", mocks, "k"), ("J-PAS", jpas, "tab:orange")):
        yield f"{set_name} (n = {len(columns['MAG_R']):,})", columns, colour, "-"


def _outline(
    axis: Axes, values: Floats, limits: tuple[float, float], label: str, **style: Any
) -> None:
    known = values[np.isfinite(values)]
    inside = known[(known > limits[0]) & (known < limits[1])]
    axis.set(xlim=limits)
    if len(inside):
        edges = np.linspace(*limits, 46).tolist()
        axis.hist(inside, edges, density=True, histtype="step", label=label, **style)
