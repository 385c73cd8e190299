"""Modes of p(z): the redshift that is most likely, and the next one with its weight.

A single step is a noisy thing. A mode is where a window of +-WINDOW in ln(1 + z) holds most
probability; its redshift is the centroid of the peak within.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

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
    distance = np.abs(pdf.centres[None] - pdf.centres[first][:, None])
    others[distance <= 2 * WINDOW] = 0.0
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
    number, reach = np.arange(len(pdf.widths)), _num_steps(pdf, WINDOW)
    low, high = np.maximum(number - reach, 0), np.minimum(number + reach + 1, len(pdf.widths))
    return np.asarray(pdf.cumulative[:, high] - pdf.cumulative[:, low])


def _is_summit(held: Floats, pdf: RedshiftPdf) -> NDArray[np.bool_]:
    """Steps whose window holds no less than any within WINDOW of it, (N, K)."""
    size = 2 * _num_steps(pdf, WINDOW) + 1
    return np.asarray(held >= maximum_filter1d(held, size, axis=1, mode="nearest"))


def _centroid(pdf: RedshiftPdf, window: NDArray[np.intp]) -> Floats:
    """Redshift of the peak in the window about that step of each source, (N,)."""
    density = _around(pdf, pdf.probability / pdf.widths, window, WINDOW)
    peak = window + _smooth(density).argmax(axis=1) - density.shape[1] // 2
    taken = _around(pdf, pdf.probability, peak, PEAK)
    centres = _around(pdf, np.broadcast_to(pdf.centres, pdf.probability.shape), peak, PEAK)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.expm1((taken * centres).sum(axis=1) / taken.sum(axis=1)))


def _around(pdf: RedshiftPdf, values: NDArray[Any], step: NDArray[np.intp], reach: float) -> Floats:
    """Values of the steps within ``reach`` of one step of each source, 0 beyond the edges."""
    most = _num_steps(pdf, reach)
    place = step[:, None] + np.arange(-most, most + 1)
    inside = (place >= 0) & (place < len(pdf.widths))
    place = np.clip(place, 0, len(pdf.widths) - 1)
    return np.where(inside, np.take_along_axis(values, place, axis=1), 0.0)


def _num_steps(pdf: RedshiftPdf, reach: float) -> int:
    """Steps that a distance in ln(1 + z) spans, at least one."""
    return max(1, round(reach / float(np.median(pdf.widths))))


def _smooth(density: Floats) -> Floats:
    """Means of three neighbouring steps."""
    padded = np.pad(density, ((0, 0), (1, 1)))
    return np.asarray((padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3)
