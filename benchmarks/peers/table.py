"""The peers' report as Markdown: one table per test set, the best of each row in bold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ojala.quantities import quantity

TITLES = {"test_real": "Test-Real", "test_synth": "Test-Synth"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One number of a report.

    path: keys that lead to it; digits: decimals shown; highest: whether more is better
    """

    title: str
    path: tuple[str, ...]
    digits: int = 3
    highest: bool = False


def _nmad(title: str, *path: str, digits: int = 3) -> Row:
    return Row(title=title, path=(*path, "sigma_nmad"), digits=digits)


ROWS = (
    Row(title="class, weighted F1", path=("class", "weighted_f1"), highest=True),
    _nmad("galaxies, sigma_nmad(z)", "galaxy", digits=4),
    Row(title="galaxies, outliers", path=("galaxy", "outlier_fraction")),
    _nmad("quasars, sigma_nmad(z)", "qso", digits=4),
    Row(title="quasars, outliers", path=("qso", "outlier_fraction")),
    _nmad("stellar mass, dex", "galaxy", "LOGM"),
    _nmad("star-formation rate, dex", "galaxy", "LOGSFR"),
    _nmad("EW(H-alpha), dex", "galaxy", "HALPHA_6562_EW"),
    _nmad("EW(H-beta), dex", "galaxy", "HBETA_4861_EW"),
    _nmad("EW([NII]), dex", "galaxy", "NII_6584_EW"),
    _nmad("EW([OIII]), dex", "galaxy", "OIII_5007_EW"),
    _nmad("EW(H-alpha), z < 0.35, dex", "nearby", "HALPHA_6562_EW"),
    _nmad("EW(H-beta), z < 0.35, dex", "nearby", "HBETA_4861_EW"),
    _nmad("EW([NII]), z < 0.35, dex", "nearby", "NII_6584_EW"),
    _nmad("EW([OIII]), z < 0.35, dex", "nearby", "OIII_5007_EW"),
    _nmad("continuum at H-alpha / i", "galaxy", "HALPHA_CONT"),
    _nmad("continuum at H-beta / i", "galaxy", "HBETA_CONT"),
    _nmad("Teff, K", "star", "TEFF", digits=0),
    _nmad("log g, dex", "star", "LOGG"),
    _nmad("[Fe/H], dex", "star", "FEH"),
    _nmad("[alpha/Fe], dex", "star", "ALPHAFE"),
)
"""What the table shows: the paper's summary numbers."""


def markdown(report: Mapping[str, Any]) -> str:
    """The whole report: a table of accuracy per test set, then one of cost."""
    peers = report["peers"]
    parts = [
        f"### {title}\n\n{_accuracy(peers, name)}"
        for name, title in TITLES.items()
        if any(name in entry for entry in peers.values())
    ]
    return "\n".join([*parts, f"### Cost, one core\n\n{_cost(peers)}"])


def best(values: list[float | None], digits: int, *, highest: bool) -> list[int]:
    """Places of the best values, as far as the digits shown tell them apart."""
    known = [round(value, digits) for value in values if value is not None]
    if not known:
        return []
    limit = max(known) if highest else min(known)
    return [n for n, v in enumerate(values) if v is not None and round(v, digits) == limit]


def number_at(entry: Mapping[str, Any], path: tuple[str, ...]) -> float | None:
    """The number at a path of nested dictionaries; None where there is none."""
    found: Any = entry
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return float(found) if isinstance(found, int | float) else None


def _accuracy(peers: Mapping[str, Any], test: str) -> str:
    lines = [_line(["", "objects", *peers]), _line(["---"] + ["---:"] * (len(peers) + 1))]
    for row in ROWS:
        values = [number_at(entry.get(test, {}), row.path) for entry in peers.values()]
        winners = best(values, row.digits, highest=row.highest)
        cells = [_cell(value, row.digits, n in winners) for n, value in enumerate(values)]
        lines.append(_line([row.title, _num_sources(peers, test, row.path), *cells]))
    return "\n".join(lines) + "\n"


def _num_sources(peers: Mapping[str, Any], test: str, path: tuple[str, ...]) -> str:
    """Objects scored; where a peer leaves some unanswered, the fewest and the most."""
    numbers = set()
    for entry in peers.values():
        scored = entry.get(test, {})
        if number_at(scored, path) is not None:
            counted = number_at(scored, (*path[:-1], "num_sources"))
            of_classes = [
                number_at(scored, ("class", name, "num_sources")) or 0
                for name in quantity("SPECTYPE").categories
            ]
            numbers.add(int(sum(of_classes) if counted is None else counted))
    return " - ".join(str(n) for n in sorted({min(numbers), max(numbers)})) if numbers else "0"


def _cost(peers: Mapping[str, Any]) -> str:
    lines = [_line(["", "training, s", "objects / s"]), _line(["---", "---:", "---:"])]
    for name, entry in peers.items():
        seconds, rate = (entry.get(key) for key in ("train_seconds", "objects_per_second"))
        lines.append(_line([name, _cell(seconds, 0, False), _cell(rate, 0, False)]))
    return "\n".join(lines) + "\n"


def _cell(value: float | None, digits: int, is_best: bool) -> str:
    text = "" if value is None else f"{value:.{digits}f}"
    return f"**{text}**" if is_best else text


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
