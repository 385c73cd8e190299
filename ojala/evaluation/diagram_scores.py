"""BPT and WHAN types that predictions give, against those of the spectra (Tables 2 and 3).

Purity and completeness are balanced (Eqs. 4-6), as the paper's are: its Table 2 follows from its
completenesses alone. A galaxy whose predicted type is another one, or none, counts as missed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ojala.evaluation.classification import balanced_scores
from ojala.evaluation.comparisons import LINES, Selected, line_sample, shows_both
from ojala.physics.diagrams import BPT_LINES, WHAN_CUTS, bpt, whan
from ojala.tables.shards import Columns

Types = NDArray[Any]

BPT_TYPES = ("SF", "AGN")
WHAN_TYPES = ("passive", "SF", "sAGN")
"""Types that Table 3 scores. LINERs (wAGN) are left out, but a prediction may be one."""


def bpt_sample(truth: Columns, faint_limit: float) -> Selected:
    """Galaxies with z < 0.36 whose spectra show all four lines (Sect. 4.4).

    Of each ratio one line is above 10 Angstrom and the other above 3.
    """
    both = shows_both(truth, "NII_HALPHA") & shows_both(truth, "OIII_HBETA")
    return line_sample(truth, "HALPHA_6562_EW", faint_limit) & both


def whan_sample(truth: Columns, faint_limit: float) -> Selected:
    """Galaxies with z < 0.36 whose spectra measure H-alpha and [NII], however weak."""
    known = np.isfinite(truth["HALPHA_6562_EW"]) & np.isfinite(truth["NII_6584_EW"])
    return line_sample(truth, "HALPHA_6562_EW", faint_limit) & known


def bpt_types(columns: Columns, *, line: str) -> Types:
    """BPT type of each source from its equivalent widths, "" where a line is not positive."""
    halpha, hbeta, nii, oiii = (columns[token].astype(np.float64) for token in LINES)
    return bpt(oiii, hbeta, nii, halpha, line=line)


def whan_types(columns: Columns, *, line: str) -> Types:
    """WHAN type of each source from its equivalent widths."""
    nii, halpha = (columns[t].astype(np.float64) for t in ("NII_6584_EW", "HALPHA_6562_EW"))
    return whan(nii, halpha, line=line)


def bpt_scores(
    predicted: Columns, truth: Columns, faint_limit: float, min_objects: int
) -> dict[str, Any]:
    """Table 2: for each dividing line the scores of star formation and AGN."""
    sample = bpt_sample(truth, faint_limit)
    return {
        line: type_scores(
            bpt_types(truth, line=line)[sample],
            bpt_types(predicted, line=line)[sample],
            BPT_TYPES,
            min_objects,
        )
        for line in BPT_LINES
    }


def whan_scores(
    predicted: Columns, truth: Columns, faint_limit: float, min_objects: int
) -> dict[str, Any]:
    """Table 3: for each cut in [NII]/H-alpha the scores of passive, star-forming and AGN."""
    sample = whan_sample(truth, faint_limit)
    return {
        line: type_scores(
            whan_types(truth, line=line)[sample],
            whan_types(predicted, line=line)[sample],
            WHAN_TYPES,
            min_objects,
        )
        for line in WHAN_CUTS
    }


def type_scores(
    true: Types, given: Types, types: Sequence[str], min_objects: int
) -> dict[str, dict[str, Any]]:
    """Number, purity, completeness and F1 of each type, every true type weighing the same.

    true, given: names, (num_sources,), "" where there is none
    """
    counts = np.zeros((len(types) + 1, len(types) + 1))
    for row, true_type in enumerate(types):
        of_type = given[true == true_type]
        counts[row, :-1] = [np.sum(of_type == given_type) for given_type in types]
        counts[row, -1] = len(of_type) - counts[row].sum()
    return dict(zip(types, balanced_scores(counts, min_objects)[:-1], strict=True))
