"""The filters of the survey's own catalogue, in the order of its arrays: ``jpas_depth.ecsv``.

The reference band comes last. A survey without that table has the filters of its bands alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from ojala.vocabulary.bands import narrow_bands, reference_band
from ojala.vocabulary.directory import directory, has_table, survey_table

DEPTHS = "jpas_depth.ecsv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A filter of the catalogue; wave: nominal, Angstrom. Not every one is a band of the model."""

    name: str
    wave: float


@cache
def filters() -> tuple[Filter, ...]:
    """The filters, the reference last under the catalogue's own name: 57 of J-PAS.

    Raises ValueError naming the table where a narrow band has no filter.
    """
    if not has_table(DEPTHS):
        return tuple(
            Filter(name=band.name if band is reference_band() else band.token, wave=band.wave)
            for band in (*narrow_bands(), reference_band())
        )
    table = survey_table(DEPTHS)
    found = tuple(Filter(name=str(row["name"]), wave=float(row["wave"])) for row in table)
    names = [each.name for each in found[:-1]]
    for band in narrow_bands():
        if names.count(band.token) != 1:
            raise ValueError(
                f"{directory() / DEPTHS}: {names.count(band.token)} filters {band.token} before "
                "the last, which is the reference; expected one for each narrow band"
            )
    return found
