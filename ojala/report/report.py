"""The report of an evaluation: one page that a person reads, with all figures inside.

It says what was run and on which data, sets the paper's numbers beside ours, and marks that the
paper's are of real surveys, whatever ours are of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ojala.evaluation.config import REAL, SYNTH
from ojala.figures.album import Evaluated, Plate
from ojala.measures.metrics import NOT_ENOUGH
from ojala.report import tables
from ojala.report.page import bullets, contents, figure, page, paragraph, section, table
from ojala.report.peers import peers
from ojala.tables.writing import written_whole
from ojala.vocabulary.quantities import CLASSES

TITLE = "OJALA: evaluation"

SOURCES = {
    "simulated": "All numbers here are of the simulated sky that comes with this project, not of "
    "real data. The paper's values are of real J-PAS and DESI data. They stand side by side to "
    "show that the same things are measured in the same way: that one is better than the other "
    "means nothing.",
    "desi": "The numbers here are of DESI spectra and J-PAS photometry as configured in "
    "params.yaml. The paper's are of J-PAS IDR202406 and DESI DR1, with its own selections.",
    "release": "The numbers here are of the published mocks and photometry. The paper's are of "
    "J-PAS IDR202406 and DESI DR1, with its own selections.",
}
"""What the reader must know of the data, by ``data.source``."""

SECTIONS = {
    "summary": "Against the paper",
    "class": "Spectral class",
    "redshift": "Redshifts",
    "stars": "Stellar parameters",
    "lines": "Emission lines",
    "masses": "Stellar masses and star formation",
    "calibration": "Are errors and probabilities honest?",
    "gap": "The sim-to-real gap",
    "robustness": "Missing trays and bands",
    "peers": "Against its peers",
    "surveys": "The data",
    "caveats": "Caveats",
}

CAVEATS = (
    "Balanced scores weigh the three classes the same (Eqs. 4-7). In a survey, where galaxies and "
    "stars outnumber quasars, the purity of quasars is lower.",
    "True values are labels: equivalent widths of FastSpecFit, masses and rates of CIGALE, stellar "
    "parameters of the DESI Milky Way Survey. Scores say how well these labels are reproduced.",
    "Spectra see the fibre (1.5 arcsec), J-PAS an aperture of 3 arcsec: with gradients in a galaxy "
    "its lines differ for that reason alone.",
    "Equivalent widths are compared in dex where both values are positive; sources predicted or "
    "measured in absorption are in the calibration alone.",
    "The sample of the BPT diagram is not fixed by the paper's text; here both ratios have one "
    "line above 10 and the other above 3 Angstrom in the spectrum, its rule for Fig. 6.",
    "With lines hidden, the narrow bands that hold H-alpha, H-beta, [NII] or [OIII] (both members "
    "of each doublet) at the spectroscopic redshift are hidden; broad bands still hold them.",
    "Where both true and predicted types enter, a galaxy predicted as LINER or not classifiable "
    "counts as missed.",
    "Intervals are of the bootstrap over sources: they hold the chance of which sources were "
    "observed, not that of another training.",
)


def report(
    path: str | Path,
    found: Evaluated,
    figures: Sequence[tuple[Plate, Path]],
    about: Mapping[str, str],
    source: str,
    compared: Mapping[str, Any] | None = None,
) -> None:
    """Write the page.

    figures: plates in order, with their PNG files; about: what was run, by name
    source: ``data.source`` of what the model was trained on
    compared: scores of the peers, where they were run
    """
    content = {
        "summary": tables.against_paper(found, "headline", "Summary numbers"),
        "class": tables.classes(found),
        "lines": tables.lines(found),
        "masses": tables.against_paper(found, "control", "Control test: broad bands and z_spec"),
        "calibration": tables.calibration(found),
        "gap": tables.gaps(found),
        "robustness": tables.contexts(found) + tables.missing_bands(found),
        "peers": peers(found, compared),
        "caveats": bullets(CAVEATS),
    }
    body = [
        paragraph(SOURCES[source], notice=True),
        contents(SECTIONS.items()),
        _about(about, found),
    ]
    for name, title in SECTIONS.items():
        plates = (figure(png, plate.caption) for plate, png in figures if plate.section == name)
        body.append(section(name, title, content.get(name, Markup()), *plates))
    with written_whole(path) as partial:
        partial.write_text(page(TITLE, body), encoding="utf-8")


def _about(about: Mapping[str, str], found: Evaluated) -> Markup:
    sets = [
        (name, *scores["num_of_class"].values(), scores["num_sources"])
        for name, scores in found.scores.items()
    ]
    limit = found.config.faint_limit
    return section(
        "about",
        "What was run",
        table(("", ""), about.items(), "The model"),
        table(("Set", *CLASSES, f"all, i < {limit:g}"), sets, "Sources of the test sets"),
        paragraph(
            f"{REAL} is J-PAS photometry of sources matched with spectra, {SYNTH} mock photometry "
            f"of the same sources with the same errors. Scores are of sources with i < {limit:g} "
            f"unless something else is said. A score of fewer than {found.config.min_objects} "
            f'sources reads "{NOT_ENOUGH}".'
        ),
    )
