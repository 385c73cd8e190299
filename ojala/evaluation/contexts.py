"""What the model is shown: trays, broad bands alone, hidden lines, hidden bands (Sects. 4.1-4.5).

Beside what the paper has: surveys that are missing, and bands whose zero points are wrong.

BB are the broad bands g, r, z, W1, W2; M is the morphological type. i goes with the narrow bands,
which are fluxes over that of i. T1 ... T4 are the trays of narrow bands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ojala.evaluation.comparisons import is_class
from ojala.tables.shards import Columns
from ojala.vocabulary.bands import beside_tokens, narrow_bands, reference_band
from ojala.vocabulary.emission_lines import rest_waves
from ojala.vocabulary.quantities import observations

Predict = Callable[[Columns, Sequence[str]], Columns]
"""Answers for the sources of a catalogue, of which only the named tokens are shown."""

BB = beside_tokens()
M = "MORPHTYPE"
REFERENCE = reference_band().token

WISE = beside_tokens("WISE")
"""What WISE gives: a source that it has not seen must not change its class for that."""

HIDDEN_LINES = (
    *("HBETA_4861", "OIII_4959", "OIII_5007"),
    *("NII_6548", "HALPHA_6562", "NII_6584"),
)
"""The lines that are hidden: the four of Table 1, and the weaker members of the two doublets, which
would tell of the stronger ones."""

ZERO_POINTS = {"zero_points_0.05": 0.05, "zero_points_0.1": 0.1}
"""Errors of the zero points, mag, of each narrow band and tile: what calibration may leave, and
twice as much."""

EDGE = 10.0
"""Angstrom beyond half of its width to which a band still holds a line: soft edges, wide lines."""

JPAS_TRAYS = ("T1", "T2", "T3", "T4")
"""What contexts are named after; a survey without them has no such context."""


def _has(name: str) -> bool:
    """Whether the survey has all that a context is about: trays, BB, WISE."""
    there = {"BB": bool(BB), "WISE": bool(WISE)}
    there |= {tray: tray in {band.tray for band in narrow_bands()} for tray in JPAS_TRAYS}
    return all(there.get(part, True) for part in name.split("_"))


NAMED = {
    "all": "all",
    "without_T3_T4": "without T3 and T4 (T1+T2+BB+M)",
    "T1_BB_M": "T1+BB+M",
    "BB_M": "BB+M",
    "BB": "BB",
    "T2_BB_M": "T2+BB+M",
    "T3_BB_M": "T3+BB+M",
    "T4_BB_M": "T4+BB+M",
    "T1_T2_T3_BB_M": "T1+T2+T3+BB+M",
    "narrow": f"{len(narrow_bands())} narrow bands and {reference_band().name}, no BB, no M",
    "without_WISE": "all but W1 and W2",
    "without_M": "all but M",
    "zero_points_0.05": "all, zero points off by 0.05 mag",
    "zero_points_0.1": "all, zero points off by 0.1 mag",
    "lines_hidden": "all, bands that hold lines hidden",
    "BB_zspec": "BB and the spectroscopic redshift",
}
LABELS = {name: label for name, label in NAMED.items() if _has(name)}
"""How figures and tables call the contexts that the survey has."""

PAPER = tuple(filter(_has, ("all", "without_T3_T4", "T1_BB_M", "BB_M", "BB")))
"""Contexts of Fig. 3."""

TRAYS = (
    *PAPER,
    *filter(_has, ("T2_BB_M", "T3_BB_M", "T4_BB_M", "T1_T2_T3_BB_M")),
    "narrow",
    *filter(_has, ("without_WISE",)),
    "without_M",
    *ZERO_POINTS,
)
"""Contexts whose class and redshift scores are reported."""


def tokens(name: str) -> tuple[str, ...]:
    """The tokens of a context of LABELS."""
    chosen = {
        "all": observations(),
        "without_T3_T4": _trays("T1", "T2"),
        "T1_T2_T3_BB_M": _trays("T1", "T2", "T3"),
        "BB_M": (*BB, M),
        "BB": BB,
        "narrow": (*(band.token for band in narrow_bands()), REFERENCE),
        "without_WISE": _without(*WISE),
        "without_M": _without(M),
        "lines_hidden": observations(),
        **dict.fromkeys(ZERO_POINTS, observations()),
        "BB_zspec": (*BB, "Z_GAL", "Z_QSO"),
    }
    return chosen[name] if name in chosen else _trays(name.split("_")[0])


def predictions(
    predict: Predict, columns: Columns, hidden_bands: Sequence[int], seed: int
) -> dict[str, Columns]:
    """One pass for each context of LABELS, and for each number of narrow bands hidden at random.

    columns: of a matched set, its labels included. Passes with hidden bands are "hidden_<number>".
    """
    changed = {"lines_hidden": without_lines(columns)} | {
        name: off_by(columns, error, np.random.default_rng([seed, int(1000 * error)]))
        for name, error in ZERO_POINTS.items()
    }
    shown = {name: (changed.get(name, columns), tokens(name)) for name in LABELS}
    for number in hidden_bands:
        fewer = without_bands(columns, number, np.random.default_rng([seed, number]))
        shown[f"hidden_{number}"] = (fewer, observations())
    return {name: predict(*given) for name, given in shown.items()}


def without_lines(columns: Columns) -> Columns:
    """The bands of galaxies that hold an emission line of HIDDEN_LINES at z_spec, not observed."""
    hidden = dict(columns)
    galaxy = is_class(columns, "galaxy")
    for band in narrow_bands():
        holds = np.zeros(len(galaxy), dtype=bool)
        for line in HIDDEN_LINES:
            observed_wave = rest_waves()[line] * (1 + columns["z"])
            holds |= np.abs(observed_wave - band.wave) <= band.fwhm / 2 + EDGE
        hidden[band.token] = np.where(galaxy & holds, np.nan, columns[band.token])
    return hidden


def without_bands(columns: Columns, num_hidden: int, rng: np.random.Generator) -> Columns:
    """Of each source ``num_hidden`` narrow bands, chosen among its observed ones, not observed."""
    names = [band.token for band in narrow_bands()]
    flux = np.stack([columns[name] for name in names], axis=1)
    # Bands that are missing come last, so that only observed ones are hidden.
    order = np.where(np.isfinite(flux), rng.random(flux.shape), np.inf).argsort(axis=1)
    np.put_along_axis(flux, order[:, :num_hidden], np.nan, axis=1)
    return columns | {name: flux[:, place] for place, name in enumerate(names)}


def off_by(columns: Columns, error: float, rng: np.random.Generator) -> Columns:
    """Narrow bands with zero points that are off by a Gaussian ``error`` (mag), one a tile.

    columns: fluxes over that of i, and tile_id
    """
    tiles, tile = np.unique(columns["tile_id"], return_inverse=True)
    moved = {}
    for band in narrow_bands():
        factor = 10 ** (-0.4 * error * rng.standard_normal(len(tiles)))
        moved[band.token] = columns[band.token] * factor[tile]
    return columns | moved


def _without(*hidden: str) -> tuple[str, ...]:
    return tuple(token for token in observations() if token not in hidden)


def _trays(*trays: str) -> tuple[str, ...]:
    narrow = (band.token for band in narrow_bands() if band.tray in trays)
    return (*narrow, REFERENCE, *BB, M)
