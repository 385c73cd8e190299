"""Units of logarithms, as astropy names them (dex) and as files of the standards do.

VOUnits 1.0 (Section 2.9) knows no dex, but the logarithm of a unit: dex(solMass) is log(solMass)
there. A logarithm without a unit has no name in it; it is written as the text "dex", which VOUnits
allows for an unknown unit in quotes. FITS 4.0 (Section 4.3.1) has log(solMass) as well, but astropy
warns of it in every file: a FITS column of dex has no unit, its description ends in [dex(solMass)].
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from astropy import units as u
from astropy.io.votable.exceptions import W50
from astropy.utils.exceptions import AstropyUserWarning

LOG = re.compile(r"log\((.*)\)")
DESCRIBED = re.compile(r"(.*?) ?\[(dex(?:\(.*\))?)\]")


def standard_text(unit: str, standard: str = "fits") -> str:
    """A unit in the syntax "fits" or "vounit"; one that astropy does not know stays as it is.

    A logarithm in "fits" is "".
    """
    with only_other_warnings():
        try:
            known = u.Unit(unit)
            if standard == "fits" and (isinstance(known, u.DexUnit) or known == u.dex):
                return ""
            if isinstance(known, u.DexUnit):
                return f"log({known.physical_unit.to_string(standard)})"
            return "'dex'" if known == u.dex else str(known.to_string(standard))
        except (ValueError, TypeError):
            return unit


def described_for_fits(description: str, unit: str) -> str:
    """The description of a FITS column, which tells the unit where the column itself cannot."""
    untold = unit and not standard_text(unit)
    return f"{description} [{unit}]".strip() if untold else description


def check_unit(unit: str) -> None:
    """Raise ValueError for a unit that astropy does not know, log(...) of one aside."""
    if isinstance(_known(unit), u.UnrecognizedUnit):
        raise ValueError(
            f"{unit!r} is not a unit that astropy knows: expected such as 'Angstrom', "
            "'dex(solMass)' or 'erg / (s cm2)'"
        )


def known_unit(unit: str, description: str = "") -> tuple[str, str]:
    """Unit and description of a column that was read, a logarithm as astropy names it."""
    told = DESCRIBED.fullmatch(description)
    if told and not unit:
        description, unit = told[1], told[2]
    if "dex" in unit or LOG.fullmatch(unit):
        unit = str(_known(unit))
    return unit, description


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
