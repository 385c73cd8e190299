"""OJALA beside its peers: what an astronomer would use instead, on the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ojala.comparisons import CLASS_NAMES, HOST, LINES, NAMES, STELLAR
from ojala.figures.album import REAL, SYNTH, Evaluated
from ojala.report_page import cell, paragraph, table

ITSELF = "OJALA"
FILES = {REAL: "test_real", SYNTH: "test_synth"}

ROWS = (
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
)
"""What is compared: a title, and the keys that lead to it."""


def peers(found: Evaluated, compared: Mapping[str, Any] | None) -> str:
    """A table of scores per test set, and one of cost.

    compared: what `python -m benchmarks.peers` wrote, or None where it was not run
    """
    if compared is None:
        return paragraph("Not run: `python -m benchmarks.peers` writes reports/peers.json.")
    sizes = {name: sum(scores["num_of_class"].values()) for name, scores in found.scores.items()}
    if any(compared["num_test"].get(FILES[name]) != size for name, size in sizes.items()):
        return paragraph("reports/peers.json is of other test sets than this report: run it again.")
    return (
        paragraph(
            f"Trained on the same {compared['num_train']:,} mocks and scored on the same sources; "
            "an empty cell is what a peer cannot answer. * marks the best of a row."
        )
        + "".join(_accuracy(found, compared["peers"], name) for name in FILES)
        + _cost(compared["peers"])
    )


def _accuracy(found: Evaluated, entries: Mapping[str, Any], set_name: str) -> str:
    others = {
        name: entry.get(FILES[set_name], {}) for name, entry in entries.items() if name != ITSELF
    }
    scored = {ITSELF: found.scores[set_name], **others}
    rows = []
    for title, path in ROWS:
        values = [_at(entry, path) for entry in scored.values()]
        rows.append((title, *_marked(values, highest=path[-1] == "weighted_f1")))
    return table(("", *scored), rows, set_name)


def _marked(values: list[Any], *, highest: bool) -> list[Any]:
    """The same with a star behind the best, as far as the digits shown tell them apart."""
    numbers = [value for value in values if isinstance(value, float)]
    if len(numbers) < 2:
        return values
    best = cell(max(numbers) if highest else min(numbers))
    return [
        f"{cell(value)} *" if isinstance(value, float) and cell(value) == best else value
        for value in values
    ]


def _cost(entries: Mapping[str, Any]) -> str:
    rows = [
        (name, entry.get("train_seconds", ""), entry.get("objects_per_second", ""))
        for name, entry in entries.items()
    ]
    return table(("", "Training (s of one core)", "Objects per second"), rows, "Cost")


def _at(entry: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """The score at a path; nothing where a peer has none."""
    found: Any = entry
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return "" if found is None else found
