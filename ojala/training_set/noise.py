"""J-PAS noise for the mocks: errors and missing bands of a similar J-PAS source (Section 2.3).

Similar means near in the embedding of a model trained on J-PAS fluxes alone, among the sources
of the same 0.1 mag of i. Taking one source's errors for all bands keeps what the bands of a
real observation have in common: the night, the tile, the tray, the depth. A mock is embedded with
the noise of any source of its magnitude: without noise it would lie nearest to quiet sources.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from ojala.tables.shards import (
    CLEAN_SUFFIX,
    PERTURBED,
    Columns,
    columns_of,
    noisy_schema,
    read_table,
    shard_paths,
    write_shards,
)
from ojala.vocabulary.bands import reference_band

REFERENCE = reference_band().token
Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Embed = Callable[[Columns], Floats]

NEAREST_IN_I = 20
"""Sources brighter, and fainter, that are of the same magnitude."""


@dataclass(frozen=True, kw_only=True)
class DonorConfig:
    """How a donor of errors is chosen.

    bin_width: width of a bin of i, mag; widened on both sides until it holds num_neighbours
    num_neighbours: nearest J-PAS sources among which one is drawn at random
    calibration_err: 1 sigma of a band's zero-point, mag, which stated errors leave out; the
        fluxes are perturbed by it as well (ERRZPT of the tile images of miniJPAS: 0.04)
    seed: of that draw and of the perturbation
    """

    bin_width: float = 0.1
    num_neighbours: int = 5
    calibration_err: float = 0.04
    seed: int = 1

    def __post_init__(self) -> None:
        if not self.bin_width > 0:
            raise ValueError(f"bin_width is {self.bin_width}, expected a positive width in mag")
        if self.calibration_err < 0:
            raise ValueError(f"calibration_err is {self.calibration_err}, expected 0 mag or more")
        if self.num_neighbours < 1:
            raise ValueError(f"num_neighbours is {self.num_neighbours}, expected 1 or more")


def noisy_table(
    mocks_path: str | Path,
    jpas_path: str | Path,
    directory: str | Path,
    embed: Embed,
    config: DonorConfig,
) -> dict[str, float]:
    """Write the mocks with J-PAS noise, and without it, shard by shard, in the same order.

    embed: gives the embeddings (num_sources, dim) of columns holding PERTURBED and their errors.
    Returns the number of mocks, of those without a donor, and how many donors were used.
    Raises ValueError if there are fewer J-PAS sources with i than num_neighbours.
    """
    needed = [*PERTURBED, *(f"{token}_ERR" for token in PERTURBED)]
    jpas = columns_of(read_table(jpas_path, needed))
    _with_i(jpas[REFERENCE], config)
    jpas_embeddings = embed(jpas)
    rng = np.random.default_rng([config.seed, 3])
    used: set[int] = set()
    without = 0

    def blocks() -> Iterator[Columns]:
        nonlocal without
        for shard in shard_paths(mocks_path):
            mocks = columns_of(read_table(shard))
            anyone = same_magnitude(mocks[REFERENCE], jpas[REFERENCE], rng)[:, 0]
            first = mocks | noisy(mocks, jpas, anyone, config.calibration_err, rng)
            donor = donors(
                embed(first), mocks[REFERENCE], jpas_embeddings, jpas[REFERENCE], config, rng
            )
            used.update(donor[donor >= 0].tolist())
            without += int(np.sum(donor < 0))
            clean = {f"{token}{CLEAN_SUFFIX}": mocks[token] for token in PERTURBED}
            yield mocks | clean | noisy(mocks, jpas, donor, config.calibration_err, rng)

    num_rows = write_shards(blocks(), directory, noisy_schema())
    return {"mocks": num_rows, "without_donor": without, "donors_used": len(used)}


def donors(
    embeddings: Floats,
    mag_i: Floats,
    jpas_embeddings: Floats,
    jpas_mag_i: Floats,
    config: DonorConfig,
    rng: np.random.Generator,
) -> Rows:
    """Row of the J-PAS source that gives each mock its errors; -1 for a mock without i.

    embeddings: shape (num_mocks, dim), jpas_embeddings: (num_jpas, dim); L2 distance.
    Raises ValueError if there are fewer J-PAS sources with i than num_neighbours.
    """
    donor = np.full(len(mag_i), -1, dtype=np.int64)
    usable = _with_i(jpas_mag_i, config)
    sorted_i = jpas_mag_i[usable]
    bins = np.floor(np.where(np.isfinite(mag_i), mag_i, -np.inf) / config.bin_width)
    for number in np.unique(bins[np.isfinite(bins)]):
        rows = np.flatnonzero(bins == number)
        first, last = _window(sorted_i, number * config.bin_width, config)
        candidates = usable[first:last]
        nearest = _nearest(embeddings[rows], jpas_embeddings[candidates], config.num_neighbours)
        drawn = rng.integers(0, nearest.shape[1], len(rows))
        donor[rows] = candidates[nearest[np.arange(len(rows)), drawn]]
    return donor


def noisy(
    mocks: Columns, jpas: Columns, donor: Rows, calibration_err: float, rng: np.random.Generator
) -> Columns:
    """Mocks with their donors' errors and missing bands, perturbed by those and by calibration.

    mocks, jpas: columns of PERTURBED and their _ERR; donor: row of ``jpas`` for each mock, -1 to
    leave a mock as it is; calibration_err: mag. The stated errors stay the donors'. The
    zero-point of i moves all narrow bands of a source together, since they are ratios to it.
    Columns that J-PAS does not measure are not in the result.

    donor and the columns of mocks: (num_mocks,); those of jpas: (num_jpas,)
    """
    columns: Columns = {}
    has_donor = donor >= 0
    i_shift = calibration_err * rng.standard_normal(len(donor), dtype=np.float32)
    for token in PERTURBED:
        flux, flux_err = mocks[token], mocks[f"{token}_ERR"]
        donated = jpas[f"{token}_ERR"][donor]
        if token == REFERENCE:
            calibrated = flux + i_shift
        else:
            shift = calibration_err * rng.standard_normal(len(flux), dtype=np.float32)
            calibrated = flux * 10 ** (0.4 * (i_shift - shift))
        perturbed = calibrated + donated * rng.standard_normal(len(flux), dtype=np.float32)
        columns[token] = np.where(has_donor, perturbed, flux).astype(np.float32)
        observed = np.isfinite(columns[token])
        columns[f"{token}_ERR"] = np.where(
            observed, np.where(has_donor, donated, flux_err), np.nan
        ).astype(np.float32)
    return columns


def same_magnitude(
    mag_i: Floats, jpas_mag_i: Floats, rng: np.random.Generator, num_draws: int = 1
) -> Rows:
    """Rows of J-PAS sources of like i, drawn for each mock; -1 for a mock without i.

    Returns shape (num_mocks, num_draws), of the 2 NEAREST_IN_I + 1 sources that are nearest.
    """
    order = np.argsort(jpas_mag_i)[: np.isfinite(jpas_mag_i).sum()]
    position = np.searchsorted(jpas_mag_i[order], mag_i)
    offset = rng.integers(-NEAREST_IN_I, NEAREST_IN_I + 1, (len(mag_i), num_draws))
    rows = order[np.clip(position[:, None] + offset, 0, len(order) - 1)]
    return np.where(np.isfinite(mag_i)[:, None], rows, -1)


def _with_i(jpas_mag_i: Floats, config: DonorConfig) -> NDArray[np.intp]:
    """Rows of the J-PAS sources that have an i magnitude, bright ones first."""
    usable = np.argsort(jpas_mag_i, kind="stable")[: np.isfinite(jpas_mag_i).sum()]
    if len(usable) < config.num_neighbours:
        raise ValueError(
            f"only {len(usable)} J-PAS sources have an i magnitude, "
            f"expected at least {config.num_neighbours} to choose donors from"
        )
    return usable


def _window(sorted_i: Floats, low: float, config: DonorConfig) -> tuple[int, int]:
    """First and one past the last source of the bin, widened until it holds enough of them."""
    widening = 0.0
    while True:
        edges = (low - widening, low + config.bin_width + widening)
        first, last = np.searchsorted(sorted_i, edges)
        if last - first >= config.num_neighbours:
            return int(first), int(last)
        widening += config.bin_width


def _nearest(embeddings: Floats, candidates: Floats, num: int) -> NDArray[Any]:
    index = faiss.IndexFlatL2(candidates.shape[1])
    index.add(np.ascontiguousarray(candidates, dtype=np.float32))
    _, rows = index.search(np.ascontiguousarray(embeddings, dtype=np.float32), num)
    return np.asarray(rows)
