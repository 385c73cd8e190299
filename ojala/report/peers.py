"""OJALA beside its peers: what an astronomer would use instead, on the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ojala.evaluation.comparisons import (
    ANN_LIMIT,
    CLASS_NAMES,
    HOST,
    LINES,
    NAMES,
    STELLAR,
    stated_name,
)
from ojala.evaluation.config import FILES
from ojala.figures.album import Evaluated
from ojala.measures.calibration import LEVELS
from ojala.report.page import cell, paragraph, table
from ojala.vocabulary.quantities import CLASSES

Path = tuple[str, ...]

ITSELF = "OJALA"

COVERAGE = "coverage_68"
AIMS = {"weighted_f1": 1.0, COVERAGE: LEVELS[COVERAGE]}
"""What a score is best near to; 0 where it is not named here."""

SAME_SAMPLE = 0.9
"""Share of the largest sample of a row: a peer that answers for fewer sources chose easier ones."""

ROWS: tuple[tuple[str, Path], ...] = (
    ("Class, weighted F1", ("class", "weighted_f1")),
    *(
        (f"{CLASS_NAMES[name].capitalize()}, redshift: {title}", (name, measure))
        for name in ("galaxy", "qso")
        for measure, title in (("sigma_nmad", "sigma_nmad"), ("outlier_fraction", "outliers"))
    ),
    *(
        (
            f"{CLASS_NAMES[name].capitalize()}, {NAMES[token][0]}: sigma_nmad",
            (name, token, "sigma_nmad"),
        )
        for name, tokens in (("galaxy", (*HOST, *LINES)), ("qso", HOST), ("star", STELLAR))
        for token in tokens
    ),
    *(
        (
            f"Galaxies with z < {ANN_LIMIT:g}, {NAMES[token][0]}: sigma_nmad",
            ("nearby", "galaxy", token, "sigma_nmad"),
        )
        for token in LINES
    ),
    *(
        (
            f"{CLASS_NAMES[name].capitalize()}, {stated_name(token)[0]}: {title}",
            ("calibration", name, token, measure),
        )
        for name, token in (("galaxy", "z"), ("qso", "z"), ("galaxy", "LOGM"), ("star", "TEFF"))
        for measure, title in ((COVERAGE, "within 1 stated sigma"), ("crps", "CRPS"))
    ),
)
"""What is compared: a title, and the keys that lead to it."""


@dataclass(frozen=True, kw_only=True)
class Contest:
    """One score of every peer.

    values: a number, NOT_ENOUGH, or "" where a peer has no answer; num_sources: scored of each
    best: places of the best, as far as the digits shown tell them apart; none without a contest
    fewer: places of peers that have answered for fewer sources: easier ones, unless they are the
        ``random_part`` of the test set that a slow peer was asked about
    """

    values: list[Any]
    num_sources: list[int]
    best: list[int]
    fewer: list[int]


def contest(entries: Sequence[Mapping[str, Any]], path: Path) -> Contest:
    """The score at a path of each peer's scores of one test set."""
    counts = [_num_sources(entry, path) for entry in entries]
    values = [
        _at(entry, path) if count or not any(counts) else ""
        for entry, count in zip(entries, counts, strict=True)
    ]
    fewer = [n for n, count in enumerate(counts) if 0 < count < SAME_SAMPLE * max(counts)]
    running = {
        place: abs(value - AIMS.get(path[-1], 0.0))
        for place, value in enumerate(values)
        if isinstance(value, float) and (place not in fewer or "random_part" in entries[place])
    }
    best: list[int] = []
    if len(running) > 1:
        winner = cell(values[min(running, key=lambda place: running[place])])
        best = [place for place in running if cell(values[place]) == winner]
    return Contest(values=values, num_sources=counts, best=best, fewer=fewer)


def peers(found: Evaluated, compared: Mapping[str, Any] | None) -> Markup:
    """A table of scores per test set, and one of cost.

    compared: what `python -m benchmarks.peers` wrote, or None where it was not run
    """
    if compared is None:
        return paragraph("Not run: `make peers` writes reports/peers.json.")
    sizes = {name: sum(found.scores[name]["num_of_class"].values()) for name in FILES}
    if any(compared["num_test"].get(FILES[name]) != size for name, size in sizes.items()):
        return paragraph("reports/peers.json is of other test sets than this report: run it again.")
    return (
        paragraph(
            f"Trained on the same {compared['num_train']:,} mocks and scored on the same sources; "
            "an empty cell is what a peer cannot answer. * marks the best of a row. The networks "
            "of 2021 are told the spectroscopic redshift. A peer that answers for fewer sources "
            "shows how many, and takes no part in the contest of that row unless they are drawn "
            "at random."
        )
        + Markup().join(_accuracy(found, compared["peers"], name) for name in FILES)
        + _cost(compared["peers"])
    )


def _accuracy(found: Evaluated, entries: Mapping[str, Any], set_name: str) -> Markup:
    others = {
        name: entry.get(FILES[set_name], {}) for name, entry in entries.items() if name != ITSELF
    }
    scored = {ITSELF: found.scores[set_name], **others}
    rows = []
    for title, path in ROWS:
        held = contest(list(scored.values()), path)
        rows.append((title, max(held.num_sources), *_marked(held)))
    return table(("", "N", *scored), rows, set_name)


def _marked(held: Contest) -> list[Any]:
    """The values with a star behind the best and the number of sources where it is another one."""
    marks = {place: " *" for place in held.best}
    marks |= {place: f" (N = {held.num_sources[place]:,})" for place in held.fewer}
    return [
        f"{cell(value)}{marks[place]}" if place in marks else value
        for place, value in enumerate(held.values)
    ]


def _cost(entries: Mapping[str, Any]) -> Markup:
    rows = [
        (name, entry.get("train_seconds", ""), entry.get("objects_per_second", ""))
        for name, entry in entries.items()
    ]
    return table(("", "Training (s of one core)", "Objects per second"), rows, "Cost")


def _at(entry: Mapping[str, Any], path: Path) -> Any:
    """The score at a path; nothing where a peer has none."""
    found: Any = entry
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return "" if found is None else found


def _num_sources(entry: Mapping[str, Any], path: Path) -> int:
    """Sources behind the score at a path."""
    if path[0] == "class":
        return sum(_at(entry, ("class", name, "num_sources")) or 0 for name in CLASSES)
    return int(_at(entry, (*path[:-1], "num_sources")) or 0)
