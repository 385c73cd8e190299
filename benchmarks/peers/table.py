"""The peers' report as Markdown: one table per test set, the best of each row in bold.

python -m benchmarks.peers.table reports/peers.json     prints it once more
python -m benchmarks.peers.table --into docs/peers.md    writes the tables of a page anew

In a page a short table, of a few rows of Test-Real, stands between "<!-- table FILE -->", with the
report that it is of, and "<!-- end -->".
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ojala.evaluation.config import FILES, REAL, TITLES
from ojala.report.page import cell
from ojala.report.peers import ROWS, Contest, contest
from ojala.tables.writing import written_whole

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


MARKED = re.compile(r"(<!-- table (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
"""Where a page has a table: both marks, the first with the file that it is of."""


def main() -> None:
    """Print the tables of reports, or write those of pages anew."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reports", nargs="*", type=Path, help="JSON of the peers")
    parser.add_argument("--into", nargs="+", type=Path, default=[], help="pages with tables")
    args = parser.parse_args()
    for path in args.reports:
        print(markdown(json.loads(path.read_text())))
    for path in args.into:
        page = with_tables(path.read_text())
        with written_whole(path) as partial:
            partial.write_text(page)


def with_tables(page: str) -> str:
    """The page with its tables made anew; one whose report is not there stays as it is."""

    def renewed(found: re.Match[str]) -> str:
        before, file, after = found.groups()
        if not Path(file).exists():
            return found.group()
        return f"{before}\n{short(json.loads(Path(file).read_text()))}\n{after}"

    return MARKED.sub(renewed, page)


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
    """The rows of SHORT of Test-Real, and what a training and an object cost."""
    peers = report["peers"]
    costs = {
        "training, core seconds": [entry.get("train_seconds") for entry in peers.values()],
        "one object, milliseconds": [
            1000 / entry["objects_per_second"] if entry.get("objects_per_second") else None
            for entry in peers.values()
        ],
    }
    lines = [_line([title, "", *map(_plain, values)]) for title, values in costs.items()]
    sources = f"{REAL}, trained on {report['num_train']:,} mocks:\n\n"
    return sources + _accuracy(peers, FILES[REAL], SHORT) + "\n".join(lines) + "\n"


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


def _plain(value: float | None) -> str:
    """Two digits, never as a power of ten."""
    return "" if value is None else f"{float(f'{value:.2g}'):g}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
