"""The mocks as a table on disk, what was set aside beside it, and what to think of both."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tqdm import tqdm

from ojala.surveys.desi.tree import pairs, passed_over
from ojala.tables.rejects import Rejects
from ojala.tables.shards import Columns, as_table, mocks_schema, write_blocks
from ojala.training_set.mocks import Block, MocksConfig, mocks

ROWS_PER_GROUP = 50_000
"""Rows gathered before they are written: small coadds would make small Parquet row groups."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a pass made.

    num_spectra = num_rows + the sum of rejects (number by reason)
    num_with_redshift: rows that redrock knows; the others have no labels
    faults: what is wrong with files that were set aside, by name; not_read: kinds of other files
    r_excess, r_scatter: median of synthetic r minus r in the fibre, and half of its 16-84 %
        range, mag; r_point: median of what the calibration to point sources explains of it, mag
    num_r: rows with both magnitudes
    """

    num_spectra: int
    num_rows: int
    rejects: dict[str, int]
    r_excess: float
    r_scatter: float
    r_point: float
    num_r: int
    num_with_redshift: int
    faults: dict[str, str]
    not_read: list[str]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A block without its rows, as in mocks.Block; num_with_redshift: of them redrock knows."""

    num_spectra: int
    num_with_redshift: int
    r_excess: NDArray[np.floating]
    r_point: NDArray[np.floating]
    faults: Mapping[str, str]


def write(
    directory: str | Path, out: str | Path, rejects_path: str | Path, config: MocksConfig
) -> Summary:
    """Make the mocks of a directory of DESI files.

    out: a file *.parquet, or a directory of shards; rejects_path: a Parquet file. Either appears
        only when it is whole.

    Raises ValueError as mocks.mocks does.
    """
    rejects = Rejects()
    seen: list[Seen] = []
    num_rows = write_table(_columns(_shown(directory, config), rejects, seen), out)
    rejects.write(rejects_path)
    excess = np.concatenate([block.r_excess for block in seen])
    point = np.concatenate([block.r_point for block in seen])
    known = np.isfinite(excess) & np.isfinite(point)
    low, median, high = np.percentile(excess[known], [16, 50, 84]) if known.any() else [np.nan] * 3
    return Summary(
        num_spectra=sum(block.num_spectra for block in seen),
        num_rows=num_rows,
        rejects=rejects.counts(),
        r_excess=float(median),
        r_scatter=float(high - low) / 2,
        r_point=float(np.median(point[known])) if known.any() else float("nan"),
        num_r=int(known.sum()),
        num_with_redshift=sum(block.num_with_redshift for block in seen),
        faults={name: fault for block in seen for name, fault in block.faults.items()},
        not_read=passed_over(directory),
    )


def write_table(blocks: Iterable[Columns], out: str | Path) -> int:
    """Write blocks of mocks into one Parquet file or a directory of shards; number of rows."""
    return write_blocks(_gathered(blocks), out, mocks_schema())


def _shown(directory: str | Path, config: MocksConfig) -> Iterator[Block]:
    """The blocks of a directory, under a progress bar."""
    num_files = len(pairs(directory))
    hidden = not sys.stderr.isatty()
    yield from tqdm(mocks(directory, config), total=num_files, unit="coadd", disable=hidden)


def _columns(blocks: Iterable[Block], rejects: Rejects, seen: list[Seen]) -> Iterator[Columns]:
    """The rows of blocks; what else they say is taken down in ``rejects`` and ``seen``."""
    for block in blocks:
        rejects.extend(block.rejects)
        if len(block.r_excess):
            yield block.columns
        seen.append(_without_rows(block))


def _without_rows(block: Block) -> Seen:
    return Seen(
        num_spectra=block.num_spectra,
        num_with_redshift=int(np.isfinite(block.columns.get("z", np.zeros(0))).sum()),
        r_excess=block.r_excess.astype(np.float32),
        r_point=block.r_point.astype(np.float32),
        faults=block.faults,
    )


def _gathered(blocks: Iterable[Columns]) -> Iterator[Columns]:
    """Blocks of some ROWS_PER_GROUP rows."""
    held: list[Columns] = []
    num_rows = 0
    for block in blocks:
        held.append(block)
        num_rows += len(block["targetid"])
        if num_rows >= ROWS_PER_GROUP:
            yield _stacked(held)
            held, num_rows = [], 0
    if held:
        yield _stacked(held)


def _stacked(blocks: list[Columns]) -> Columns:
    """Blocks one after the other; what one of them lacks is missing there."""
    schema = mocks_schema()
    tables = pa.concat_tables([as_table(block, schema) for block in blocks])
    return {name: tables[name].to_numpy() for name in schema.names}
