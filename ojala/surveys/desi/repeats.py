"""Which spectra are good, and which of a source's spectra is kept.

A source is observed in several surveys and programs; one spectrum of it is kept, that of the
highest signal-to-noise ratio among those with nothing else against them.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ojala.surveys.desi.coadds import Fibermap, read_fibermap, read_redrock, read_tsnr2
from ojala.surveys.desi.tree import Pair
from ojala.tables.pixels import placed
from ojala.tables.shards import Columns


@dataclass(frozen=True)
class Repeats:
    """The sources of a directory, and those that have a better spectrum elsewhere.

    targetid: every target, sorted, each once
    better: for each coadd, TARGETID -> survey/program of the spectrum that is kept
    """

    targetid: NDArray[np.int64]
    better: Mapping[Path, Mapping[int, str]]

    def reasons(
        self, path: Path, fibermap: Fibermap, reasons: NDArray[np.object_]
    ) -> NDArray[np.object_]:
        """``reasons`` with the spectra that a better one replaces added.

        reasons, and the answer: (num_spectra,), "" for a spectrum that is kept
        """
        better = self.better.get(path)
        if better:
            for row, targetid in enumerate(fibermap.columns["TARGETID"].tolist()):
                if reasons[row] == "" and targetid in better:
                    reasons[row] = f"observed again in {better[targetid]}"
        return reasons


def reasons_against(fibermap: Fibermap, redshifts: Columns) -> NDArray[np.object_]:
    """Why each spectrum is set aside, "" for the good ones; the first cause counts.

    redshifts: row by row with the fibermap, as joined_redshifts gives them
    """
    columns = fibermap.columns
    reasons = np.full(len(fibermap), "", dtype=object)
    reasons[redshifts["ZWARN"] != 0] = "redshift warning (ZWARN)"
    reasons[~placed(columns["TARGET_RA"], columns["TARGET_DEC"])] = "no position"
    reasons[columns["COADD_FIBERSTATUS"] != 0] = "bad fibre status"
    reasons[columns["OBJTYPE"] != "TGT"] = "not a target"
    reasons[columns["TARGETID"] <= 0] = "negative TARGETID"
    reasons[columns["OBJTYPE"] == "SKY"] = "sky fibre"
    return reasons


def joined_redshifts(fibermap: Fibermap, redrock: Sequence[Columns]) -> Columns:
    """Z, ZERR, ZWARN and SPECTYPE row by row; NaN, 0 and "" for sources redrock does not know."""
    targetid = fibermap.columns["TARGETID"]
    joined: Columns = {
        "Z": np.full(len(targetid), np.nan),
        "ZERR": np.full(len(targetid), np.nan),
        "ZWARN": np.zeros(len(targetid), dtype=np.int64),
        "SPECTYPE": np.full(len(targetid), "", dtype="<U6"),
    }
    for redshifts in redrock:
        if len(redshifts["TARGETID"]) == 0:
            continue
        order = np.argsort(redshifts["TARGETID"])
        place = np.searchsorted(redshifts["TARGETID"], targetid, sorter=order)
        place = order[np.minimum(place, len(order) - 1)]
        known = redshifts["TARGETID"][place] == targetid
        for name, values in joined.items():
            values[known] = redshifts[name][place[known]]
    return joined


def find_repeats(files: Sequence[Pair]) -> Repeats:
    """The sources of all coadds, and which spectrum of those observed more than once is kept.

    Raises ValueError for a source that comes twice within one survey and program, naming the
    files.
    """
    ids, where, groups = [], [], []
    bar = tqdm(files, desc="sources", unit="coadd", leave=False, disable=not sys.stderr.isatty())
    for position, pair in enumerate(bar):
        fibermap = read_fibermap(pair.coadd, ["TARGETID", "OBJTYPE"])
        target = (fibermap.columns["OBJTYPE"] == "TGT") & (fibermap.columns["TARGETID"] > 0)
        ids.append(fibermap.columns["TARGETID"][target])
        where.append(np.full(target.sum(), position, dtype=np.int32))
        groups.append(f"{fibermap.survey}/{fibermap.program}")
    targetid, file = np.concatenate(ids), np.concatenate(where)
    unique, inverse, counts = np.unique(targetid, return_inverse=True, return_counts=True)
    again = counts[inverse] > 1
    _check_groups(targetid[again], file[again], files, groups)
    return Repeats(unique, _better(targetid[again], file[again], files, groups))


def _check_groups(
    targetid: NDArray[np.int64],
    file: NDArray[np.int32],
    files: Sequence[Pair],
    groups: Sequence[str],
) -> None:
    seen: dict[tuple[int, str], int] = {}
    for source, position in zip(targetid.tolist(), file.tolist(), strict=True):
        key = (source, groups[position])
        if key in seen:
            names = dict.fromkeys(str(files[i].coadd) for i in (seen[key], position))
            raise ValueError(
                f"{' and '.join(names)}: TARGETID {source} comes twice in {groups[position]}"
            )
        seen[key] = position


def _better(
    targetid: NDArray[np.int64],
    file: NDArray[np.int32],
    files: Sequence[Pair],
    groups: Sequence[str],
) -> dict[Path, dict[int, str]]:
    best: dict[int, tuple[float, int]] = {}
    for position in np.unique(file).tolist():
        for source, snr in _good_snr(files[position], targetid[file == position]):
            if snr > best.get(source, (-np.inf, 0))[0]:
                best[source] = (snr, position)
    better: dict[Path, dict[int, str]] = defaultdict(dict)
    for source, position in zip(targetid.tolist(), file.tolist(), strict=True):
        if source in best and best[source][1] != position:
            better[files[position].coadd][source] = groups[best[source][1]]
    return dict(better)


def _good_snr(pair: Pair, targetid: NDArray[np.int64]) -> list[tuple[int, float]]:
    """Sources among ``targetid`` whose spectrum has nothing against it, each with its TSNR2."""
    fibermap = read_fibermap(pair.coadd)
    redshifts = joined_redshifts(fibermap, [read_redrock(path) for path in pair.redrock])
    good = (reasons_against(fibermap, redshifts) == "") & np.isin(
        fibermap.columns["TARGETID"], targetid
    )
    sources = fibermap.columns["TARGETID"][good].tolist()
    return list(zip(sources, read_tsnr2(pair.coadd)[good].tolist(), strict=True))
