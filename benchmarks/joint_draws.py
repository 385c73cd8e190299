"""Is the joint distribution right? Draws of galaxies' Z_GAL, LOGM and LOGSFR against their labels.

    python -m benchmarks.joint_draws --draws 100

Prints the tables of docs/joint-draws.md: of galaxies of a matched set that have all three labels,
how often the 68 % region of (Z_GAL, LOGM) holds the labels; whether mass and star-formation rate
are distributed at the end of a chain as they are answered directly; and how they vary together.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np

from ojala import Predictor, load
from ojala.tables.shards import columns_of, read_table

CHAIN = ("Z_GAL", "LOGM", "LOGSFR")
PAIRS = (("Z_GAL", "LOGM"), ("Z_GAL", "LOGSFR"), ("LOGM", "LOGSFR"))
SMOOTHING = 0.3  # of the density of draws, in their standard deviations
STRAY = 5.0
"""Residuals beyond so many of their median sizes are no part of a covariance: a redshift that is
taken for another decides it otherwise."""
FAINT = 21.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bundle", type=Path, default=Path("models/ojala"))
    parser.add_argument("--sources", type=Path, default=Path("data/crossmatch/test_real.parquet"))
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--most", type=int, default=1500, help="galaxies, at random")
    arguments = parser.parse_args()
    truth = galaxies(arguments.sources, arguments.most)
    predictor = Predictor(load(arguments.bundle))
    direct = predictor.predict(truth, CHAIN)
    draws = predictor.sample(truth, CHAIN, arguments.draws, seed=1)
    faint = truth["MAG_i"] >= FAINT
    parts = {"all": np.full(len(faint), True), "i < 21": ~faint, "i > 21": faint}
    print("\n".join(table(truth, direct, draws, parts)))


def galaxies(path, most):
    """Columns of at most so many galaxies that have every label of CHAIN."""
    columns = columns_of(read_table(path))
    known = np.flatnonzero(np.all([np.isfinite(columns[token]) for token in CHAIN], axis=0))
    rows = np.random.default_rng(0).permutation(known)[:most]
    return {name: values[rows] for name, values in columns.items()}


def table(truth, direct, draws, parts) -> Iterator[str]:
    """Lines of Markdown, a column for each of ``parts``: rows by name."""
    yield "| | " + " | ".join(parts) + " |"
    yield "|---|" + "---:|" * len(parts)
    for name, said in rows(truth, direct, draws).items():
        yield f"| {name} | " + " | ".join(said(part) for part in parts.values()) + " |"


def rows(truth, direct, draws):
    """What is said of the sources of a part, by the name of the row."""
    found = {"galaxies": lambda part: f"{part.sum():,}"}
    rank_of = ranks(truth, draws)
    found |= {
        f"labels within the {level:.0%} region of z and mass": lambda part, level=level: share(
            rank_of[part] < level
        )
        for level in (0.6827, 0.95)
    }
    for token in CHAIN[1:]:
        offset, width = marginal(direct, draws, token)
        found |= {
            f"{token}, mean of the chain less the direct answer, in its errors": (
                lambda part, offset=offset: f"{np.median(offset[part]):+.3f}"
            ),
            f"{token}, width of the chain over the direct one": (
                lambda part, width=width: f"{np.median(width[part]):.3f}"
            ),
        }
    for pair, (place, whose) in product(PAIRS, enumerate(("labels", "draws"))):
        found[f"covariance of {' and '.join(pair)}, {whose}"] = (
            lambda part, pair=pair, place=place: covariance(truth, draws, pair, part)[place]
        )
    return found


def share(inside) -> str:
    """A share with its sampling error."""
    mean = inside.mean()
    return f"{mean:.3f} +- {np.sqrt(mean * (1 - mean) / len(inside)):.3f}"


def marginal(direct, draws, token):
    """Difference of the means in errors, and ratio of the widths, (num_sources,) each."""
    error = direct[f"{token}_ERR"]
    return (draws[token].mean(axis=1) - direct[token]) / error, draws[token].std(axis=1) / error


def ranks(truth, draws):
    """Share of a source's draws of z and mass that lie denser than its labels, (num_sources,).

    Masses get the errors of their labels, which the draws do not have. Redshifts as ln(1 + z).
    """
    rng = np.random.default_rng(2)
    noise = truth["LOGM_ERR"][:, None] * rng.standard_normal(draws["LOGM"].shape)
    drawn = np.stack([np.log1p(draws["Z_GAL"]), draws["LOGM"] + noise], axis=2)
    label = np.stack([np.log1p(truth["Z_GAL"]), truth["LOGM"]], axis=1)
    return np.array([rank(*one) for one in zip(drawn, label, strict=True)])


def rank(drawn, label) -> float:
    """Share of draws, (num_draws, 2), that lie denser among the others than a label, (2,)."""
    spread = np.linalg.cholesky(np.cov(drawn.T) + 1e-12 * np.eye(2))
    points = np.linalg.solve(spread, drawn.T).T
    point = np.linalg.solve(spread, label)
    others = density(points, points) - 1  # less itself
    here = density(point[None], points)[0] * (len(points) - 1) / len(points)
    return float((others > here).mean())


def density(places, points):
    """Of points at places, in units of one that is there, (num_places,)."""
    apart = ((places[:, None] - points[None]) ** 2).sum(axis=2)
    return np.exp(-apart / (2 * SMOOTHING**2)).sum(axis=1)


def covariance(truth, draws, pair, part):
    """Of the labels' residuals from the means of their draws, and of the draws, as text."""
    scaled = [np.log1p if token == "Z_GAL" else np.asarray for token in pair]
    drawn = [of(draws[token][part]) for of, token in zip(scaled, pair, strict=True)]
    apart = [values - values.mean(axis=1, keepdims=True) for values in drawn]
    residual = [
        of(truth[token][part]) - values.mean(axis=1)
        for of, token, values in zip(scaled, pair, drawn, strict=True)
    ]
    kept = np.all([np.abs(one) < STRAY * np.median(np.abs(one)) for one in residual], axis=0)
    products = (residual[0] * residual[1])[kept]
    said = (apart[0] * apart[1]).mean(axis=1)[kept].mean()
    error = products.std() / np.sqrt(len(products))
    return f"{products.mean():.5f} +- {error:.5f}", f"{said:.5f}"


if __name__ == "__main__":
    main()
