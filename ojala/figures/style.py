"""What every figure has: the colours of the classes, and a way to a file."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from ojala.tables.writing import written_whole

COLOURS = {"GALAXY": "tab:red", "STAR": "tab:blue", "QSO": "tab:green"}
"""Colours of the classes, the paper's."""


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure in the format of the path's suffix."""
    with written_whole(path) as partial:
        figure.savefig(partial, dpi=110, bbox_inches="tight")
