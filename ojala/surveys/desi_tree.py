"""A directory of DESI files: which coadd goes with which redrock file, which catalogues there are.

DR1's layout (healpix/{survey}/{program}/{healpix // 100}/{healpix}/coadd-*.fits, redrock-*.fits)
and a flat directory are read alike: a redrock file belongs to the coadd of the same name beside
it, and one without a coadd of its name to every coadd beside it that has none (TARGETID decides).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

CATALOGUES = {
    "fastspecfit": "fastspec-*.fits",
    "cigale": "IronPhysProp*.fits",
    "mws": "mwsall-*.fits",
    "bhmass": "VAC_BHmass*.fits",
}
"""File names of the value-added catalogues, anywhere in the directory."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A coadd and the redrock files that may know its sources; none: spectra without labels."""

    coadd: Path
    redrock: tuple[Path, ...]


def pairs(directory: str | Path) -> list[Pair]:
    """The coadds of a directory, in order of path, each with its redrock files.

    Raises ValueError where there is no coadd.
    """
    coadds = _named(directory, "coadd-*.fits")
    if not coadds:
        raise ValueError(f"{directory}: no DESI coadds (coadd-*.fits) found")
    others = {path: path.with_name(f"coadd-{_rest(path)}") for path in redrocks(directory)}
    own = {coadd: path for path, coadd in others.items()}
    odd = defaultdict(list)
    for path, coadd in others.items():
        if not coadd.is_file():
            odd[path.parent].append(path)
    return [
        Pair(coadd, (own[coadd],) if coadd in own else tuple(odd[coadd.parent])) for coadd in coadds
    ]


def redrocks(directory: str | Path) -> list[Path]:
    """The redrock files of a directory, in order of path."""
    return _named(directory, "redrock-*.fits")


def catalogues(directory: str | Path) -> dict[str, list[Path]]:
    """The value-added catalogues of a directory, by the keys of CATALOGUES."""
    return {kind: _named(directory, pattern) for kind, pattern in CATALOGUES.items()}


def _named(directory: str | Path, pattern: str) -> list[Path]:
    root = Path(directory)
    if not root.is_dir():
        fault = "not a directory" if root.exists() else "no such directory"
        raise ValueError(f"{directory}: {fault}")
    return sorted(path for path in root.rglob(pattern) if path.is_file())


def _rest(path: Path) -> str:
    return path.name.removeprefix("redrock-")
