"""Emission lines of ionised gas: their names and rest wavelengths, the table data/lines.ecsv."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from astropy.table import Table


@cache
def rest_waves() -> dict[str, float]:
    """Rest wavelength in vacuum, Angstrom, of every line, blue to red."""
    table = Table.read(files("ojala.vocabulary.data") / "lines.ecsv", format="ascii.ecsv")
    return {str(row["line"]): float(row["wave"]) for row in table}


def near_wave(line: str) -> float:
    """Rest wavelength of a line to 0.1 Angstrom, an eighth of a pixel of DESI's spectra."""
    return round(rest_waves()[line], 1)
