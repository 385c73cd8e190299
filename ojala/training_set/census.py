"""How many sources of which class, shape, magnitude and redshift there are to learn from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from ojala.tables.shards import Columns
from ojala.vocabulary.bands import reference_band
from ojala.vocabulary.quantities import CLASSES, MORPHTYPES, NO_CODE

MAGNITUDES = (16.0, 17.0, 18.0, 19.0, 20.0, 21.0, 22.0, 23.0)
REDSHIFTS = {
    "GALAXY": (0.02, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.3),
    "QSO": (0.3, 0.6, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5),
    "STAR": (),
}
"""Edges of the bins of i and of z; the first and the last bin are open."""


def census(mocks: Columns) -> list[dict[str, Any]]:
    """Numbers of sources by class, MORPHTYPE, bins of i and of z, without the empty ones.

    mocks: columns SPECTYPE and MORPHTYPE (codes), the reference (MAG_i), z
    """
    cells = Counter(
        (name, shape, _bin(MAGNITUDES, i), _bin(REDSHIFTS[name], z))
        for name, shape, i, z in zip(
            _names(mocks["SPECTYPE"], CLASSES),
            _names(mocks["MORPHTYPE"], MORPHTYPES),
            mocks[reference_band().token],
            mocks["z"],
            strict=True,
        )
        if name
    )
    return [
        {"class": name, "morphtype": shape, "i": i, "z": z, "number": number}
        for (name, shape, i, z), number in sorted(cells.items())
    ]


def shares(mocks: Columns) -> dict[str, float]:
    """Share of each class among the sources that have one."""
    names = _names(mocks["SPECTYPE"], CLASSES)
    known = sum(name != "" for name in names)
    return {f"share of {name}": names.count(name) / max(known, 1) for name in CLASSES}


def beside(numbers: Mapping[str, float]) -> list[dict[str, Any]]:
    """Numbers beside the published ones of ``data/published_sky.ecsv``, where there are any."""
    table = Table.read(files("ojala.vocabulary.data") / "published_sky.ecsv", format="ascii.ecsv")
    published = {str(row["number"]): row for row in table}
    return [
        {
            "number": name,
            "here": value,
            "published": float(published[name]["published"]),
            "source": str(published[name]["source"]),
        }
        for name, value in numbers.items()
        if name in published
    ]


def _names(codes: NDArray[Any], of: tuple[str, ...]) -> list[str]:
    return ["" if code == NO_CODE else of[code] for code in codes.astype(int)]


def _bin(edges: tuple[float, ...], value: float) -> str:
    """The bin of a value as text: "< 16", "16 - 17", ..., ">= 23"; "" where nothing is known."""
    if not edges or not np.isfinite(value):
        return ""
    place = int(np.searchsorted(edges, value, side="right"))
    if place == 0:
        return f"< {edges[0]:g}"
    if place == len(edges):
        return f">= {edges[-1]:g}"
    return f"{edges[place - 1]:g} - {edges[place]:g}"
