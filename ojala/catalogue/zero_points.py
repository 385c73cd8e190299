"""Zero points of tiles by what the network expects: without labels, and without another survey.

    offset(tile, band) = weighted median of 2.5 log10 (expected flux / observed flux)

over the bright sources of the tile. The network expects a band from the others, which are off as
well but not together, so that a second turn on the photometry that the first has mended finds
what is left. What all narrow bands of a tile have in common is that of i, which they are ratios
to, and is not found; nor is anything as smooth over wavelength as colours of sources are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from tqdm import tqdm

from ojala.model.predictor import Predictor
from ojala.tables.shards import COMPRESSION, Columns
from ojala.tables.writing import written_whole
from ojala.vocabulary.bands import narrow_bands, reference_band
from ojala.vocabulary.quantities import observations

FAINT_LIMIT = 20.5
"""i magnitude of the sources that tell: fainter ones are many, and say less than they cost."""

PASSES = 6
"""Every sixth band is hidden in a pass: the bands beside it are seen, and six passes show all."""

TURNS = 2

LEAST_SOURCES = 20
"""Of a tile that tell of a band; of fewer its zero point is left as it is."""

DEEPEST = 0.03
"""Magnitudes that no source tells a zero point better than: what else differs from the mocks."""

WIDEST = 0.25
"""Magnitudes of expected and observed error together beyond which a source does not tell."""

Offsets = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ZeroPoints:
    """What is to be added to the flux of the narrow bands of tiles.

    tiles: their ids, increasing, (num_tiles,)
    offset: mag by which the photometry is too faint, (num_tiles, num_bands); 0 where not known
    num_sources: that told of it, (num_tiles, num_bands)
    """

    tiles: NDArray[np.int64]
    offset: Offsets
    num_sources: NDArray[np.int64]

    def factors(self, tile_id: NDArray[np.integer]) -> Offsets:
        """What fluxes are multiplied by, (num_sources, num_bands); 1 of a tile that is not here."""
        place = np.minimum(np.searchsorted(self.tiles, tile_id), max(len(self.tiles) - 1, 0))
        factors = np.ones((len(tile_id), len(narrow_bands())))
        known = self.tiles[place] == tile_id if len(self.tiles) else np.zeros(len(tile_id), bool)
        factors[known] = 10 ** (0.4 * self.offset[place[known]])
        return factors

    def calibrated(self, columns: Columns) -> Columns:
        """Columns of the J-PAS table whose narrow bands and their errors are calibrated."""
        changed = {}
        factors = self.factors(columns["tile_id"])
        for band, factor in zip(narrow_bands(), factors.T, strict=True):
            for name in (band.token, f"{band.token}_ERR"):
                changed[name] = (columns[name] * factor).astype(columns[name].dtype)
        return columns | changed

    def scatter(self) -> float:
        """Root mean square of what was found, mag; 0 where nothing was."""
        found = self.offset[self.num_sources >= LEAST_SOURCES]
        return float(np.sqrt(np.mean(found**2))) if len(found) else 0.0


def bright(jpas: Columns) -> Columns:
    """The sources of a J-PAS table that tell, (num_bright,) of every column."""
    tells = jpas[reference_band().token] < FAINT_LIMIT
    return {name: values[tells] for name, values in jpas.items()}


def measured(predictor: Predictor, jpas: Columns) -> ZeroPoints:
    """The zero points of the tiles of a J-PAS table.

    jpas: its columns, of any sources; those with i < FAINT_LIMIT are asked about
    """
    told = bright(jpas)
    tiles, tile = np.unique(told["tile_id"].astype(np.int64), return_inverse=True)
    shape = (len(tiles), len(narrow_bands()))
    found = ZeroPoints(
        tiles=tiles, offset=np.zeros(shape), num_sources=np.zeros(shape, dtype=np.int64)
    )
    with tqdm(total=TURNS * PASSES, unit="pass", desc="zero points", disable=None) as bar:
        for _ in range(TURNS):
            mended = found.calibrated(told)
            change, number = np.zeros(shape), np.zeros(shape, dtype=np.int64)
            for first in range(PASSES):
                change_of, number_of = _left(predictor, mended, tile, len(tiles), first)
                change[:, first::PASSES] = change_of
                number[:, first::PASSES] = number_of
                bar.update()
            found = ZeroPoints(tiles=tiles, offset=found.offset + change, num_sources=number)
    return found


def _left(
    predictor: Predictor, columns: Columns, tile: NDArray[np.intp], num_tiles: int, first: int
) -> tuple[Offsets, NDArray[np.int64]]:
    """Offsets that are left of every sixth band, hidden together, and how many sources tell."""
    hidden = [band.token for band in narrow_bands()][first::PASSES]
    seen = [token for token in observations() if token not in hidden]
    offset = np.zeros((num_tiles, len(hidden)))
    number = np.zeros((num_tiles, len(hidden)), dtype=np.int64)
    if not num_tiles:
        return offset, number
    answers = predictor.predict(columns, hidden, context=seen)
    for place, token in enumerate(hidden):
        expected, observed = answers[token], columns[token]
        with np.errstate(divide="ignore", invalid="ignore"):
            error = np.hypot(answers[f"{token}_ERR"], columns[f"{token}_ERR"]) / expected
            wanted = 2.5 * np.log10(expected / observed)
            error *= 2.5 / np.log(10)
            tells = np.isfinite(wanted) & (error > 0) & (error < WIDEST)
        weight = 1 / (error[tells] ** 2 + DEEPEST**2)
        offset[:, place], number[:, place] = _medians(wanted[tells], weight, tile[tells], num_tiles)
    return offset, number


def _medians(
    values: Offsets, weights: Offsets, group: NDArray[np.intp], num_groups: int
) -> tuple[Offsets, NDArray[np.int64]]:
    """Weighted median of each group and its members; 0 of a group of fewer than LEAST_SOURCES."""
    order = np.lexsort((values, group))
    ends = np.cumsum(np.bincount(group, minlength=num_groups))
    medians, numbers = np.zeros(num_groups), np.diff(ends, prepend=0)
    for number in np.flatnonzero(numbers >= LEAST_SOURCES):
        members = order[ends[number] - numbers[number] : ends[number]]
        running = np.cumsum(weights[members])
        medians[number] = values[members[np.searchsorted(running, running[-1] / 2)]]
    return medians, numbers


def write(zero_points: ZeroPoints, path: Path) -> None:
    """Write a row per tile and band: tile_id, band, offset (mag), num_sources."""
    tokens = [band.token for band in narrow_bands()]
    num_tiles = len(zero_points.tiles)
    table = pa.table(
        {
            "tile_id": np.repeat(zero_points.tiles, len(tokens)),
            "band": np.tile(np.asarray(tokens, dtype=object), num_tiles),
            "offset": zero_points.offset.ravel(),
            "num_sources": zero_points.num_sources.ravel(),
        }
    )
    with written_whole(path) as partial:
        pq.write_table(table, partial, compression=COMPRESSION)


def read(path: Path) -> ZeroPoints:
    """Open what ``write`` wrote. Raises ValueError naming the file where it is none."""
    try:
        table = pq.read_table(path, columns=["tile_id", "band", "offset", "num_sources"])
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"{path}: not zero points of tiles ({error})") from None
    tokens = [band.token for band in narrow_bands()]
    bands = table["band"].to_pylist()
    if len(bands) % len(tokens) or bands != tokens * (len(bands) // len(tokens)):
        raise ValueError(f"{path}: its bands are not {tokens[0]} ... {tokens[-1]} of every tile")
    shape = (-1, len(tokens))
    return ZeroPoints(
        tiles=table["tile_id"].to_numpy()[:: len(tokens)],
        offset=table["offset"].to_numpy().reshape(shape),
        num_sources=table["num_sources"].to_numpy().reshape(shape),
    )
