"""The bits of QUALITY_FLAGS: rows of ``data/quality_flags.ecsv``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from astropy.table import Table

FLAGS_COLUMN = "QUALITY_FLAGS"


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityFlag:
    """What a source has that the bit is set for."""

    bit: int
    name: str
    description: str


@cache
def quality_flags() -> tuple[QualityFlag, ...]:
    """Every flag, by rising bit; bits are powers of two."""
    table = Table.read(files("ojala.vocabulary.data") / "quality_flags.ecsv", format="ascii.ecsv")
    flags = tuple(
        QualityFlag(bit=int(row["bit"]), name=str(row["name"]), description=str(row["description"]))
        for row in table
    )
    assert [flag.bit for flag in flags] == [1 << place for place in range(len(flags))]
    return flags


def bit(name: str) -> int:
    """The bit of a flag's name."""
    return next(flag.bit for flag in quality_flags() if flag.name == name)
