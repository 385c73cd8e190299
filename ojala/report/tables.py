"""Tables of the report: ours beside the paper's, and what the paper does not have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, reduce
from importlib.resources import files
from operator import getitem
from typing import Any

from astropy.table import Table
from markupsafe import Markup

from ojala.evaluation.comparisons import CLASS_NAMES, NAMES, REDSHIFT_TOKENS, stated_name
from ojala.evaluation.config import REAL, SYNTH
from ojala.evaluation.contexts import LABELS, TRAYS
from ojala.evaluation.curves import MAG_HALF_WIDTH, MAG_STEP
from ojala.figures.album import Evaluated
from ojala.measures.metrics import NOT_ENOUGH
from ojala.report.page import digits, paragraph, table
from ojala.vocabulary.quantities import CLASSES


def classes(found: Evaluated) -> Markup:
    """Balanced scores of the classes."""
    rows = [
        (
            f"{set_name}: {name}",
            *(
                scores["class"][name][key]
                for key in ("num_sources", "purity", "completeness", "f1")
            ),
        )
        for set_name, scores in found.scores.items()
        for name in CLASSES
    ]
    rows += [
        (f"{name}: all, weighted F1", scores["num_sources"], "", "", scores["class"]["weighted_f1"])
        for name, scores in found.scores.items()
    ]
    return table(("", "N", "Purity", "Completeness", "F1"), rows, "Balanced scores of the classes")


def lines(found: Evaluated) -> Markup:
    """Tables 1-4 of the paper."""
    return (
        side_by_side(found, "table_1_full", "Table 1: lines from all photometry")
        + side_by_side(found, "table_1_hidden", "Table 1: bands that hold the lines hidden")
        + side_by_side(found, "table_2", "Table 2: types of the BPT diagram, balanced")
        + side_by_side(found, "table_3", "Table 3: types of the WHAN diagram, balanced, no LINERs")
        + side_by_side(found, "table_4", "Table 4: lines of galaxies with z < 0.35")
    )


def against_paper(found: Evaluated, group: str, caption: str) -> Markup:
    """Ours beside the paper's, score by score of a group of ``data/paper_results.ecsv``."""
    rows = []
    for row in _paper(group, tuple(found.scores[REAL])):
        keys = row["path"].split(".")
        real, synth = (reduce(getitem, keys, found.scores[name]) for name in (REAL, SYNTH))
        place = f"{row['value']} ({row['place']})"
        rows.append((_label(row, keys[-1]), place, real, synth, _count(found, keys)))
    head = ("", "Paper: real J-PAS", f"Here: {REAL}", f"Here: {SYNTH}", f"N, {REAL} here")
    return table(head, rows, caption, paper=(1,))


def side_by_side(found: Evaluated, group: str, caption: str) -> Markup:
    """The same with all measures of a thing in one row."""
    rows: dict[str, list[Any]] = {}
    measures: list[str] = []
    for row in _paper(group, tuple(found.scores[REAL])):
        keys = row["path"].split(".")
        if keys[-1] not in measures:
            measures.append(keys[-1])
        cells = rows.setdefault(_label(row), [_count(found, keys)])
        cells += [
            row["value"],
            *(reduce(getitem, keys, found.scores[name]) for name in (REAL, SYNTH)),
        ]
    head = ["", "N here"]
    for measure in measures:
        head += [f"{_MEASURES[measure]}: paper", REAL, SYNTH]
    paper = [2 + 3 * place for place in range(len(measures))]
    return table(head, [(name, *cells) for name, cells in rows.items()], caption, paper=paper)


_MEASURES = {
    "weighted_f1": "weighted F1",
    "outlier_fraction": "outlier fraction",
    "sigma_nmad": "sigma_nmad",
    "bias": "bias",
    "purity": "purity",
    "completeness": "completeness",
    "f1": "F1",
}


def _label(row: Mapping[str, str], measure: str = "") -> str:
    unit = "" if row["unit"] in ("", "--") else f" ({row['unit']})"
    return f"{row['label']}{', ' if measure else ''}{_MEASURES.get(measure, '')}{unit}"


def _count(found: Evaluated, keys: Sequence[str]) -> Any:
    """Sources of Test-Real behind a score."""
    scores = found.scores[REAL]
    return reduce(getitem, keys[:-1], scores).get("num_sources", scores["num_sources"])


@cache
def _paper(group: str, scored: tuple[str, ...]) -> list[dict[str, str]]:
    """Rows of a group whose block of scores the survey has: one without BB has no BB_zspec."""
    results = Table.read(files("ojala.vocabulary.data") / "paper_results.ecsv", format="ascii.ecsv")
    return [
        {name: str(row[name]) for name in results.colnames}
        for row in results
        if row["section"] == group and str(row["path"]).partition(".")[0] in scored
    ]


def calibration(found: Evaluated) -> Markup:
    """Coverage, CRPS and PIT of every quantity, and the calibration error of the class."""
    names = ("num_sources", "coverage_68", "coverage_95", "spread", "crps", "pit_distance")
    rows = [
        (_quantity(class_name, stated_name(token)), set_name, *(entry[name] for name in names))
        for class_name in CLASS_NAMES
        for token in found.scores[REAL]["calibration"][class_name]
        for set_name, scores in found.scores.items()
        for entry in [scores["calibration"][class_name][token]]
    ]
    head = ("", "Set", "N", "Within 68 %", "Within 95 %", "Spread",
            "CRPS", "PIT distance")  # fmt: skip
    of_classes = [
        (name, entry["num_sources"], entry["ece"], entry["ece_as_found"])
        for name, scores in found.scores.items()
        for entry in [scores["calibration"]["class"]]
    ]
    return (
        paragraph(
            "Of redshifts p(z) is judged, in ln(1 + z), of all else the Gaussian error. Honest "
            "ones give 0.683 within 68 %, 0.95 within 95 %, a spread of 1 and a PIT distance "
            "(Kolmogorov-Smirnov, from uniform) of about 1 / sqrt(N). Equivalent widths are in "
            "Angstrom. The label's own error is included."
        )
        + table(head, rows, "Stated errors")
        + table(
            ("Set", "N", "ECE, classes weigh the same", "ECE, as found"),
            of_classes,
            "Expected calibration error of the most likely class",
        )
        + redshift_distributions(found)
        + recalibration(found)
    )


def recalibration(found: Evaluated) -> Markup:
    """Class probabilities before and after, and what the sets of 90 % hold."""
    names = ("class_right", "class_covered", "class_size", "z_before", "z_after", "z_width")
    head = ("", "Set", "N", "Class right", "In the class set", "Classes of a set",
            "z in 90 % of p(z)", "z in its set", "Width of the set / that of p(z)")  # fmt: skip
    of_sets = {name: scores["recalibration"] for name, scores in found.scores.items()}
    rows = [
        (f"{row['class']}, {row['magnitudes']}", set_name, row["num_sources"],
         *(row.get(name, "") for name in names))
        for set_name, entry in of_sets.items()
        for row in entry["sets"]
    ]  # fmt: skip
    probabilities = [
        (set_name, when, *(entry[when][name] for name in ("nll", "ece", "ece_as_found")))
        for set_name, entry in of_sets.items()
        for when in ("before", "after")
    ]
    return (
        paragraph(
            "Recalibrated by the validation split of the mocks alone. The sets are to hold what is "
            "true of 90 % of the sources of each class and magnitude; of the mocks they do, of "
            "J-PAS as far as it is like them. A set holds the most probable class always, so that "
            "it holds more where the class is plain."
        )
        + table(
            ("Set", "", "-log P of the true class", "ECE, classes weigh the same", "ECE, as found"),
            probabilities,
            "Class probabilities before and after recalibration, all magnitudes",
        )
        + table(head, rows, "Sets of 90 %")
    )


def redshift_distributions(found: Evaluated) -> Markup:
    """What p(z) is worth, of all sources within the limit and by magnitude."""
    names = ("num_sources", "cde_loss", "crps", "nll", "pit_distance", "coverage_68", "coverage_95")
    rows = [
        (f"{CLASS_NAMES[name].capitalize()}, {label}", set_name, *(entry.get(n, "") for n in names))
        for name in REDSHIFT_TOKENS
        for set_name, scores in found.scores.items()
        for label, entry in [
            (f"i < {scores['faint_limit']:g}", scores["calibration"][name]["z"]),
            *(
                (f"|i - {of['mag_i']:g}| < {MAG_HALF_WIDTH:g}", of[name]["calibration"])
                for of in scores["by_magnitude"][:: round(2 * MAG_HALF_WIDTH / MAG_STEP)]
                if of[name]["calibration"]["num_sources"] >= found.config.min_class_objects
            ),
        ]
    ]
    head = ("", "Set", "N", "CDE loss", "CRPS", "- ln p(z_spec)", "PIT distance", "In 68 %",
            "In 95 %")  # fmt: skip
    return paragraph(
        "In ln(1 + z). CDE loss (Izbicki & Lee 2017), CRPS and - ln p are least for the true p(z); "
        "the intervals are the central ones."
    ) + table(head, rows, "Distributions of redshift")


def gaps(found: Evaluated) -> Markup:
    """What every score loses from Test-Synth to Test-Real."""
    rows = [
        (
            f"{_quantity(class_name, NAMES[token])}: {_MEASURES[measure]}",
            *_gap(entry),
        )
        for class_name in CLASS_NAMES
        for token, measures in found.gaps[class_name].items()
        for measure, entry in measures.items()
    ]
    of_classes = [
        (name.replace("_f1", " F1"), *_gap(entry)) for name, entry in found.gaps["class"].items()
    ]
    head = ("", "N", f"{REAL} (68 % interval)", SYNTH, "Difference", "95 % interval")
    return table(head, of_classes + rows, "The same sources in both sets")


def _gap(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    if entry["difference"] == NOT_ENOUGH:
        return entry["num_sources"], NOT_ENOUGH, "", "", ""
    real, low, high = (digits(entry[key]) for key in ("real", "real_low", "real_high"))
    difference, least, most = (digits(entry[key], 2, "+") for key in ("difference", "low", "high"))
    same = entry["low"] == entry["high"] == 0
    return (
        entry["num_sources"],
        f"{real} ({low} ... {high})",
        entry["synth"],
        difference,
        "0: no difference in 95 % of the draws" if same else f"{least} ... {most}",
    )


def contexts(found: Evaluated) -> Markup:
    """Scores by what the model is shown."""
    rows = list(_runs({LABELS[name]: name for name in TRAYS}, found, "contexts"))
    return table(_RUNS, rows, "By what the model is shown (BB: g, r, z, W1, W2; M: morphology)")


def missing_bands(found: Evaluated) -> Markup:
    """Scores with narrow bands hidden, and by the number that is missing."""
    hidden = {f"{number} hidden": str(number) for number in found.config.hidden_bands}
    missing = {f"{name} missing": name for name in found.scores[REAL]["missing_bands"]}
    return table(
        _RUNS, list(_runs(hidden, found, "hidden_bands")), "Narrow bands hidden at random"
    ) + table(
        _RUNS, list(_runs(missing, found, "missing_bands")), "Narrow bands missing as observed"
    )


_RUNS = ("", "Set", "N", "Weighted F1", "Galaxies: sigma_nmad", "outliers", "Quasars: sigma_nmad",
         "outliers")  # fmt: skip


def _runs(names: Mapping[str, str], found: Evaluated, block: str) -> Iterator[tuple[Any, ...]]:
    """Rows of runs of ``evaluation.summary``, by what they are to be called."""
    for label, name in names.items():
        for set_name, scores in found.scores.items():
            run = scores[block].get(name)
            if run is not None:
                redshifts = (
                    run[of][measure]
                    for of in ("galaxy", "qso")
                    for measure in ("sigma_nmad", "outlier_fraction")
                )
                yield label, set_name, run["num_sources"], run["weighted_f1"], *redshifts


def _quantity(class_name: str, name: tuple[str, str]) -> str:
    unit = f" ({name[1]})" if name[1] else ""
    return f"{CLASS_NAMES[class_name].capitalize()}, {name[0]}{unit}"
