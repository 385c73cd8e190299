"""The peers' report as Markdown: one table per test set, the best of each row in bold.

python -m benchmarks.peers.table reports/peers.json   prints it once more
python -m benchmarks.peers.table --short FILE ...     a few rows of Test-Real, for each report
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ojala.report_page import cell
from ojala.report_peers import ROWS, Contest, contest

TITLES = {"test_real": "Test-Real", "test_synth": "Test-Synth"}

SHORT = (
    "Class, weighted F1",
    "Galaxies, redshift: sigma_nmad",
    "Galaxies, redshift: outliers",
    "Quasars, redshift: sigma_nmad",
    "Quasars, redshift: outliers",
    "Galaxies, log stellar mass: sigma_nmad",
    "Galaxies, log SFR: sigma_nmad",
    "Galaxies, log EW(H-alpha): sigma_nmad",
    "Stars, effective temperature: sigma_nmad",
)
"""Titles of the rows of a short table."""


def main() -> None:
    """Print the tables of reports."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "reports", nargs="+", type=Path, help="what python -m benchmarks.peers wrote"
    )
    parser.add_argument("--short", action="store_true", help="a few rows of Test-Real alone")
    args = parser.parse_args()
    for path in args.reports:
        report = json.loads(path.read_text())
        print(short(report) if args.short else markdown(report))


def markdown(report: Mapping[str, Any]) -> str:
    """The whole report: a table of accuracy per test set, then one of cost."""
    peers = report["peers"]
    parts = [
        f"### {title}\n\n{_accuracy(peers, name, [title for title, _ in ROWS])}"
        for name, title in TITLES.items()
        if any(name in entry for entry in peers.values())
    ]
    return "\n".join([*parts, f"### Cost, one core\n\n{_cost(peers)}"])


def short(report: Mapping[str, Any]) -> str:
    """The rows of SHORT of Test-Real, and microseconds of one core per object."""
    peers = report["peers"]
    rates = [entry.get("objects_per_second") for entry in peers.values()]
    cost = [_line(["milliseconds per object", "", *(_milliseconds(rate) for rate in rates)])]
    return _accuracy(peers, "test_real", SHORT) + "\n".join(cost) + "\n"


def _accuracy(peers: Mapping[str, Any], test: str, titles: Sequence[str]) -> str:
    lines = [_line(["", "N", *peers]), _line(["---"] + ["---:"] * (len(peers) + 1))]
    for title, path in ROWS:
        if title in titles:
            held = contest([entry.get(test, {}) for entry in peers.values()], path)
            lines.append(_line([title, f"{max(held.num_sources):,}", *_cells(held)]))
    return "\n".join(lines) + "\n"


def _cells(held: Contest) -> list[str]:
    """The best in bold; the number of sources where a peer answers for fewer."""
    texts = []
    for place, value in enumerate(held.values):
        text = cell(value) if isinstance(value, float) else ""
        if place in held.best:
            text = f"**{text}**"
        if place in held.fewer:
            text += f" (N = {held.num_sources[place]:,})"
        texts.append(text)
    return texts


def _cost(peers: Mapping[str, Any]) -> str:
    lines = [_line(["", "training, s", "objects / s"]), _line(["---", "---:", "---:"])]
    for name, entry in peers.items():
        seconds, rate = (entry.get(key) for key in ("train_seconds", "objects_per_second"))
        lines.append(_line([name, *("" if v is None else f"{v:.0f}" for v in (seconds, rate))]))
    return "\n".join(lines) + "\n"


def _milliseconds(rate: float | None) -> str:
    return f"{1000 / rate:.2g}" if rate else ""


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
