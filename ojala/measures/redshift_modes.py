"""Modes of p(z): the redshift that is most likely, and the next one with its weight.

A single step is a noisy thing. A mode is where a window of +-WINDOW in ln(1 + z) holds most
probability; its redshift is the centroid of the peak within.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ojala.measures.redshift_pdf import Floats, RedshiftPdf

WINDOW = 0.05
"""Half-width of a mode in ln(1 + z): modes nearer than twice this are not told apart."""

PEAK = 0.025
"""Half-width in ln(1 + z) of the centroid about the highest step, wide enough to even its noise."""

LEAST_WEIGHT = 0.01
"""Probability of a second mode that is worth its name."""


@dataclass(frozen=True, kw_only=True)
class Modes:
    """The two likeliest redshifts and the probability of each, (N,).

    second, second_weight: NaN and 0 where there is none
    """

    first: Floats
    first_weight: Floats
    second: Floats
    second_weight: Floats


def modes(pdf: RedshiftPdf) -> Modes:
    """The modes of each source."""
    held = window_probability(pdf)
    rows = np.arange(len(pdf))
    first = held.argmax(axis=1)
    others = np.where(_is_summit(held, pdf), held, 0.0)
    _hide_near(others, first, pdf)
    second = others.argmax(axis=1)
    weight = others[rows, second]
    exists = weight >= LEAST_WEIGHT
    return Modes(
        first=_centroid(pdf, first),
        first_weight=held[rows, first],
        second=np.where(exists, _centroid(pdf, second), np.nan),
        second_weight=np.where(pdf.known, np.where(exists, weight, 0.0), np.nan),
    )


def window_probability(pdf: RedshiftPdf) -> Floats:
    """Probability of each step and those within WINDOW of it, (N, K)."""
    reach = _num_steps(pdf, WINDOW)
    below = np.pad(pdf.cumulative, ((0, 0), (reach, reach)), mode="edge")
    return np.asarray(below[:, 2 * reach + 1 :] - below[:, : -2 * reach - 1])


def _is_summit(held: Floats, pdf: RedshiftPdf) -> NDArray[np.bool_]:
    """Steps whose window holds no less than any within WINDOW of it, (N, K)."""
    return np.asarray(held >= _highest_near(held, _num_steps(pdf, WINDOW)))


def _highest_near(values: Floats, reach: int) -> Floats:
    """The highest value within ``reach`` steps of each, (N, K).

    Of windows of 1, 2, 4 ... steps, and of two that together have the size: each a single pass.
    """
    sides = ((0, 0), (reach, reach))
    highest, size, whole = np.pad(values, sides, constant_values=-np.inf), 1, 2 * reach + 1
    while 2 * size <= whole:
        highest = np.maximum(highest[:, :-size], highest[:, size:])
        size *= 2
    num = values.shape[1]
    return np.maximum(highest[:, :num], highest[:, whole - size : whole - size + num])


def _hide_near(values: Floats, step: NDArray[np.intp], pdf: RedshiftPdf) -> None:
    """Set to 0 what lies within twice WINDOW of one step of each source, (N, K)."""
    centres = pdf.centres
    ends = np.searchsorted(centres, [centres - 2 * WINDOW, centres + 2 * WINDOW])
    most = int(np.abs(ends - np.arange(len(centres))).max(initial=0)) + 1
    place = np.clip(step[:, None] + np.arange(-most, most + 1), 0, len(centres) - 1)
    is_near = np.abs(centres[place] - centres[step][:, None]) <= 2 * WINDOW
    rows = np.broadcast_to(np.arange(len(values))[:, None], place.shape)
    values[rows[is_near], place[is_near]] = 0.0


def _centroid(pdf: RedshiftPdf, window: NDArray[np.intp]) -> Floats:
    """Redshift of the peak in the window about that step of each source, (N,)."""
    place, inside = _around(pdf, window, WINDOW)
    density = np.take_along_axis(pdf.probability, place, axis=1) / pdf.widths[place]
    peak = window + _smooth(np.where(inside, density, 0.0)).argmax(axis=1) - place.shape[1] // 2
    place, inside = _around(pdf, peak, PEAK)
    taken = np.where(inside, np.take_along_axis(pdf.probability, place, axis=1), 0.0)
    centres = np.where(inside, pdf.centres[place], 0.0)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.expm1((taken * centres).sum(axis=1) / taken.sum(axis=1)))


def _around(
    pdf: RedshiftPdf, step: NDArray[np.intp], reach: float
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Steps within ``reach`` of one step of each source, and whether they are within the edges."""
    most = _num_steps(pdf, reach)
    place = step[:, None] + np.arange(-most, most + 1)
    inside = (place >= 0) & (place < len(pdf.widths))
    return np.clip(place, 0, len(pdf.widths) - 1), inside


def _num_steps(pdf: RedshiftPdf, reach: float) -> int:
    """Steps that a distance in ln(1 + z) spans, at least one."""
    return max(1, round(reach / float(np.median(pdf.widths))))


def _smooth(density: Floats) -> Floats:
    """Means of three neighbouring steps."""
    padded = np.pad(density, ((0, 0), (1, 1)))
    return np.asarray((padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3)
