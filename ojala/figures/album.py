"""Every figure of an evaluation, in the order of the report, each with what it shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.resources import files
from typing import Any

from astropy.table import Table
from matplotlib.figure import Figure

from ojala.evaluation.comparisons import comparisons, stated
from ojala.evaluation.config import FILES, REAL, SYNTH, EvaluateConfig
from ojala.evaluation.contexts import LABELS
from ojala.figures import (
    calibration,
    classification,
    emission,
    main_sequence,
    redshift_pdfs,
    redshifts,
    robustness,
    surveys,
)
from ojala.figures import comparisons as panels
from ojala.measures.redshift_pdf import RedshiftPdf
from ojala.tables.shards import Columns
from ojala.vocabulary.bands import beside_tokens

Draw = Callable[[], Figure]


@dataclass(frozen=True, kw_only=True)
class Plate:
    """A figure that can be drawn.

    name: of its file; section: of the report that it belongs to; caption: one or two sentences
    """

    name: str
    section: str
    caption: str
    draw: Draw


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """What is known after an evaluation.

    scores: of each set (``evaluation.scores``), by REAL and SYNTH; gaps: between them
    predictions: of each set, by context, those of all with scores of p(z); truth: columns of each
    redshifts: p(z) of each set, by token
    """

    scores: Mapping[str, Mapping[str, Any]]
    gaps: Mapping[str, Any]
    predictions: Mapping[str, Mapping[str, Columns]]
    truth: Mapping[str, Columns]
    redshifts: Mapping[str, Mapping[str, RedshiftPdf]]
    config: EvaluateConfig

    def pair(self, name: str, context: str = "all") -> tuple[Columns, Columns]:
        """Predictions of a set in a context, and its truth."""
        return self.predictions[name][context], self.truth[name]


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Sources of the surveys that the test sets come from.

    mocks, jpas: MAG_G, MAG_R (mocks: SPECTYPE) of many sources
    examples: a few mocks, all columns; others: J-PAS sources, all columns
    nearest: row of each example's counterpart among the others
    """

    mocks: Columns
    jpas: Columns
    examples: Columns
    others: Columns
    nearest: surveys.Rows


MATERIAL = {
    "masses_control": "BB_zspec" in LABELS,
    "magnitudes_and_colours": {"MAG_G", "MAG_R"} <= set(beside_tokens("Legacy")),
}
"""Plates that need broad bands beside the survey's own, and whether there are any."""


def album(found: Evaluated, around: Surroundings) -> tuple[Plate, ...]:
    """The plates of a report, in the order of ``data/plates.ecsv``.

    Of the two test sets, and without those of MATERIAL that the survey lacks.
    """
    found = replace(found, scores={name: found.scores[name] for name in FILES})
    table = Table.read(files("ojala.vocabulary.data") / "plates.ecsv", format="ascii.ecsv")
    draws = (
        _of_scores(found) | _of_quantities(found) | _of_errors(found) | _of_surveys(found, around)
    )
    return tuple(
        Plate(
            name=str(row["name"]),
            section=str(row["section"]),
            caption=str(row["caption"]),
            draw=draws[str(row["name"])],
        )
        for row in table
        if MATERIAL.get(str(row["name"]), True)
    )


def _of_scores(found: Evaluated) -> dict[str, Draw]:
    sets, fewest = found.scores, found.config.min_class_objects
    return {
        "class_by_magnitude": partial(classification.by_magnitude, sets, fewest),
        "confusion": partial(classification.confusion, sets),
        "class_reliability": partial(classification.reliability, sets),
        "redshift_scores": partial(redshifts.by_magnitude_and_redshift, sets, fewest),
        "sim_to_real_gap": partial(robustness.gap, found.gaps),
        "trays": partial(robustness.trays, sets),
        "missing_bands": partial(robustness.missing_bands, sets),
    }


def _of_quantities(found: Evaluated) -> dict[str, Draw]:
    limit, truth = found.config.faint_limit, found.truth[REAL]
    compared = {n: comparisons(*found.pair(n), faint_limit=limit) for n in (REAL, SYNTH)}
    both = compared[REAL], compared[SYNTH]
    broad = [
        comparisons(*found.pair(name, "BB_zspec"), faint_limit=limit)
        for name in (REAL, SYNTH)
        if MATERIAL["masses_control"]
    ]
    predicted = {name: found.predictions[name]["all"] for name in (SYNTH, REAL)}
    return {
        "redshift_one_to_one": partial(redshifts.one_by_one, compared, limit),
        "stellar_parameters": partial(panels.stellar_parameters, *both),
        "equivalent_widths": partial(panels.equivalent_widths, *both, limit),
        "halpha_luminosity": partial(panels.luminosities, *both, limit),
        "masses": partial(panels.masses, *both, limit),
        "masses_control": partial(panels.control, *broad),
        "diagnostic_diagrams": partial(emission.diagrams, truth, predicted, limit),
        "line_fluxes": partial(emission.fluxes, compared[REAL]["galaxy"], truth),
        "main_sequence": partial(main_sequence.main_sequence, predicted[REAL], truth),
    }


def _of_errors(found: Evaluated) -> dict[str, Draw]:
    limit = found.config.faint_limit
    with_errors = {n: stated(*found.pair(n), faint_limit=limit) for n in (REAL, SYNTH)}
    return {
        "pit": partial(calibration.pit_histograms, with_errors),
        "coverage": partial(calibration.coverage, with_errors),
        "redshift_coverage": partial(calibration.redshift_coverage, found.scores),
        "redshift_pdfs": partial(
            redshift_pdfs.examples, found.redshifts[REAL], found.truth[REAL], limit
        ),
    }


def _of_surveys(found: Evaluated, around: Surroundings) -> dict[str, Draw]:
    similar = around.examples, around.others, around.nearest
    colours = around.mocks, around.jpas, found.truth[REAL]
    return {
        "counterparts": partial(surveys.counterparts, *similar),
        "magnitudes_and_colours": partial(surveys.distributions, *colours),
    }
