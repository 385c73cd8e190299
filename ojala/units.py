"""Units of logarithms, as astropy names them (dex) and as files of the standards do (log).

FITS 4.0 (Section 4.3.1) and VOUnits 1.0 (Section 2.9) know no dex, but the logarithm of a unit:
dex(solMass) is log(solMass) there. A logarithm without a unit has no name in either; it is
written as the text "dex", which VOUnits allows for an unknown unit in quotes.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from astropy import units as u
from astropy.io.votable.exceptions import W50
from astropy.table import Table
from astropy.utils.exceptions import AstropyUserWarning

LOG = re.compile(r"log\((.*)\)")
STANDARDS = {"fits": "fits", "votable": "vounit"}
"""Syntax of units by the format of a file, where it has one."""


def standard_text(unit: str, standard: str = "fits") -> str:
    """A unit in the syntax "fits" or "vounit"; one that astropy does not know stays as it is."""
    with only_other_warnings():
        try:
            known = u.Unit(unit)
            if isinstance(known, u.DexUnit):
                return f"log({known.physical_unit.to_string(standard)})"
            if known == u.dex:
                return "'dex'" if standard == "vounit" else "dex"
            return str(known.to_string(standard))
        except (ValueError, TypeError):
            return unit


def with_standard_units(table: Table, file_format: str) -> Table:
    """A table with its logarithms in the units of a file format, where this has a standard."""
    if file_format not in STANDARDS:
        return table
    table = table.copy(copy_data=False)
    for name in table.colnames:
        if "dex" in str(getattr(table[name], "unit", None)):
            text = standard_text(str(table[name].unit), STANDARDS[file_format])
            table[name].unit = u.UnrecognizedUnit(text)
    return table


def with_known_units(table: Table) -> Table:
    """A table that was read, its logarithms in the units of astropy."""
    for name in table.colnames:
        unit = str(getattr(table[name], "unit", None) or "")
        if "dex" in unit or LOG.fullmatch(unit):
            table[name].unit = _known(unit)
    return table


@contextmanager
def only_other_warnings() -> Iterator[None]:
    """Silence about units that astropy cannot name in a format, as log(...), or would name anew."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", u.UnitsWarning)
        warnings.simplefilter("ignore", W50)
        warnings.filterwarnings("ignore", "The unit", AstropyUserWarning)
        yield


def _known(text: str) -> Any:
    inside = LOG.fullmatch(text)
    try:
        if inside:
            return u.dex(u.Unit(inside[1], format="fits"))
        return u.dex if text.strip("'") == "dex" else u.Unit(text)
    except ValueError:
        return u.UnrecognizedUnit(text)
