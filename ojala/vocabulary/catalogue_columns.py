"""What each column of a catalogue means: its unit, UCD and description.

Rows of ``data/vac_columns.ecsv``; bands from ``data/bands.ecsv``; errors are derived from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from astropy.table import Table

from ojala.vocabulary.bands import bands
from ojala.vocabulary.quantities import MORPHTYPES, NO_CODE

ERROR_SUFFIX = "_ERR"


@dataclass(frozen=True, slots=True, kw_only=True)
class VacColumn:
    """What a column of the catalogue means."""

    name: str
    unit: str
    ucd: str
    description: str


@cache
def _described() -> dict[str, VacColumn]:
    """Every column that has a row of its own; errors are derived from them."""
    table = Table.read(files("ojala.vocabulary.data") / "vac_columns.ecsv", format="ascii.ecsv")
    described = {
        str(row["name"]): VacColumn(**{name: _text(row[name]) for name in table.colnames})
        for row in table
    }
    for band in bands():
        narrow = band.kind == "narrow"
        meaning = "flux density over that of the i band" if narrow else "AB magnitude"
        described[band.token] = VacColumn(
            name=band.token,
            unit="" if narrow else "mag",
            ucd=("phot.flux.density" if narrow else "phot.mag") + f";em.{_regime(band.wave)}",
            description=f"Band {band.name} ({band.wave:.0f} Angstrom): {meaning}",
        )
    described["MORPHTYPE"] = VacColumn(
        name="MORPHTYPE",
        unit="",
        ucd="src.morph.type",
        description="Legacy Surveys morphology: "
        + ", ".join(f"{code} {name}" for code, name in enumerate(MORPHTYPES))
        + f", {NO_CODE} not known",
    )
    return described


def is_described(name: str) -> bool:
    """Whether a column of that name has a meaning of its own already."""
    return name in _described()


def vac_column(name: str, extra: Sequence[VacColumn] = ()) -> VacColumn:
    """Unit, UCD and description of a column. Raises ValueError for one that is not described.

    extra: columns beyond the catalogue's own, those of fine-tuned heads; errors are derived
    """
    described = {column.name: column for column in extra} | _described()
    if name in described:
        return described[name]
    value = described.get(name.removesuffix(ERROR_SUFFIX))
    if value is None or not name.endswith(ERROR_SUFFIX):
        raise ValueError(f"column {name!r} of the catalogue has no description in vac_columns.ecsv")
    return VacColumn(
        name=name,
        unit=value.unit,
        ucd=f"stat.error;{value.ucd}".rstrip(";"),
        description=f"1 sigma error of {value.name}",
    )


def _text(value: object) -> str:
    return "" if value is np.ma.masked else str(value)


def _regime(wave: float) -> str:
    """UCD of the part of the spectrum that holds a wavelength in Angstrom."""
    return "opt" if wave < 2e4 else "IR"
