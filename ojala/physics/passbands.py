"""The analytic form of a J-PAS narrow band.

A narrow band is an interference filter in an f/3.6 beam in front of a CCD: a nearly flat top
between two edges. The beam smears each edge over about 20 Angstrom and shifts part of the light
to the blue, so that an edge has a sharp shoulder and a soft foot: a generalised logistic
(Richards 1959, J. Exp. Bot. 10, 290) of its own softness and skew. The top carries the slope of
the CCD and of the coatings, as a short Legendre series. The atmosphere is part of the response:
its oxygen A band cuts into J0760 and J0770.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ojala.vocabulary.bands import narrow_bands
from ojala.vocabulary.directory import directory, survey_table

TOP_REACH = 1.2
"""Half widths from the centre beyond which the top is held constant."""

OXYGEN_WAVE = (7580.0, 7605.0, 7680.0)
OXYGEN_TRANSMISSION = (1.0, 0.525, 1.0)
"""The A band of O2 at the few wavelengths (Angstrom) at which the measured curves resolve it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passband:
    """The few numbers of one analytic curve, as the columns of ``data/bands.ecsv`` hold them.

    centre, half_width: Angstrom; the edges stand at centre - half_width, centre + half_width
    blue_soft, red_soft: width of each edge, Angstrom
    blue_skew, red_skew: natural logarithm; above 0, a sharp shoulder and a soft foot
    slope, curve: coefficients of the first and second Legendre polynomial of the top
    """

    centre: float
    half_width: float
    blue_soft: float
    red_soft: float
    blue_skew: float
    red_skew: float
    slope: float
    curve: float

    def throughput(self, wave: NDArray[np.float64]) -> NDArray[np.float64]:
        """The curve at wavelengths (Angstrom), in arbitrary units, about 1 at the top.

        wave, and the answer: any shape
        """
        blue = _edge((wave - self.centre + self.half_width) / self.blue_soft, self.blue_skew)
        red = _edge((self.centre + self.half_width - wave) / self.red_soft, self.red_skew)
        across = np.clip((wave - self.centre) / self.half_width, -TOP_REACH, TOP_REACH)
        top = np.polynomial.legendre.legval(across, [1.0, self.slope, self.curve])
        atmosphere = np.interp(wave, OXYGEN_WAVE, OXYGEN_TRANSMISSION)
        return np.asarray(blue * red * top * atmosphere)


COLUMNS = tuple(field.name for field in fields(Passband))
"""Columns of ``data/bands.ecsv`` that hold a passband."""


def passband(token: str) -> Passband:
    """The analytic curve of a narrow band. Raises ValueError for any other token."""
    if token not in _passbands():
        known = list(_passbands())
        which = f": expected one of {known[0]} ... {known[-1]}" if known else ""
        raise ValueError(f"band {token!r} has no analytic curve{which}")
    return _passbands()[token]


def from_numbers(numbers: NDArray[np.float64]) -> Passband:
    """A passband from its numbers in the order of COLUMNS.

    numbers: (num_columns,)
    """
    return Passband(**dict(zip(COLUMNS, map(float, numbers), strict=True)))


def _edge(depth: NDArray[np.float64], skew: float) -> NDArray[np.float64]:
    """A step from 0 to 1 as ``depth``, in units of the softness, goes through 0."""
    return np.asarray((1 + np.exp(skew - np.clip(depth, -60, 60))) ** -np.exp(-skew))


@cache
def _passbands() -> dict[str, Passband]:
    table = survey_table("bands.ecsv")
    drawn = {band.token for band in narrow_bands() if not band.response}
    if missing := [name for name in COLUMNS if drawn and name not in table.colnames]:
        raise ValueError(
            f"{directory() / 'bands.ecsv'}: {min(drawn)} has neither a response nor a {missing[0]}"
        )
    rows = {str(row["token"]): row for row in table}
    return {
        token: from_numbers(np.array([rows[token][name] for name in COLUMNS]))
        for token in rows
        if token in drawn
    }
