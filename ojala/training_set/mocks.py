"""DESI files to mock photometry with labels: rows of the training table, file by file.

A bad spectrum is set aside with its reason, and so is a file that cannot be read; a bad label is
a missing label and the row stays. A spectrum that no redrock file knows stays too, without labels:
it can be predicted on, never trained on. Rows and rejects add up to the spectra read. Memory does
not grow with the number of files; the labels of all sources (see labels.Labels) and one block of
spectra are held.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ojala.physics.responses import load
from ojala.physics.synphot import ResponseMatrix
from ojala.surveys.desi.coadds import Coadd, Fibermap, read_coadd, read_fibermap, read_redrock
from ojala.surveys.desi.faults import reason_of, sort_out
from ojala.surveys.desi.repeats import Repeats, find_repeats, joined_redshifts, reasons_against
from ojala.surveys.desi.tree import Pair, pairs
from ojala.tables.rejects import Rejects
from ojala.tables.shards import Columns
from ojala.training_set.mock_photometry import MockPhotometry, photometry, prepare_bands
from ojala.training_set.spectrum_labels import (
    Labels,
    continuum_over_i,
    read_labels,
    redshift_labels,
    valid_for_class,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MocksConfig:
    """How mocks are made.

    responses: "packaged" (analytic J-PAS curves), "svo" (the SVO filter profile service), or a
        directory of measured curves
    num_workers: processes; the rows come in the same order whatever their number
    rows_per_block: spectra held at a time by each process
    """

    responses: str = "packaged"
    num_workers: int = 1
    rows_per_block: int = 1024


@dataclass(frozen=True, kw_only=True)
class Block:
    """What one coadd gives.

    columns: of shards.mocks_schema(), but weight and split; rejects: the spectra set aside
    num_spectra: spectra in the file, rows and rejects together
    faults: what is wrong with files that could not be read, by name
    r_excess: synthetic r minus r in the fibre, mag, of each row
    r_point: what the calibration to point sources adds to r, mag (negative), of each row
    """

    columns: Columns
    rejects: Rejects
    num_spectra: int
    r_excess: NDArray[np.floating]
    r_point: NDArray[np.floating]
    faults: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class MockMaker:
    """Everything that is the same for all coadds of a directory.

    directory: the names of files in rejects are relative to it
    matrix: as mock_photometry.prepare_bands makes it
    repeats: sources observed in more than one survey or program
    """

    directory: Path
    matrix: ResponseMatrix
    labels: Labels
    repeats: Repeats
    rows_per_block: int = field(default=1024)

    def block(self, pair: Pair) -> Block:
        """The rows and rejects of one coadd; all are rejects where its pixels are damaged."""
        try:
            return self._read(pair)
        except ValueError as error:
            if not str(error).startswith(f"{pair.coadd}: "):
                raise
            return set_aside(self.directory, pair.coadd, reason_of(error, pair.coadd))

    def _read(self, pair: Pair) -> Block:
        fibermap = read_fibermap(pair.coadd)
        redshifts = joined_redshifts(fibermap, [read_redrock(path) for path in pair.redrock])
        reasons = self.repeats.reasons(pair.coadd, fibermap, reasons_against(fibermap, redshifts))
        good = np.flatnonzero(reasons == "")
        parts = []
        for start in range(0, len(good), self.rows_per_block):
            rows = good[start : start + self.rows_per_block]
            parts.append(self._rows(pair.coadd, fibermap, redshifts, rows, reasons))
        kept = reasons == ""
        block = Block(
            columns=_stacked([columns for columns, _ in parts]),
            rejects=_rejects(fibermap, reasons, pair.coadd.relative_to(self.directory)),
            num_spectra=len(fibermap),
            r_excess=np.concatenate([excess for _, excess in parts] or [np.zeros(0)]),
            r_point=_point_loss(fibermap.columns["MEAN_PSF_TO_FIBER_SPECFLUX"][kept]),
        )
        assert kept.sum() + len(block.rejects) == block.num_spectra, "a spectrum was lost"
        assert all(len(values) == kept.sum() for values in block.columns.values()), "rows differ"
        return block

    def _rows(
        self,
        path: Path,
        fibermap: Fibermap,
        redshifts: Columns,
        rows: NDArray[np.intp],
        reasons: NDArray[np.object_],
    ) -> tuple[Columns, NDArray[np.floating]]:
        """Columns and r excess of ``rows``; spectra that turn out bad get their reason."""
        coadd = read_coadd(path, rows, fibermap=fibermap)
        observed = photometry(coadd, self.matrix)
        empty = ~np.any(coadd.spectra.ivar > 0, axis=1)
        reasons[rows[~observed.usable]] = "no synthetic i"
        reasons[rows[empty]] = "no data"
        columns = self._columns(coadd, observed, _taken(redshifts, rows))
        kept = observed.usable & ~empty
        return _taken(columns, kept), observed.r_excess[kept]

    def _columns(self, coadd: Coadd, observed: MockPhotometry, redshifts: Columns) -> Columns:
        targetid, ebv = coadd.spectra.targetid, coadd.fibermap["EBV"]
        labels = self.labels.of(targetid, (coadd.survey, coadd.program))
        labels |= redshift_labels(redshifts)
        labels |= continuum_over_i(
            labels, redshifts["Z"], ebv, observed.i_flux, observed.i_flux_err
        )
        return {
            "targetid": targetid,
            "survey": np.full(len(targetid), coadd.survey),
            "program": np.full(len(targetid), coadd.program),
            "healpix": coadd.healpix,
            "ra": coadd.fibermap["TARGET_RA"],
            "dec": coadd.fibermap["TARGET_DEC"],
            "spectype": redshifts["SPECTYPE"],
            "z": redshifts["Z"],
            "z_err": redshifts["ZERR"],
            "ebv": ebv,
            **observed.columns,
            **valid_for_class(labels, redshifts["SPECTYPE"]),
        }


def mocks(directory: str | Path, config: MocksConfig | None = None) -> Iterator[Block]:
    """The mocks of a directory of DESI files, a block per coadd, in order of path.

    A file that cannot be read is set aside, before the others, and does not stop them.

    Raises ValueError where no coadd can be read, naming the first and what is wrong with it; for
    a TARGETID that comes twice within a survey and program; and where there is no coadd.
    """
    config, files = config or MocksConfig(), pairs(directory)
    found = sort_out(files)
    coadds = {pair.coadd for pair in files}
    for path, fault in found.faults.items():
        yield set_aside(Path(directory), path, fault, coadd=path in coadds)
    maker = mock_maker(directory, found.files, config)
    many = config.num_workers > 1
    blocks = _in_processes(maker, found.files, config.num_workers) if many else None
    num_read, faults = 0, dict[str, str]()
    for block in blocks or map(maker.block, found.files):
        num_read += not block.faults
        faults |= block.faults
        yield block
    if num_read == 0:
        name, fault = next(iter(faults.items()))
        raise ValueError(f"{Path(directory) / name}: {fault}")


def set_aside(directory: Path, path: Path, reason: str, *, coadd: bool = True) -> Block:
    """A file that cannot be read: a coadd's spectra are rejects, where they can be named."""
    rejects, file = Rejects(), path.relative_to(directory)
    fibermap = _sources(path) if coadd else None
    if fibermap is not None:
        rejects = _rejects(fibermap, np.full(len(fibermap), reason, dtype=object), file)
    else:
        rejects.add_file(file, reason)
    num_spectra = sum(rejects.counts().values())
    nothing = np.zeros(0)
    return Block(
        columns={},
        rejects=rejects,
        num_spectra=num_spectra,
        r_excess=nothing,
        r_point=nothing,
        faults={str(file): reason},
    )


def _sources(path: Path) -> Fibermap | None:
    """The sources of a coadd that cannot be read, None where not even they can."""
    try:
        return read_fibermap(path, ["TARGETID", "TARGET_RA", "TARGET_DEC"])
    except ValueError:
        return None


def mock_maker(directory: str | Path, files: Sequence[Pair], config: MocksConfig) -> MockMaker:
    """What the blocks of a directory have in common: repeats, labels and prepared responses."""
    repeats = find_repeats(files)
    return MockMaker(
        directory=Path(directory),
        matrix=prepare_bands(load(config.responses)),
        labels=read_labels(directory, repeats.targetid),
        repeats=repeats,
        rows_per_block=config.rows_per_block,
    )


def _in_processes(maker: MockMaker, files: Sequence[Pair], num_workers: int) -> Iterator[Block]:
    """Blocks in order; no more than two per process are under way or waiting."""
    waiting: deque[Future[Block]] = deque()
    with ProcessPoolExecutor(num_workers, initializer=_take, initargs=(maker,)) as pool:
        for pair in files:
            waiting.append(pool.submit(_block, pair))
            if len(waiting) >= 2 * num_workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


_maker: list[MockMaker] = []
"""The maker of a worker process, given once: it holds the labels."""


def _take(maker: MockMaker) -> None:
    _maker[:] = [maker]


def _block(pair: Pair) -> Block:
    return _maker[0].block(pair)


def _rejects(fibermap: Fibermap, reasons: NDArray[np.object_], file: Path) -> Rejects:
    rejects = Rejects()
    for reason in sorted(set(reasons) - {""}):
        rows = np.flatnonzero(reasons == reason)
        sources = fibermap.columns["TARGETID"][rows].tolist()
        position = fibermap.columns["TARGET_RA"][rows], fibermap.columns["TARGET_DEC"][rows]
        rejects.add(sources, rows.tolist(), file=file, reason=reason, position=position)
    return rejects


def _taken(columns: Columns, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Columns:
    return {name: values[rows] for name, values in columns.items()}


def _stacked(parts: Sequence[Columns]) -> Columns:
    """Parts of one coadd one after the other: they have the same columns."""
    return (
        {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}
    )


def _point_loss(share: NDArray[np.floating]) -> NDArray[np.floating]:
    """2.5 log10 of the share of a point source's light in the fibre; NaN where unknown (0)."""
    return np.asarray(2.5 * np.log10(np.where(share > 0, share, np.nan)))
