"""The J-PAS x DESI cross-match: test and validation sets, and what must leave training.

Section 2.4 of the paper: positions within one arcsecond; Test-Real is the J-PAS photometry of
the matched sources, Test-Synth their mock photometry with the counterparts' own errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ojala.tables.pixels import NSIDE, chord, healpix, placed, unit_vectors
from ojala.tables.shards import (
    CATEGORICAL,
    EXCLUDED,
    PERTURBED,
    Columns,
    as_table,
    column,
    matched_schema,
    read_table,
    shard_paths,
)
from ojala.tables.writing import written_whole
from ojala.vocabulary.quantities import observations

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class CrossmatchConfig:
    """How sources are matched, and which of them validate.

    radius: match radius, arcsec
    val_fraction: share of the sky pixels, matched or not, whose sources validate
    nside: HEALPix resolution of the split (nested); 64 is DESI's own
    seed: of the choice of pixels and of the noise added to Test-Synth
    """

    radius: float = 1.0
    val_fraction: float = 0.2
    nside: int = NSIDE
    seed: int = 1

    def __post_init__(self) -> None:
        if not self.radius > 0:
            raise ValueError(
                f"crossmatch.radius is {self.radius}, expected a positive angle in arcsec"
            )
        if not 0 <= self.val_fraction < 1:
            raise ValueError(f"crossmatch.val_fraction is {self.val_fraction}, expected 0 <= x < 1")
        if self.nside < 1 or self.nside & (self.nside - 1):
            raise ValueError(f"crossmatch.nside is {self.nside}, expected a power of two")


def crossmatch(
    mocks_path: str | Path, jpas_path: str | Path, directory: str | Path, config: CrossmatchConfig
) -> dict[str, int]:
    """Write the four matched sets and the list of sources that must leave training.

    mocks_path, jpas_path: tables of ``mocks_schema`` and ``jpas_schema``.
    Writes ``{test,val}_{real,synth}.parquet`` (the same sources in the same order in real and
    synth) and ``excluded.parquet`` into ``directory``, whole or not at all. Returns counts.
    """
    jpas = read_table(jpas_path)
    keys = read_table(mocks_path, ["targetid", "survey", "program", "ra", "dec"])
    for path, table in ((jpas_path, jpas), (mocks_path, keys)):
        if len(table) and not placed(*_positions(table)).any():
            raise ValueError(f"{path}: no source has a position in columns ra and dec")
    nowhere = ~placed(*_positions(keys))  # may be a J-PAS source: it leaves training as well
    near = nowhere | within(*_positions(keys), *_positions(jpas), config.radius)
    rows, jpas_rows, separation = match(*_positions(keys), *_positions(jpas), config.radius)
    order = np.argsort(rows)
    rows, jpas_rows, separation = rows[order], jpas_rows[order], separation[order]
    mocks = _take(mocks_path, rows)
    known = column(mocks, "SPECTYPE") >= 0
    validates = is_validation(*_positions(mocks), config)
    counts = {
        "near_jpas": int(near.sum()),
        "matched": len(rows),
        "without_class": int(sum(~known)),
        "without_position": int(nowhere.sum()),
    }
    with written_whole(directory) as partial:
        partial.mkdir()
        pq.write_table(keys.filter(near).select(EXCLUDED.names), partial / "excluded.parquet")
        for split, chosen in (("test", known & ~validates), ("val", known & validates)):
            pair = mocks.filter(chosen), jpas.take(jpas_rows[chosen])
            real = real_set(*pair) | {"separation": separation[chosen]}
            synth = synth_set(*pair, config.seed) | {"separation": separation[chosen]}
            for name, columns in (("real", real), ("synth", synth)):
                table = as_table(columns, matched_schema())
                pq.write_table(table, partial / f"{split}_{name}.parquet", compression="zstd")
            counts[split] = int(chosen.sum())
    return counts


def match(
    ra: Floats, dec: Floats, other_ra: Floats, other_dec: Floats, radius: float
) -> tuple[Rows, Rows, Floats]:
    """One-to-one pairs of positions within ``radius``, the closest pairs first.

    ra, dec, other_ra, other_dec: degrees; radius: arcsec.
    Returns rows of the first list, rows of the other, and their separations in arcsec; a source
    that could pair with several keeps the nearest one that is not nearer to another source.

    All positions of a list: (num_positions,); what is returned: (num_pairs,).
    """
    known, other_known = (
        np.flatnonzero(placed(*place)) for place in ((ra, dec), (other_ra, other_dec))
    )
    tree = cKDTree(unit_vectors(ra[known], dec[known]))
    other = cKDTree(unit_vectors(other_ra[other_known], other_dec[other_known]))
    pairs = tree.sparse_distance_matrix(other, chord(radius), output_type="coo_matrix")
    order = np.lexsort((pairs.col, pairs.row, pairs.data))
    taken, other_taken = np.zeros(len(ra), bool), np.zeros(len(other_ra), bool)
    kept = []
    for pair in order:
        i, j = pairs.row[pair], pairs.col[pair]
        if not taken[i] and not other_taken[j]:
            taken[i] = other_taken[j] = True
            kept.append(pair)
    separation = np.degrees(2 * np.arcsin(pairs.data[kept] / 2)) * 3600
    return known[pairs.row[kept]], other_known[pairs.col[kept]], separation


def within(
    ra: Floats, dec: Floats, other_ra: Floats, other_dec: Floats, radius: float
) -> NDArray[np.bool_]:
    """True for every position that has any of the other ones within ``radius`` arcsec.

    ra, dec, and the answer: (num_positions,), degrees; other_ra, other_dec: (num_others,)
    What has no position (NaN, or out of range) is near nothing.
    """
    near, known, other_known = np.zeros(len(ra), bool), placed(ra, dec), placed(other_ra, other_dec)
    if known.any() and other_known.any():
        tree = cKDTree(unit_vectors(other_ra[other_known], other_dec[other_known]))
        there = unit_vectors(ra[known], dec[known])
        near[known] = np.isfinite(tree.query(there, distance_upper_bound=chord(radius))[0])
    return near


def assert_no_leak(training: pa.Table, jpas: pa.Table, radius: float) -> None:
    """Raise ValueError if a training source lies within ``radius`` arcsec of a J-PAS source."""
    leaked = within(*_positions(training), *_positions(jpas), radius)
    if np.any(leaked):
        targetid = column(training, "targetid")[np.argmax(leaked)]
        raise ValueError(
            f"{np.sum(leaked)} training sources lie within {radius} arcsec of a J-PAS source, "
            f"the first is TARGETID {targetid}: matched sources must leave the training set"
        )


def is_validation(ra: Floats, dec: Floats, config: CrossmatchConfig) -> NDArray[np.bool_]:
    """True for sources in the sky pixels that validate: whole pixels, never single rows.

    ra, dec, and the answer: (num_sources,), degrees
    """
    pixels = healpix(ra, dec, config.nside).astype(np.uint64)
    return _hashed_uniform(pixels, config.seed) < config.val_fraction


def real_set(mocks: pa.Table, jpas: pa.Table) -> Columns:
    """J-PAS photometry with the labels of its DESI counterparts, row by row.

    mocks, jpas: matched tables of equal length.
    """
    from_jpas = _observation_columns() | {"tile_id", "number", "num_bands", "AUTO_iSDSS"}
    return {
        name: column(jpas if name in from_jpas else mocks, name)
        for name in matched_schema().names
        if name in (jpas if name in from_jpas else mocks).column_names
    }


def synth_set(mocks: pa.Table, jpas: pa.Table, seed: int) -> Columns:
    """Mock photometry with the errors and the missing bands of its own J-PAS counterpart.

    Narrow bands and i are perturbed by the counterpart's errors; g, r, z, W1, W2 and the
    morphology are the Legacy Surveys' in both sets and stay as they are.
    """
    columns = real_set(mocks, jpas)
    rng = np.random.default_rng([seed, 1])
    for token in observations():
        columns[token] = column(mocks, token)
        if token in CATEGORICAL:
            continue
        columns[f"{token}_ERR"] = column(mocks, f"{token}_ERR")
        if token not in PERTURBED:
            continue
        flux_err = column(jpas, f"{token}_ERR")
        perturbed = columns[token] + flux_err * rng.standard_normal(len(flux_err))
        observed = np.isfinite(flux_err) & np.isfinite(columns[token])
        columns[token] = np.where(observed, perturbed, np.nan).astype(np.float32)
        columns[f"{token}_ERR"] = np.where(observed, flux_err, np.nan).astype(np.float32)
    return columns


def _observation_columns() -> set[str]:
    continuous = {token for token in observations() if token not in CATEGORICAL}
    return set(observations()) | {f"{token}_ERR" for token in continuous}


def _take(mocks_path: str | Path, rows: Rows) -> pa.Table:
    """Rows of a sharded table, increasing, without holding more than one shard in memory."""
    parts, start = [], 0
    for shard in shard_paths(mocks_path):
        num_rows = pq.read_metadata(shard).num_rows
        inside = rows[(rows >= start) & (rows < start + num_rows)] - start
        if len(inside):
            parts.append(read_table(shard).take(inside))
        start += num_rows
    return pa.concat_tables(parts) if parts else read_table(shard_paths(mocks_path)[0]).slice(0, 0)


def _positions(table: pa.Table) -> tuple[Floats, Floats]:
    return column(table, "ra"), column(table, "dec")


def _hashed_uniform(pixels: NDArray[np.uint64], seed: int) -> NDArray[Any]:
    """A number in [0, 1) that depends on the pixel and the seed alone (splitmix64)."""
    with np.errstate(over="ignore"):
        z = pixels + np.uint64(seed + 1) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (z ^ (z >> np.uint64(31))).astype(np.float64) / 2.0**64
