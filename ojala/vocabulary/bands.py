"""The bands of the model's context: 54 J-PAS narrow bands and i, g, r, z, W1, W2.

One row of ``data/bands.ecsv`` is one band. A band's ``token`` is its column name in every
table (``J0660``, ``MAG_i``); narrow bands hold f_lambda / f_lambda(i), broad ones AB magnitudes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from astropy.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A named passband.

    wave, fwhm: pivot wavelength and full width at half maximum, Angstrom
    kind: "narrow" or "broad"; tray: "T1".."T5", or "" outside J-PAS
    response: speclite's name of the curve, "" where the packaged analytic curve is used
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
    """Every band, in the order of its token id."""
    table = Table.read(files("ojala.vocabulary.data") / "bands.ecsv", format="ascii.ecsv")
    names = list(Band.__dataclass_fields__)
    rows = [Band(**{name: _plain(row[name]) for name in names}) for row in table]
    return tuple(sorted(rows, key=lambda band: band.token_id))


def narrow_bands() -> tuple[Band, ...]:
    """The 54 narrow bands, blue to red."""
    return tuple(band for band in bands() if band.kind == "narrow")


def broad_bands() -> tuple[Band, ...]:
    """i, g, r, z, W1, W2, in the order of their token ids."""
    return tuple(band for band in bands() if band.kind == "broad")


def band(token: str) -> Band:
    """The band of a token. Raises ValueError for an unknown one."""
    for candidate in bands():
        if candidate.token == token:
            return candidate
    raise ValueError(f"band {token!r} is not known: expected one of J0378 ... J0910 or MAG_i ...")


def _plain(value: Any) -> Any:
    """A table's cell as a plain Python value; an empty cell is ""."""
    if value is np.ma.masked:
        return ""
    return value.item() if hasattr(value, "item") else str(value)
