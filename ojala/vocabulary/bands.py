"""The bands of the model's context: of J-PAS, 54 narrow bands and i, g, r, z, W1, W2.

One row of ``bands.ecsv`` is one band. A band's ``token`` is its column name in every table
(``J0660``, ``MAG_i``). Its ``kind`` and ``survey`` say what it is for:

    narrow   f_lambda over that of the reference band: the shape of the spectrum
    broad    an AB magnitude: of the survey itself (the reference), or of BESIDE
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ojala.vocabulary.directory import directory, survey_table

BESIDE = {"Legacy": ("MAG_G", "MAG_R", "MAG_Z"), "WISE": ("MAG_W1", "MAG_W2")}
"""Magnitudes beside the survey's own, by survey: a catalogue of the Legacy Surveys has them all."""

TOKENS = {"narrow": r"[A-Za-z][A-Za-z0-9]*", "broad": r"MAG_[A-Za-z0-9]+"}
"""What a token may be, by kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A named passband.

    wave, fwhm: pivot wavelength and full width at half maximum, Angstrom
    kind: "narrow" or "broad"; tray: of the filters observed together, "" outside the survey
    response: speclite's name of the curve, "" where the numbers of an analytic one are in the row
    """

    token_id: int
    name: str
    token: str
    wave: float
    fwhm: float
    kind: str
    tray: str
    survey: str
    response: str


@cache
def bands() -> tuple[Band, ...]:
    """Every band, in the order of its token id.

    Raises ValueError naming the table and the row that no survey can have.
    """
    table, names = survey_table("bands.ecsv"), list(Band.__dataclass_fields__)
    if missing := [name for name in names if name not in table.colnames]:
        raise ValueError(f"{directory() / 'bands.ecsv'}: column {missing[0]} is missing")
    rows = [Band(**{name: _plain(row[name]) for name in names}) for row in table]
    found = tuple(sorted(rows, key=lambda band: band.token_id))
    try:
        _check(found)
    except ValueError as error:
        raise ValueError(f"{directory() / 'bands.ecsv'}: {error}") from None
    return found


def narrow_bands() -> tuple[Band, ...]:
    """The bands that are ratios to the reference, blue to red: 54 of J-PAS."""
    return tuple(band for band in bands() if band.kind == "narrow")


def broad_bands() -> tuple[Band, ...]:
    """i, g, r, z, W1, W2 of J-PAS, in the order of their token ids."""
    return tuple(band for band in bands() if band.kind == "broad")


def reference_band() -> Band:
    """The survey's own broad band, that narrow bands are ratios to: i of J-PAS."""
    return _references(bands())[0]


def measured_tokens() -> tuple[str, ...]:
    """Tokens that the survey measures itself: the narrow bands and, last, the reference."""
    return (*(band.token for band in narrow_bands()), reference_band().token)


def beside_tokens(*surveys: str) -> tuple[str, ...]:
    """Tokens of the bands that are others', all of BESIDE or those of ``surveys``."""
    return tuple(band.token for band in broad_bands() if band.survey in (surveys or tuple(BESIDE)))


def band(token: str) -> Band:
    """The band of a token. Raises ValueError for an unknown one."""
    for candidate in bands():
        if candidate.token == token:
            return candidate
    known = narrow_bands()
    raise ValueError(
        f"band {token!r} is not known: expected one of {known[0].token} ... {known[-1].token} "
        f"or {reference_band().token} ..."
    )


def _references(found: Sequence[Band]) -> list[Band]:
    return [band for band in found if band.kind == "broad" and band.survey not in BESIDE]


def _check(found: Sequence[Band]) -> None:
    for band in found:
        if band.kind not in TOKENS:
            raise ValueError(f"{band.token} is of kind {band.kind!r}, expected narrow or broad")
        if not re.fullmatch(TOKENS[band.kind], band.token):
            form = "letters and digits" if band.kind == "narrow" else "MAG_ and letters or digits"
            raise ValueError(f"a {band.kind} band is named {band.token!r}, expected {form}")
        owner = next((survey for survey, tokens in BESIDE.items() if band.token in tokens), None)
        if (band.survey in BESIDE or owner) and band.survey != owner:
            raise ValueError(
                f"band {band.token} is of survey {band.survey!r}; of "
                + " and ".join(f"{survey} are {', '.join(BESIDE[survey])}" for survey in BESIDE)
            )
        if not band.wave > 0 or not band.fwhm > 0:
            raise ValueError(f"wave and fwhm of {band.token} are not positive")
    tokens = [band.token.lower() for band in found]
    if twice := [token for token in tokens if tokens.count(token) > 1]:
        raise ValueError(f"band {twice[0]} comes twice; capitals do not tell columns apart")
    if not any(band.kind == "narrow" for band in found):
        raise ValueError("no band is narrow, expected one or more that are ratios to the reference")
    if len(own := _references(found)) != 1:
        raise ValueError(
            f"{len(own)} broad bands are of the survey itself ({' and '.join(BESIDE)} are not), "
            "expected one, the reference that narrow bands are ratios to"
        )


def _plain(value: Any) -> Any:
    """A table's cell as a plain Python value; an empty cell is ""."""
    if value is np.ma.masked:
        return ""
    return value.item() if hasattr(value, "item") else str(value)
