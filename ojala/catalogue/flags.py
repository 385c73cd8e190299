"""QUALITY_FLAGS: what a user of an answer should know before she trusts it, as documented bits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ojala.catalogue.domain import Domain
from ojala.catalogue.recalibration import REDSHIFT_OF, Recalibration, magnitudes
from ojala.model.predictor import Predictor
from ojala.model.redshift_columns import SECOND
from ojala.model.shown import Shown
from ojala.tables.shards import Columns
from ojala.vocabulary.bands import narrow_bands
from ojala.vocabulary.quality_flags import FLAGS_COLUMN, bit
from ojala.vocabulary.quantities import CLASSES, vocabulary

ENOUGH_BANDS = math.ceil(50 / 54 * len(narrow_bands()))
"""Narrow bands of the selection of Section 2.2: 50 of 54, and as many of another survey's."""

SURE = 0.9
"""Probability of a class that is not ambiguous."""

SECOND_WEIGHT = 0.1
"""Probability of a second mode of p(z) that must not be overlooked."""

WIDE_REDSHIFT = 0.05
"""Error of a redshift over 1 + z whose threefold is an outlier's 0.15."""

WIDE = {"GALAXY": {"LOGM": 0.5, "LOGSFR": 0.5}, "QSO": {"LOGM": 0.5, "LOGSFR": 0.5}}
WIDE |= {"STAR": {"TEFF": 500.0}}
"""Errors beyond which a quantity of a class says little: 0.5 dex as Section 4.5 cuts, 500 K."""


def with_flags(
    predictor: Predictor,
    shown: Shown,
    queries: Sequence[str] | None = None,
    domain: Domain | None = None,
    recalibration: Recalibration | None = None,
) -> Columns:
    """The answers of ``Predictor.predict``, and QUALITY_FLAGS where nothing was asked by name.

    domain: of the predictor's bundle; None: OUTSIDE_TRAINING is not judged
    recalibration: of that bundle; None: answers are as the network gives them, and have no sets
    """
    everything = queries is None
    answers = predictor.predict(shown, queries, embeddings=everything and domain is not None)
    outside = None
    if everything and domain is not None:
        distance = domain.distance(answers.pop("EMBEDDING"))
        outside = distance > domain.limit
        answers |= humbled(answers, np.where(_few_bands(shown), 1.0, domain.trust(distance)))
    if recalibration is not None:
        answers = recalibration.of(answers, magnitudes(predictor, shown))
    if not everything:
        return answers
    return answers | {FLAGS_COLUMN: flags(answers, shown, outside)}


def flags(
    answers: Columns, shown: Shown, outside: NDArray[np.bool_] | None = None
) -> NDArray[np.int32]:
    """Bits of ``vocabulary.quality_flags``, (num_sources,).

    answers: of ``Predictor.predict`` to the default queries; shown: what they were about
    outside: sources whose embedding is outside the domain of training (``catalogue.domain``),
        (num_sources,); None: that bit is not judged
    """
    few = _few_bands(shown)
    probability = np.stack([answers[f"P_{name}"] for name in CLASSES], axis=1)
    said = {
        "FEW_BANDS": few,
        "CLASS_AMBIGUOUS": probability.max(axis=1) < SURE,
        "QUASAR_HOST": answers["CLASS"] == "QSO",
    } | _of_class(answers)
    if outside is not None:
        said["OUTSIDE_TRAINING"] = outside & ~few
    found = np.zeros(len(few), dtype=np.int32)
    for name, rows in said.items():
        found |= np.where(rows, bit(name), 0).astype(np.int32)
    return np.where(shown.answered, found, bit("NO_ANSWER")).astype(np.int32)


def humbled(answers: Columns, trust: NDArray[np.floating[Any]]) -> Columns:
    """Class probabilities that fall back towards a prior by which all classes are alike.

        P ~ P^trust

    As training draws classes they are alike. Nobody has shown the network what a stranger is; the
    most probable class stays.
    trust: 1 of a source within the domain, 0 of one that nothing is known of, (num_sources,)
    """
    names = [f"P_{name}" for name in CLASSES]
    probability = np.stack([answers[name] for name in names], axis=1)
    fallen = np.power(probability, trust[:, None])
    fallen /= fallen.sum(axis=1, keepdims=True)
    fallen = np.where((trust < 1)[:, None], fallen, probability)
    return dict(zip(names, fallen.astype(np.float32).T, strict=True))


def _few_bands(shown: Shown) -> NDArray[np.bool_]:
    """Sources with fewer than ENOUGH_BANDS, (num_sources,)."""
    return np.asarray(np.isfinite(shown.values[:, _NARROW]).sum(axis=1) < ENOUGH_BANDS)


_NARROW = [vocabulary().index(band.token) for band in narrow_bands()]


def _of_class(answers: Columns) -> dict[str, NDArray[np.bool_]]:
    """Flags that look at the redshift and quantities of the most probable class."""
    nobody = np.zeros(len(answers["CLASS"]), dtype=bool)
    multimodal, wide_redshift, wide = nobody.copy(), nobody.copy(), nobody.copy()
    with np.errstate(invalid="ignore"):
        for name in CLASSES:
            of_class = answers["CLASS"] == name
            for token, limit in WIDE[name].items():
                wide |= of_class & _above(answers[f"{token}_ERR"], limit)
            if name in REDSHIFT_OF:
                z = REDSHIFT_OF[name]
                multimodal |= of_class & (answers[f"{z}{SECOND}_WEIGHT"] >= SECOND_WEIGHT)
                share = answers[f"{z}_ERR"] / (1 + answers[z])
                wide_redshift |= of_class & _above(share, WIDE_REDSHIFT)
    return {
        "REDSHIFT_MULTIMODAL": multimodal,
        "REDSHIFT_WIDE": wide_redshift,
        "QUANTITY_WIDE": wide,
    }


def _above(error: NDArray[Any], limit: float) -> NDArray[np.bool_]:
    """Whether errors are above a limit, or are none."""
    return ~(np.asarray(error) <= limit)
