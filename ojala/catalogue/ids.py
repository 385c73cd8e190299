"""Names of sources: one that a catalogue holds twice is an error, found in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pandas.util import hash_pandas_object

from ojala.catalogue.pieces import Piece
from ojala.tables.files import open_table

KEYS = (
    ("targetid", "survey", "program"),
    ("tile_id", "number"),
    ("targetid",),
    ("source_id",),
    ("id",),
)
"""Columns that name a source, in any case; the first that a catalogue has."""

ROWS_AT_ONCE = 20_000_000
"""Of a look at the names, eight bytes each: a longer catalogue is looked at several times."""


def check_unique(pieces: Sequence[Piece]) -> None:
    """Raise ValueError for two rows of one name; a row without a name is no one's double.

    A catalogue without a column of KEYS has no names.
    """
    names = _key(open_table(pieces[0].stored).names)
    num_rows = sum(piece.num_rows for piece in pieces)
    num_looks = -(-num_rows // ROWS_AT_ONCE) if names else 0
    for look in range(num_looks):
        parts = [code[code % num_looks == look] for _, code, _ in _codes(pieces, names)]
        codes = np.sort(np.concatenate(parts)) if parts else np.empty(0, dtype=np.uint64)
        twice = np.unique(codes[1:][codes[1:] == codes[:-1]])
        if len(twice):
            _tell(pieces, names, twice)


def _key(names: Sequence[str]) -> list[str]:
    """The columns that name a source, as they are spelt."""
    spelt = {name.lower(): name for name in names}
    found = next((key for key in KEYS if set(key) <= spelt.keys()), ())
    return [spelt[part] for part in found]


def _codes(
    pieces: Sequence[Piece], names: Sequence[str]
) -> Iterator[tuple[Piece, NDArray[np.uint64], pa.Table]]:
    """A number for every name of a block of rows, with the names and their row."""
    firsts = {piece.stored: piece for piece in reversed(pieces)}
    for stored, piece in reversed(firsts.items()):
        row = 0
        for block in open_table(stored).blocks(list(names), 1_000_000):
            rows = pa.array(np.arange(row, row + len(block)))
            row += len(block)
            block = block.select(names).append_column("row", rows)
            known = block.filter(pc.is_valid(block[names[0]]))
            for name in names[1:]:
                known = known.filter(pc.is_valid(known[name]))
            code = hash_pandas_object(known.select(names).to_pandas(), index=False)
            yield piece, np.asarray(code, dtype=np.uint64), known


def _tell(pieces: Sequence[Piece], names: Sequence[str], twice: NDArray[np.uint64]) -> None:
    """Raise ValueError where names of the same number are the same indeed."""
    seen: dict[tuple[object, ...], tuple[Piece, int]] = {}
    for piece, codes, known in _codes(pieces, names):
        for found in known.filter(pa.array(np.isin(codes, twice))).to_pylist():
            name, row = tuple(found[part] for part in names), found["row"] + 1
            if name in seen:
                first, first_row = seen[name]
                where = "" if first.path == piece.path else f" of {first.path.name}"
                said = ", ".join(f"{part} {value}" for part, value in zip(names, name, strict=True))
                raise ValueError(
                    f"{piece.path}: row {row} has the name of row {first_row}{where}: {said} "
                    "is there twice"
                )
            seen[name] = piece, row
