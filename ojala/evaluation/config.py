"""What an evaluation reports, and how many sources a number needs."""

from __future__ import annotations

from dataclasses import dataclass

from ojala.vocabulary.bands import narrow_bands

REAL, SYNTH = "Test-Real", "Test-Synth"
"""The matched test sets: J-PAS photometry, and mock photometry of the same sources."""

TITLES = {"test_real": REAL, "test_synth": SYNTH}
"""What they are called, by the names of their files and of their scores."""

FILES = {title: name for name, title in TITLES.items()}

CALIBRATED = "Test-Real, calibrated"
"""Test-Real with the zero points of its tiles as the network found them, without labels."""

SCORED = FILES | {CALIBRATED: "test_real_calibrated"}
"""Sets that are scored, and the names of their scores."""


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """The section ``evaluate`` of a parameter file.

    faint_limit: i magnitude at which the summary numbers stop
    min_objects: sources that any score needs
    min_class_objects: sources of a class that its point of a curve needs; the paper's are 100
    hidden_bands: numbers of narrow bands that are hidden at random, a pass for each
    num_draws: draws of the bootstrap; seed: of the draws and of the hidden bands
    num_shown: sources that the figures of the surveys draw or search among, at most
    """

    faint_limit: float = 21.0
    min_objects: int = 10
    min_class_objects: int = 100
    hidden_bands: tuple[int, ...] = (10, 20, 30, 40, 50)
    num_draws: int = 200
    num_shown: int = 20_000
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("min_objects", "min_class_objects", "num_draws", "num_shown"):
            if getattr(self, name) < 1:
                raise ValueError(f"evaluate.{name} is {getattr(self, name)}, expected 1 or more")
        most = len(narrow_bands())
        for number in self.hidden_bands:
            if not 1 <= number <= most:
                raise ValueError(f"evaluate.hidden_bands has {number}, expected 1 ... {most}")
