"""An evaluation of Test-Real and Test-Synth made by hand, and the sources around them."""

import numpy as np
from matched import CONFIG, in_every_context, matched, rows_of

from ojala.catalogue.recalibration import measured
from ojala.evaluation.config import REAL, SYNTH
from ojala.evaluation.gap import gaps
from ojala.evaluation.scores import scores
from ojala.evaluation.set_scores import set_scores
from ojala.figures import surveys
from ojala.figures.album import Evaluated, Surroundings
from ojala.measures.redshift_pdf import gaussian
from ojala.measures.redshift_scores import score_columns
from ojala.model.redshift_columns import gaussian_summary, named


def evaluated(kept=slice(None), **missing):
    """An evaluation of two sets of the same sources; ``missing`` labels are NaN."""
    sets = {}
    for name, seed in ((REAL, 1), (SYNTH, 2)):
        predicted, truth = matched(900, confused=0.1, seed=0)
        rng = np.random.default_rng(seed)
        predicted["LOGM"] = predicted["LOGM"] + 0.05 * rng.standard_normal(900)
        for label in missing:
            truth[label] = np.full(900, np.nan)
        sets[name] = rows_of(predicted, kept), rows_of(truth, kept)
    redshifts = {name: gaussian_redshifts(predicted) for name, (predicted, _) in sets.items()}
    for name, (predicted, truth) in sets.items():
        predicted |= score_columns(redshifts[name], truth["z"]) | intervals(predicted)
    given = {name: in_every_context(predicted) for name, (predicted, _) in sets.items()}
    scored = {name: scores(given[name], sets[name][1], CONFIG) for name in sets}
    for name, (predicted, truth) in sets.items():
        after = measured(predicted, truth, "toy").of(predicted, truth["MAG_i"])
        scored[name]["recalibration"] = set_scores(predicted, after, truth, CONFIG)
    return Evaluated(
        scores=scored,
        gaps=gaps(sets[REAL], sets[SYNTH], CONFIG),
        predictions=given,
        truth={name: truth for name, (_, truth) in sets.items()},
        redshifts=redshifts,
        config=CONFIG,
    )


def intervals(predicted):
    """What else a catalogue says of p(z) of answers by hand."""
    said = {}
    for token in ("Z_GAL", "Z_QSO"):
        numbers = gaussian_summary(predicted[token], predicted[f"{token}_ERR"])
        said |= named(token, numbers)
    return {name: values for name, values in said.items() if name not in predicted}


def gaussian_redshifts(predicted):
    """p(z) of answers by hand."""
    return {
        token: gaussian(
            predicted[token].astype(np.float64), predicted[f"{token}_ERR"].astype(np.float64)
        )
        for token in ("Z_GAL", "Z_QSO")
    }


def surroundings(found):
    truth = dict(found.truth[REAL])
    for name in list(truth):
        if name.startswith("J0"):
            truth[f"{name}_ERR"] = np.full(len(truth[name]), 0.05)
    rows = surveys.examples(truth, 1)
    return Surroundings(
        mocks=truth,
        jpas=truth,
        examples=rows_of(truth, rows),
        others=truth,
        nearest=rows,
    )
