"""Which files of a directory can be read, before anything is made of them: one bad file stops none.

Everything but the pixels themselves is looked at: a source whose spectrum cannot be read must not
win over one that can (desi_repeats).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ojala.surveys.desi.coadds import check_coadd, read_fibermap, read_redrock
from ojala.surveys.desi.tree import Pair


@dataclass(frozen=True)
class Sorted:
    """The pairs that can be read, and for every other file what is wrong with it.

    A redrock file that cannot be read leaves its pair: the spectra stay, without labels.
    """

    files: tuple[Pair, ...]
    faults: dict[Path, str]


def sort_out(files: Sequence[Pair]) -> Sorted:
    """Look into every file.

    Raises ValueError, of the first file, where no coadd or no redshift file can be read.
    """
    good, faults = list[Pair](), dict[Path, str]()
    for pair in tqdm(
        files, desc="files", unit="coadd", leave=False, disable=not sys.stderr.isatty()
    ):
        faults |= {path: fault for path in pair.redrock if (fault := _fault(path, coadd=False))}
        fault = _fault(pair.coadd, coadd=True)
        if fault:
            faults[pair.coadd] = fault
        else:
            good.append(Pair(pair.coadd, tuple(p for p in pair.redrock if p not in faults)))
    if not good:
        path = files[0].coadd
        others = f"; neither can the other {len(files) - 1} coadds" if len(files) > 1 else ""
        raise ValueError(f"{path}: {faults[path]}{others}")
    _check_redshifts(files, faults)
    return Sorted(tuple(good), faults)


def _check_redshifts(files: Sequence[Pair], faults: Mapping[Path, str]) -> None:
    """Raise ValueError, of the first file, where there are redshift files and none can be read."""
    redshifts = [path for pair in files for path in pair.redrock]
    if redshifts and all(path in faults for path in redshifts):
        path = redshifts[0]
        many = len(redshifts) - 1
        others = f"; neither can the other {many} redshift files" if many else ""
        raise ValueError(f"{path}: {faults[path]}{others}")


def reason_of(error: ValueError, path: Path) -> str:
    """What is wrong with a file, without its name."""
    return str(error).removeprefix(f"{path}: ")


def _fault(path: Path, *, coadd: bool) -> str:
    """What is wrong with a file, "" where nothing is."""
    try:
        if not coadd:
            read_redrock(path)
            return ""
        fibermap = read_fibermap(path)
        check_coadd(path, len(fibermap))
    except ValueError as error:
        return reason_of(error, path)
    ids = fibermap.columns["TARGETID"]
    twice, counts = np.unique(ids[ids > 0], return_counts=True)
    return f"TARGETID {twice[counts > 1][0]} comes twice" if np.any(counts > 1) else ""
