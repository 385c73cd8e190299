"""What a candidate must show before it may replace the champion: margins, floors, numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import pairwise

from ojala.vocabulary.quantities import CLASSES, quantities

SHARES = ("f1", "weighted_f1", "completeness", "purity", "outlier_fraction", "coverage_68")
"""Measures between 0 and 1."""

MEASURES = (*SHARES, "nll", "bias", "sigma_nmad", "crps", "latency", "megabytes")

SUBJECTS = (
    *CLASSES,
    "all",
    "bundle",
    *("galaxy/z", "qso/z"),
    *(f"{name.lower()}/{q.token}" for q in quantities() for name in q.classes),
)
"""What a floor may be set for: a class, all of them, the bundle, a quantity of a class."""


@dataclass(frozen=True, kw_only=True)
class Margins:
    """How much worse than the champion a candidate may come out and still be no worse.

    f1, weighted_f1, completeness, purity, outlier_fraction, coverage_68: absolute; the last of
        the distance from 0.6827
    nll: natural logarithm of the probability given to the true class, per source
    bias, sigma_nmad: in units of the champion's sigma_nmad
    crps, latency, megabytes: in units of the champion's
    """

    f1: float
    weighted_f1: float
    completeness: float
    purity: float
    nll: float
    bias: float
    sigma_nmad: float
    outlier_fraction: float
    crps: float
    coverage_68: float
    latency: float
    megabytes: float

    def __post_init__(self) -> None:
        for field in fields(self):
            margin = getattr(self, field.name)
            if not 0 <= margin < float("inf"):
                raise ValueError(f"promote.margins.{field.name} is {margin}, expected 0 or more")
            if field.name in SHARES and margin >= 1:
                raise ValueError(f"promote.margins.{field.name} is {margin}, a share is below 1")


@dataclass(frozen=True, kw_only=True)
class PromoteConfig:
    """The section ``promote`` of a parameter file.

    faint_limit: i magnitude at which classes and quantities stop
    mag_edges: of the bins of i, in which classes and redshifts are compared once more
    min_objects: sources of a class that a row needs, in the set and in a bin
    num_draws, seed: of the paired bootstrap; confidence: share of the draws in its interval
    proof: of no worse classes and quantities is asked, not only that no harm is seen
    num_timed: sources whose prediction is timed; timeout: seconds for a bundle to answer in
    margins: against the champion; floors: what every model must reach, by subject and measure
        ("QSO/f1", "galaxy/z/sigma_nmad"); where less is better they are ceilings
    """

    faint_limit: float
    mag_edges: tuple[float, ...]
    min_objects: int
    num_draws: int
    confidence: float
    seed: int
    proof: bool
    num_timed: int
    timeout: float
    margins: Margins
    floors: dict[str, float]

    def __post_init__(self) -> None:
        for name, least in (("min_objects", 2), ("num_draws", 100), ("num_timed", 1)):
            if getattr(self, name) < least:
                raise ValueError(
                    f"promote.{name} is {getattr(self, name)}, expected {least} or more"
                )
        if not 0.5 <= self.confidence < 1:
            raise ValueError(f"promote.confidence is {self.confidence}, expected 0.5 ... 1")
        if not self.timeout > 0:
            raise ValueError(f"promote.timeout is {self.timeout}, expected seconds above 0")
        edges = (0.0, *self.mag_edges, 40.0)
        if any(low >= high for low, high in pairwise(edges)):
            raise ValueError(
                f"promote.mag_edges is {list(self.mag_edges)}, expected rising AB magnitudes"
            )
        _check_floors(self.floors)


def _check_floors(floors: Mapping[str, float]) -> None:
    for name, value in floors.items():
        subject, _, measure = name.rpartition("/")
        if subject not in SUBJECTS or measure not in MEASURES:
            raise ValueError(
                f"promote.floors has {name}, expected a subject and a measure, "
                "as QSO/f1 or galaxy/z/sigma_nmad"
            )
        if not 0 <= value < float("inf") or (measure in SHARES and value > 1):
            raise ValueError(f"promote.floors.{name} is {value}, which {measure} cannot be")
