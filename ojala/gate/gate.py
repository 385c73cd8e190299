"""The gate of a promotion: a candidate against the champion, source by source, row by row.

A row is one measure of one subject: the F1 of quasars, say, or sigma_nmad of the redshifts of
galaxies of 20 < i < 21. Both models answer about the same sources, which are drawn with
replacement together, so that what is hard in the sky is hard for both and drops out of the
difference. A row says how much WORSE the candidate is, whatever the measure's direction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import pairwise

import numpy as np

from ojala.evaluation.classification import class_codes
from ojala.evaluation.comparisons import (
    REDSHIFT_TOKENS,
    Comparison,
    Selected,
    brighter_than,
    comparisons,
    redshift,
    stated,
)
from ojala.gate.config import PromoteConfig
from ojala.gate.measures import Floats, badness, class_measures, nats_lost, quantity_measures
from ojala.measures.bootstrap import Rows, drawn, interval
from ojala.measures.calibration import Stated
from ojala.measures.metrics import sigma_nmad
from ojala.tables.shards import Columns
from ojala.vocabulary.bands import reference_band
from ojala.vocabulary.quantities import CLASSES

Statistic = Callable[[Rows], Floats]
"""Measures of the sources in some rows, the candidate's and the champion's, (2, num_measures)."""

BETTER, NO_WORSE, UNSURE, WORSE = "better", "no worse", "unsure", "WORSE"
REACHED, BELOW, UNKNOWN, FIRST = "reached", "NOT REACHED", "NOT MEASURED", "first"
REFUSING = (WORSE, BELOW, UNKNOWN)

CLASS, BINS, QUANTITY, COST, FLOORS = "class", "magnitude", "quantity", "cost", "floors"

PROVEN = (CLASS, QUANTITY)
"""Parts in which ``proof`` is asked for; a bin holds too few sources for it."""

DERIVED = ("FLUX_", "L_HALPHA")
"""Quantities that follow from others, and are not compared once more."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the verdict.

    part: of the table; num_sources: that it rests on
    candidate, champion: the measure; worse: by how much the candidate is, negative is better
    low, high: interval of ``worse``; margin: that ``worse`` may reach; NaN where there is none
    """

    part: str
    subject: str
    measure: str
    num_sources: int
    candidate: float
    champion: float = float("nan")
    worse: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    margin: float = float("nan")
    verdict: str = FIRST

    @property
    def name(self) -> str:
        """Subject and measure, as in the floors of the parameters."""
        return f"{self.subject}/{self.measure}"

    @property
    def refuses(self) -> bool:
        """Whether it alone refuses the candidate."""
        return self.verdict in REFUSING


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a model showed in an inspection. answers: about the test set; see ``Inspection``."""

    answers: Columns
    latency: float
    megabytes: float


def verdict(
    candidate: Shown, champion: Shown | None, truth: Columns, config: PromoteConfig
) -> list[Row]:
    """Every row of the table; the candidate passes where none of them refuses."""
    gate = _Gate(candidate, champion or candidate, truth, config)
    rows = [*gate.classes(), *gate.bins(), *gate.quantities(), *gate.costs()]
    if champion is None:
        rows = [_alone(row) for row in rows]
    return [*rows, *floor_rows(rows, config.floors)]


def floor_rows(rows: list[Row], floors: dict[str, float]) -> Iterator[Row]:
    """A row for each floor; one that cannot be measured refuses, since nothing vouches for it."""
    measured = {row.name: row for row in rows if row.part != BINS}
    for name, floor in floors.items():
        subject, _, measure = name.rpartition("/")
        row = measured.get(name)
        value = row.candidate if row else float("nan")
        of_both = badness(measure, np.array([value, floor]))
        worse = float(of_both[0] - of_both[1])
        result = UNKNOWN if not np.isfinite(value) else REACHED if worse <= 0 else BELOW
        yield Row(
            part=FLOORS,
            subject=subject,
            measure=measure,
            num_sources=row.num_sources if row else 0,
            candidate=value,
            champion=floor,
            worse=worse,
            verdict=result,
        )


def _alone(row: Row) -> Row:
    """A row without a champion beside the candidate."""
    kept = ("part", "subject", "measure", "num_sources", "candidate")
    return Row(**{name: value for name, value in asdict(row).items() if name in kept})


class _Gate:
    """Both models' answers about the same sources, and the rows that follow from them."""

    def __init__(
        self, candidate: Shown, champion: Shown, truth: Columns, config: PromoteConfig
    ) -> None:
        self.shown = (candidate, champion)
        self.truth = truth
        self.config = config

    def classes(self) -> Iterator[Row]:
        """Completeness, purity and F1 of each class, all of them together, and the likelihood."""
        yield from self._class_rows(brighter_than(self.truth, self.config.faint_limit))

    def bins(self) -> Iterator[Row]:
        """F1 of the classes, and scatter and outliers of redshifts, in bins of i."""
        edges = self.config.mag_edges
        for low, high in pairwise(edges):
            inside = brighter_than(self.truth, high) & ~brighter_than(self.truth, low)
            label = f"{low:g} < i < {high:g}, "
            for row in self._class_rows(inside):
                if row.measure == "f1":
                    yield _renamed(row, label)
            for name in REDSHIFT_TOKENS:
                both = [redshift(s.answers, self.truth, name).among(inside) for s in self.shown]
                for row in self._quantity_rows(f"{name}/z", both, both):
                    if row.measure in ("sigma_nmad", "outlier_fraction"):
                        yield _renamed(row, label)

    def quantities(self) -> Iterator[Row]:
        """Bias, scatter, outliers and honesty of the errors of each quantity."""
        limit = self.config.faint_limit
        found = [comparisons(s.answers, self.truth, faint_limit=limit) for s in self.shown]
        honest = [stated(s.answers, self.truth, faint_limit=limit) for s in self.shown]
        for name, of_class in found[0].items():
            for token in of_class:
                if not token.startswith(DERIVED):
                    both = [one[name][token] for one in found]
                    errors = [one[name][token] for one in honest if token in one[name]]
                    yield from self._quantity_rows(f"{name}/{token}", both, errors)

    def costs(self) -> Iterator[Row]:
        """Time for the timed sources, and the size of the bundle; measured once, no interval."""
        for measure in ("latency", "megabytes"):
            values = np.array([getattr(shown, measure) for shown in self.shown])
            num = min(self.config.num_timed, len(self.truth[reference_band().token]))
            yield self._row(COST, "bundle", measure, num, values, values[None], values[1])

    def _class_rows(self, selected: Selected) -> Iterator[Row]:
        codes = [class_codes(shown.answers, self.truth) for shown in self.shown]
        known = selected & (codes[0][0] >= 0) & (codes[1][0] >= 0)
        true, given = codes[0][0][known], [code[known] for _, code in codes]
        numbers = np.bincount(true, minlength=len(CLASSES))
        common = numbers >= self.config.min_objects
        lost = np.stack([nats_lost(shown.answers, self.truth)[known] for shown in self.shown])

        def measures(rows: Rows) -> Floats:
            return np.stack(
                [
                    class_measures(true[rows], codes[rows], nats[rows], common)
                    for codes, nats in zip(given, lost, strict=True)
                ]
            )

        names = [f"{name}/{m}" for m in ("completeness", "purity", "f1") for name in CLASSES]
        count = [*numbers] * 3
        if common.all():
            names, count = [*names, "all/weighted_f1", "all/nll"], [*count, *[len(true)] * 2]
        yield from self._rows(CLASS, names, count, measures, len(true), np.nan)

    def _quantity_rows(
        self, subject: str, both: list[Comparison], errors: list[Comparison]
    ) -> Iterator[Row]:
        """Rows of one quantity. both: for accuracy; errors: as stated, empty if they are not."""
        part = np.any([of.takes_part for of in [*both, *errors]], axis=0)
        residuals = [of.residual[part] for of in both]
        said: list[Stated | None] = [
            Stated(of.stated.pit[part], of.stated.crps[part]) for of in errors
        ]
        said = said or [None, None]
        names = ["bias", "sigma_nmad"]
        names += ["outlier_fraction"] if both[0].redshift else []
        names += ["crps", "coverage_68"] if errors else []
        num = int(np.isfinite(residuals[1]).sum())

        def measures(rows: Rows) -> Floats:
            return np.array(
                [
                    quantity_measures(
                        residual[rows], both[0].redshift, stated and stated.among(rows)
                    )
                    for residual, stated in zip(residuals, said, strict=True)
                ]
            )

        scatter = sigma_nmad(residuals[1][np.isfinite(residuals[1])])
        named = [f"{subject}/{name}" for name in names]
        yield from self._rows(
            QUANTITY, named, [num] * len(names), measures, int(part.sum()), scatter
        )

    def _rows(
        self,
        part: str,
        names: list[str],
        counts: list[int],
        measures: Statistic,
        num_sources: int,
        scatter: float,
    ) -> Iterator[Row]:
        """Rows of what has enough sources. scatter: sigma_nmad of the champion."""
        if max(counts) < self.config.min_objects:
            return
        values = measures(np.arange(num_sources))
        draws = drawn(measures, num_sources, num_draws=self.config.num_draws, seed=self.config.seed)
        for column, (name, count) in enumerate(zip(names, counts, strict=True)):
            subject, _, measure = name.rpartition("/")
            if count >= self.config.min_objects and np.isfinite(values[:, column]).any():
                unit = {"crps": values[1, column]}.get(measure, scatter)
                yield self._row(
                    part, subject, measure, int(count), values[:, column], draws[:, :, column], unit
                )

    def _row(
        self,
        part: str,
        subject: str,
        measure: str,
        num_sources: int,
        values: Floats,
        draws: Floats,
        unit: float,
    ) -> Row:
        """A row and its verdict. unit: of the margin where it is relative."""
        margin = getattr(self.config.margins, measure)
        if measure in ("bias", "sigma_nmad", "crps", "latency", "megabytes"):
            margin *= unit
        worse = badness(measure, values[0]) - badness(measure, values[1])
        differences = badness(measure, draws[:, 0]) - badness(measure, draws[:, 1])
        low, high = interval(differences, self.config.confidence)
        row = Row(
            part=part,
            subject=subject,
            measure=measure,
            num_sources=num_sources,
            candidate=float(values[0]),
            champion=float(values[1]),
            worse=float(worse),
            low=float(low),
            high=float(high),
            margin=float(margin),
        )
        return replace(row, verdict=_judged(row, self.config.proof and part in PROVEN))


def _judged(row: Row, proof: bool) -> str:
    """What a difference says. proof: that it is within the margin must be shown, not only likely.

    A candidate that has nothing to compare where the champion has is worse.
    """
    if not np.isfinite(row.worse):
        return BETTER if np.isfinite(row.candidate) else WORSE
    if row.high < 0:
        return BETTER
    if row.high <= row.margin:
        return NO_WORSE
    harmed = row.worse > row.margin and row.low > 0
    return WORSE if harmed or proof else UNSURE


def _renamed(row: Row, label: str) -> Row:
    return replace(row, part=BINS, subject=label + row.subject)
