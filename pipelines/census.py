"""Stage census: what sky the mocks are of, beside published numbers, in reports/sky.json."""

from __future__ import annotations

from ojala.sky.galaxies import galaxies
from ojala.sky.quasars import quasars
from ojala.tables.shards import columns_of, read_table
from ojala.training_set.census import beside, census, shares
from ojala.vocabulary.bands import reference_band
from pipelines import params, paths, stage

SELECTED = {"BGS": "bgs", "LRG": "lrg", "ELG": "elg"}
"""Samples of galaxies whose density on the real sky is known."""


def sky() -> None:
    """Count the mocks; for a simulated sky, also how dense its populations are."""
    mocks = columns_of(
        read_table(paths.MOCKS, ["SPECTYPE", "MORPHTYPE", reference_band().token, "z"])
    )
    numbers = shares(mocks)
    if params.section("data", params.DataConfig).source == "simulated":
        numbers |= densities()
    stage.report("sky", {"beside published": beside(numbers), "sources": census(mocks)})


def densities() -> dict[str, float]:
    """Sources per square degree that each of DESI's selections finds in the populations."""
    found = {name: galaxies.surface_density(sample) for name, sample in SELECTED.items()}
    found |= {"QSO": quasars.surface_density("qso")}
    return {f"{name} per square degree": density for name, density in found.items()}


if __name__ == "__main__":
    stage.run(sky)
