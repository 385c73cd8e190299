"""The verdict of the gate as a page to read, in Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from ojala.evaluation.comparisons import NAMES
from ojala.gate.gate import BINS, CLASS, COST, FIRST, FLOORS, QUANTITY, Row
from ojala.vocabulary.quantities import CLASSES

TITLES = {
    CLASS: "Classes",
    BINS: "Bins of i magnitude",
    QUANTITY: "Quantities",
    COST: "Cost",
    FLOORS: "Floors",
}

MEASURES = {
    "f1": "F1",
    "weighted_f1": "F1, weighted",
    "nll": "- ln p(true class)",
    "outlier_fraction": "outliers",
    "crps": "CRPS",
    "coverage_68": "coverage of 1 sigma",
    "latency": "CPU time, s",
    "megabytes": "size, MB",
}

HOW_TO_READ = """\
## How to read it

Both models answered about the same sources. **worse by** is the difference turned so that more is
worse (of a bias its size, of a coverage its distance from 0.6827). In brackets: {confidence:.0%}
of {num_draws} draws, in which the sources are drawn together for both. **may** is the margin
of `{section}`; those of scatter, bias and CRPS are in units of the champion's.

| verdict | |
|---|---|
| better | the whole interval is below zero |
| no worse | the whole interval is within the margin |
| unsure | {unsure} |
| **WORSE** | beyond the margin, and not by chance{proof}: refuses |
| **NOT REACHED**, **NOT MEASURED** | a floor that every model must reach: refuses |
"""


def page(
    title: str,
    about: Mapping[str, str],
    rows: Sequence[Row],
    *,
    confidence: float,
    num_draws: int,
    proof: bool,
    section: str,
) -> str:
    """The whole page: what was decided, about whom, what refuses, and every row.

    about: entries of the table at the top; rows: none where the candidate was broken
    """
    parts = [f"# {title}", table(("", ""), about.items())]
    against = [row for row in rows if row.refuses]
    if against:
        parts.append("## What refuses it\n\n" + _table(against))
    for part, heading in TITLES.items():
        chosen = sorted((row for row in rows if row.part == part), key=_place)
        if chosen:
            parts.append(f"## {heading}\n\n" + _table(chosen))
    if rows:
        unsure = "too few sources to tell it from no worse" + ("" if proof else ": passes")
        reading = HOW_TO_READ.format(
            confidence=confidence,
            num_draws=num_draws,
            section=section,
            unsure=unsure,
            proof="; where proof is asked for, also what is unsure" if proof else "",
        )
        parts.append(reading.rstrip())
    return "\n\n".join(parts) + "\n"


def counted(rows: Sequence[Row]) -> str:
    """How many rows say what, in words."""
    verdicts: dict[str, int] = {}
    for row in rows:
        verdicts[row.verdict] = verdicts.get(row.verdict, 0) + 1
    ranked = sorted(verdicts.items(), key=lambda one: -one[1])
    return ", ".join(f"{number} {verdict}" for verdict, number in ranked)


def in_words(row: Row) -> str:
    """What a row says, for a sentence: "QSO F1 0.61, champion 0.83, worse by 0.22"."""
    measure = MEASURES.get(row.measure, row.measure)
    said = f"{_subject(row)} {measure} {digits(row.candidate)}"
    if row.part == FLOORS:
        return f"{said}, asked is {digits(row.champion)}"
    return f"{said}, champion {digits(row.champion)}"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def digits(value: float) -> str:
    """A number to four digits, a dash where there is none."""
    if not math.isfinite(value):
        return "-"
    return f"{value:.4g}" if abs(value) >= 1e-3 or value == 0 else f"{value:.1e}"


def _table(rows: Sequence[Row]) -> str:
    named = ("", "", "sources", "candidate")
    if all(row.part == FLOORS for row in rows):
        return table((*named, "floor", "verdict"), [_floor(row) for row in rows])
    if all(row.verdict == FIRST for row in rows):
        return table(named, [_named(row) for row in rows])
    heads = (*named, "champion", "worse by", "may", "verdict")
    return table(heads, [_compared(row) for row in rows])


def _named(row: Row) -> list[str]:
    measure = MEASURES.get(row.measure, row.measure)
    return [_subject(row), measure, f"{row.num_sources:,}", digits(row.candidate)]


def _floor(row: Row) -> list[str]:
    return [*_named(row), digits(row.champion), _verdict(row)]


def _compared(row: Row) -> list[str]:
    worse = digits(row.worse)
    if row.low < row.high:
        worse += f" [{digits(row.low)}, {digits(row.high)}]"
    margin = "floor" if row.part == FLOORS else digits(row.margin)
    return [*_named(row), digits(row.champion), worse, margin, _verdict(row)]


def _place(row: Row) -> int:
    """Where a row stands in its table: the rows of one class together, the classes in order."""
    if row.part != CLASS:
        return 0
    return (*CLASSES, "all").index(row.subject)


def _verdict(row: Row) -> str:
    return f"**{row.verdict}**" if row.refuses else row.verdict


def _subject(row: Row) -> str:
    """A subject with its quantity in words and its unit."""
    name, separator, token = row.subject.partition("/")
    if not separator or token not in NAMES:
        return row.subject
    words, unit = NAMES[token]
    return f"{name}: {words}" + (f" ({unit})" if unit else "")
