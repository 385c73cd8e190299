"""A directory of DESI files: which coadd goes with which redrock file, which catalogues there are.

DR1's layout (healpix/{survey}/{program}/{healpix // 100}/{healpix}/coadd-*.fits, redrock-*.fits)
and a flat directory are read alike: a redrock file belongs to the coadd of the same name beside
it, and one without a coadd of its name to every coadd beside it that has none (TARGETID decides).
Files may be gzipped or fpack'ed; redshifts of before 2022 are called zbest-*.fits.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

CATALOGUES = {
    "fastspecfit": "fastspec-*.fits",
    "cigale": "IronPhysProp*.fits",
    "mws": "mwsall-*.fits",
    "bhmass": "VAC_BHmass*.fits",
}
"""File names of the value-added catalogues, anywhere in the directory; packed ones as well."""

COADDS = ("coadd-*.fits",)
REDSHIFTS = ("redrock-*.fits", "zbest-*.fits")
"""File names of spectra and of redshifts; where one name is there in several ways, the first."""

PACKED = ("", ".gz", ".fz")
"""What may follow .fits."""

TABLES = (".fits", ".fit", ".h5", ".hdf5")
"""Beginnings of the suffixes of files that are named where they are not read."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A coadd and the redrock files that may know its sources; none: spectra without labels."""

    coadd: Path
    redrock: tuple[Path, ...]


def pairs(directory: str | Path) -> list[Pair]:
    """The coadds of a directory, in order of path, each with its redrock files.

    Raises ValueError where there is no coadd.
    """
    coadds = _named(directory, COADDS)
    if not coadds:
        raise ValueError(f"{directory}: no DESI coadds (coadd-*.fits) found")
    known = {_stem(coadd): coadd for coadd in coadds}
    own: dict[Path, Path] = {}
    odd = defaultdict(list)
    for path in redrocks(directory):
        if _stem(path) in known:
            own[known[_stem(path)]] = path
        else:
            odd[path.parent].append(path)
    return [
        Pair(coadd, (own[coadd],) if coadd in own else tuple(odd[coadd.parent])) for coadd in coadds
    ]


def redrocks(directory: str | Path) -> list[Path]:
    """The redrock files of a directory, in order of path."""
    return _named(directory, REDSHIFTS)


def catalogues(directory: str | Path) -> dict[str, list[Path]]:
    """The value-added catalogues of a directory, by the keys of CATALOGUES."""
    return {kind: _named(directory, [pattern]) for kind, pattern in CATALOGUES.items()}


def passed_over(directory: str | Path) -> list[str]:
    """What of a directory is not read, a phrase for each kind: "2 spectra-*.fits (first: PATH)"."""
    read = {pair.coadd for pair in pairs(directory)} | {*redrocks(directory)}
    read |= {path for paths in catalogues(directory).values() for path in paths}
    others = [path for path in _files(directory) if _is_table(path) and path not in read]
    count = Counter(map(_kind, others))
    first = {_kind(path): path for path in reversed(others)}
    return [f"{number} {kind} (first: {first[kind]})" for kind, number in sorted(count.items())]


def _named(directory: str | Path, patterns: Iterable[str]) -> list[Path]:
    """Files of these names, packed or not, each stem of a directory once, in order of path."""
    found: dict[tuple[Path, str], Path] = {}
    files = _files(directory)
    for pattern in patterns:
        for suffix in PACKED:
            for path in files:
                if path.match(pattern + suffix):
                    found.setdefault(_stem(path), path)
    return sorted(found.values())


def _files(directory: str | Path) -> list[Path]:
    root = Path(directory)
    if not root.is_dir():
        fault = "not a directory" if root.exists() else "no such directory"
        raise ValueError(f"{directory}: {fault}")
    return sorted(path for path in root.rglob("*.*") if path.is_file() and path.name[0] != ".")


def _stem(path: Path) -> tuple[Path, str]:
    """Directory and name without its first word and its suffixes: the same for a pair."""
    name = path.name.partition("-")[2] or path.name
    return path.parent, name[: name.lower().rindex(".fit")]


def _is_table(path: Path) -> bool:
    return any(suffix.lower().startswith(TABLES) for suffix in path.suffixes)


def _kind(path: Path) -> str:
    """What a file is called but for what differs: spectra-*.fits.gz."""
    word, dash, _ = path.name.partition("-")
    if not dash:
        return path.name
    place = min(path.name.find(s) for s in path.suffixes if s.lower().startswith(TABLES))
    return f"{word}-*{path.name[place:]}"
