"""Sampling probabilities of the training set: inverse density, one third per class (Appendix B).

Each source is weighted by 1 / (rho + epsilon), rho the density of its kind in a space of
physical quantities; galaxies also by 1 / rho(z); then each class is given 1/3 of the mass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from ojala.tables.shards import (
    EXCLUDED,
    Columns,
    column,
    columns_of,
    noisy_schema,
    read_table,
    shard_paths,
    write_shards,
)
from ojala.training_set.crossmatch import CrossmatchConfig, assert_no_leak, is_validation
from ojala.vocabulary.bands import BESIDE, beside_tokens, narrow_bands, reference_band
from ojala.vocabulary.quantities import CLASSES

Floats = NDArray[np.float64]
Selected = NDArray[np.bool_]

LOW_Z, MID_Z = 0.49, 1.01
"""Galaxies below 0.49 show H-alpha, below 1.01 H-beta within J-PAS (Appendix B.1)."""

GREEN, RED = 4800.0, 6400.0
"""Angstrom, of g and r."""


def _coloured() -> tuple[str, str, str]:
    """Tokens of g, r and i: the Legacy Surveys', or else the narrow bands that are nearest."""
    reference, (g, r, _) = reference_band().token, BESIDE["Legacy"]
    if {g, r} <= set(beside_tokens()):
        return g, r, reference
    nearest = [
        min(narrow_bands(), key=lambda band: abs(band.wave - wave)).token for wave in (GREEN, RED)
    ]
    return nearest[0], nearest[1], reference


COLOURED = _coloured()

COLUMNS = (
    "SPECTYPE",
    "z",
    "LOGM",
    "LOGSFR",
    "TEFF",
    "LOGG",
    "FEH",
    "OIII_5007_EW",
    "NII_6584_EW",
    "HBETA_4861_EW",
    "HALPHA_6562_EW",
    "OII_3727_EW",
    *dict.fromkeys(COLOURED),
)
"""Columns of the training table that the weights are made of."""


@dataclass(frozen=True, kw_only=True)
class WeightsConfig:
    """The density estimate of Appendix B and the limits put on its inverse.

    subsample: sources that the density is estimated from
    num_bins: grid points per dimension
    floor_quantile: quantile of the density that epsilon is set to
    cap_quantile: quantile that a galaxy's weight is capped at
    seed: of the subsample and of the substitutes for equivalent widths <= 0
    """

    subsample: int = 20_000
    num_bins: int = 50
    floor_quantile: float = 0.01
    cap_quantile: float = 0.999
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("subsample", "num_bins"):
            if getattr(self, name) < 2:
                raise ValueError(f"weights.{name} is {getattr(self, name)}, expected 2 or more")
        for name in ("floor_quantile", "cap_quantile"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"weights.{name} is {getattr(self, name)}, expected 0 <= x <= 1")


def weights(columns: Columns, config: WeightsConfig) -> Floats:
    """Sampling probability of each source; sums to one, 1/3 per class that is present.

    columns: those named in COLUMNS, all of one length; NaN where not measured.
    Sources without a class (SPECTYPE -1) get 0: they are never drawn.
    """
    rng = np.random.default_rng([config.seed, 2])
    probability = np.zeros(len(columns["SPECTYPE"]))
    weigh = {"GALAXY": _galaxies, "STAR": _stars, "QSO": _quasars}
    present = [code for code in range(len(CLASSES)) if np.any(columns["SPECTYPE"] == code)]
    for code in present:
        rows = np.flatnonzero(columns["SPECTYPE"] == code)
        weight = weigh[CLASSES[code]]({name: columns[name][rows] for name in COLUMNS}, rng, config)
        probability[rows] = weight / weight.sum() / len(present)
    return probability


def training_table(
    mocks_path: str | Path,
    excluded_path: str | Path,
    jpas_path: str | Path,
    directory: str | Path,
    config: WeightsConfig,
    crossmatch: CrossmatchConfig,
) -> dict[str, float]:
    """Write the table to train on: mocks without the excluded ones, with ``weight`` and ``split``.

    Whole sky pixels validate (``split`` "val"); each split's weights sum to one. Two passes over
    the shards: the columns that weights need, then the rows. Returns counts per class and the
    effective sample size of the training split.
    Raises ValueError if a source within the match radius of a J-PAS source would stay.
    """
    keys = read_table(mocks_path, [*EXCLUDED.names, "ra", "dec", *COLUMNS])
    kept = ~is_excluded(keys, pq.read_table(excluded_path))
    assert_no_leak(keys.filter(kept), read_table(jpas_path, ["ra", "dec"]), crossmatch.radius)
    columns = {name: column(keys, name)[kept] for name in COLUMNS}
    validates = is_validation(column(keys, "ra")[kept], column(keys, "dec")[kept], crossmatch)
    weight, split = np.zeros(len(kept)), np.full(len(kept), "train", dtype=object)
    split[np.flatnonzero(kept)[validates]] = "val"
    for chosen in (~validates, validates):
        part = {name: values[chosen] for name, values in columns.items()}
        weight[np.flatnonzero(kept)[chosen]] = weights(part, config)

    def blocks() -> Iterator[Columns]:
        start = 0
        for shard in shard_paths(mocks_path):
            table = read_table(shard)
            rows = slice(start, start + table.num_rows)
            start += table.num_rows
            block = columns_of(table) | {"weight": weight[rows], "split": split[rows]}
            yield {name: values[kept[rows]] for name, values in block.items()}

    num_rows = write_shards(blocks(), directory, noisy_schema())
    in_training = weight[kept][~validates]
    counts = {
        f"train_{name}": int(np.sum(columns["SPECTYPE"][~validates] == code))
        for code, name in enumerate(CLASSES)
    }
    return counts | {
        "rows": num_rows,
        "excluded": int(np.sum(~kept)),
        "train": int(np.sum(~validates)),
        "val": int(np.sum(validates)),
        "effective_sample_size": float(1 / np.sum(in_training**2)) if np.any(in_training) else 0.0,
    }


def is_excluded(keys: pa.Table, excluded: pa.Table) -> Selected:
    """True for rows of ``keys`` whose targetid, survey and program stand in ``excluded``."""
    listed = set(zip(*(excluded.column(name).to_pylist() for name in EXCLUDED.names), strict=True))
    rows = zip(*(keys.column(name).to_pylist() for name in EXCLUDED.names), strict=True)
    return np.fromiter((row in listed for row in rows), dtype=bool, count=keys.num_rows)


def density(points: Floats, rng: np.random.Generator, config: WeightsConfig) -> Floats:
    """Gaussian kernel density at each of the points, from a subsample of them, on a grid.

    points: shape (num_points, num_dims). Scott's bandwidth with the full covariance: the points
    are whitened, binned, smoothed, and the smooth density is read off by linear interpolation.
    Points outside the central 99.8 % of a whitened axis take the density at the edge.
    """
    num_points, num_dims = points.shape
    if num_points < 2:
        return np.ones(num_points)
    whitened = _whiten(points)
    chosen = whitened[rng.permutation(num_points)[: config.subsample]]
    low, high = np.quantile(chosen, [0.001, 0.999], axis=0)
    span = np.where(high - low > 1e-3, high - low, 1.0)  # an axis without spread: any width does
    cell = span / (config.num_bins - 1)
    position = np.clip((whitened - low) / cell, 0, config.num_bins - 1)
    counts = _cloud_in_cell(np.clip((chosen - low) / cell, 0, config.num_bins - 1), config.num_bins)
    bandwidth = len(chosen) ** (-1.0 / (num_dims + 4))
    smooth = gaussian_filter(counts, sigma=bandwidth / cell, mode="constant", truncate=5)
    return np.asarray(map_coordinates(smooth, position.T, order=1, mode="nearest"))


def _galaxies(columns: Columns, rng: np.random.Generator, config: WeightsConfig) -> Floats:
    """w_phys x w_z (Eq. 14), capped."""
    z = columns["z"]
    log_ew = {
        line: _log_ew(columns[f"{line}_EW"], rng)
        for line in ("OIII_5007", "NII_6584", "HBETA_4861", "HALPHA_6562", "OII_3727")
    }
    o3hb = log_ew["OIII_5007"] - log_ew["HBETA_4861"]
    n2ha = log_ew["NII_6584"] - log_ew["HALPHA_6562"]
    mass, sfr = columns["LOGM"], columns["LOGSFR"]
    mass_and_sfr = (mass, sfr)
    regimes: list[tuple[Selected, list[Sequence[NDArray[np.generic]]]]] = [
        (
            z < LOW_Z,
            [(o3hb, n2ha, log_ew["HALPHA_6562"]), (mass, log_ew["HALPHA_6562"]), mass_and_sfr],
        ),
        ((z >= LOW_Z) & (z < MID_Z), [(log_ew["HBETA_4861"], o3hb, mass), mass_and_sfr]),
        (z >= MID_Z, [(mass, log_ew["OII_3727"]), mass_and_sfr]),
    ]
    weight = np.ones(len(z))
    for regime, spaces in regimes:
        weight[regime] = _first_space(regime, [*spaces, _colours(columns)], rng, config)[regime]
    weight *= _inverse_density(z[:, None], rng, config)
    return np.minimum(weight, np.quantile(weight, config.cap_quantile))


def _stars(columns: Columns, rng: np.random.Generator, config: WeightsConfig) -> Floats:
    everywhere = np.ones(len(columns["z"]), dtype=bool)
    atmosphere = (columns["TEFF"], columns["LOGG"], columns["FEH"])
    return _first_space(everywhere, [atmosphere, _colours(columns)], rng, config)


def _quasars(columns: Columns, rng: np.random.Generator, config: WeightsConfig) -> Floats:
    return _inverse_density(columns["z"][:, None], rng, config)


def _first_space(
    selected: Selected,
    spaces: Sequence[Sequence[NDArray[np.generic]]],
    rng: np.random.Generator,
    config: WeightsConfig,
) -> Floats:
    """Inverse density in the first space where a source is fully measured; 1 where there is none.

    Weights average to one within each space, so that how many sources fall back to another
    space does not change what the others weigh.
    """
    weight = np.ones(len(selected))
    left = selected.copy()
    for space in spaces:
        points = np.stack([np.asarray(axis, dtype=np.float64) for axis in space], axis=1)
        rows = np.flatnonzero(left & np.all(np.isfinite(points), axis=1))
        weight[rows] = _inverse_density(points[rows], rng, config)
        left[rows] = False
    return weight


def _inverse_density(points: Floats, rng: np.random.Generator, config: WeightsConfig) -> Floats:
    """1 / (rho + epsilon) (Eq. 13), averaging to one; points that are not finite weigh one."""
    weight = np.ones(len(points))
    measured = np.all(np.isfinite(points), axis=1)
    if np.sum(measured) < 2:
        return weight
    rho = density(points[measured].astype(np.float64), rng, config)
    inverse = 1.0 / (rho + max(np.quantile(rho, config.floor_quantile), np.finfo(float).tiny))
    weight[measured] = inverse / inverse.mean()
    return weight


def _log_ew(ew: NDArray[np.generic], rng: np.random.Generator) -> Floats:
    """log10 of an equivalent width; values <= 0 are replaced by |N(0.25, 0.05)| Angstrom."""
    width = np.asarray(ew, dtype=np.float64)
    substitute = np.abs(rng.normal(0.25, 0.05, len(width)))
    return np.log10(np.where(width <= 0, substitute, width))


def _colours(columns: Columns) -> tuple[Floats, Floats]:
    """log(g/r) and log(i/r) of the fluxes in the bands of COLOURED."""
    g, r, i = (np.asarray(columns[name], dtype=np.float64) for name in COLOURED)
    if COLOURED[0] not in beside_tokens():  # ratios to i
        g, r = (-2.5 * np.log10(np.where(ratio > 0, ratio, np.nan)) for ratio in (g, r))
        i = np.where(np.isfinite(i), 0.0, np.nan)
    return -0.4 * (g - r), -0.4 * (i - r)


def _whiten(points: Floats) -> Floats:
    """Points with zero mean and unit covariance; an axis without spread stays zero."""
    centred = points - points.mean(axis=0)
    _, values, axes = np.linalg.svd(np.cov(centred, rowvar=False).reshape(points.shape[1], -1))
    spread = np.sqrt(values)
    keep = spread > 1e-9 * max(float(spread.max()), 1e-300)
    return np.asarray((centred @ axes.T) * np.where(keep, 1 / np.where(keep, spread, 1), 0))


def _cloud_in_cell(position: Floats, num_bins: int) -> Floats:
    """Histogram on a grid, each point shared linearly among the grid points around it."""
    num_dims = position.shape[1]
    low = np.minimum(np.floor(position).astype(np.int64), num_bins - 2)
    fraction = position - low
    counts = np.zeros((num_bins,) * num_dims)
    for corner in np.ndindex(*(2,) * num_dims):
        share = np.prod(np.where(corner, fraction, 1 - fraction), axis=1)
        np.add.at(counts, tuple((low + corner).T), share)
    return counts
