"""What a search of settings minimises: one number from the validation sets, 0 for a perfect model.

    objective = w_class (1 - F1) + w_galaxy sigma_galaxy + w_qso sigma_qso + w_calibration C
    C = mean of |coverage_galaxy - 0.6827|, |coverage_qso - 0.6827| and ECE

F1 is the balanced one of the three classes (Eqs. 4-7), sigma the sigma_nmad of the redshifts of
galaxies and of quasars (Eq. 8), coverage the share of true redshifts within the stated 1 sigma, ECE
the expected calibration error of the class. Each is the mean over the sets; all are pure numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ojala.evaluation.classification import class_calibration, confusion, scores_of_counts
from ojala.evaluation.comparisons import REDSHIFT_TOKENS, brighter_than, redshift
from ojala.measures.calibration import LEVELS, calibration_of
from ojala.measures.metrics import NOT_ENOUGH, residual_scores
from ojala.tables.shards import Columns

QUERIES = ("SPECTYPE", *REDSHIFT_TOKENS.values())
"""What the objective needs to be asked of a model."""


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """Weights of the terms, and which sources count.

    class_weight, galaxy_weight, qso_weight, calibration_weight: of 1 - F1, of both sigma_nmad and
        of C above
    faint_limit: i magnitude of the faintest sources; min_objects: that a class must have
    """

    class_weight: float
    galaxy_weight: float
    qso_weight: float
    calibration_weight: float
    faint_limit: float
    min_objects: int

    def __post_init__(self) -> None:
        weights = (
            self.class_weight,
            self.galaxy_weight,
            self.qso_weight,
            self.calibration_weight,
        )
        if min(weights) < 0 or not sum(weights) > 0:
            raise ValueError(
                f"tune.objective: expected weights >= 0, one of them > 0, not {list(weights)}"
            )
        if self.min_objects < 1:
            raise ValueError(
                f"tune.objective.min_objects is {self.min_objects}, expected 1 or more"
            )


def set_scores(
    predicted: Columns, truth: Columns, config: ObjectiveConfig, name: str
) -> dict[str, float]:
    """The four terms of one set, which ``name`` is the name of.

    predicted: answers to QUERIES; truth: columns of the matched set, row by row the same.
    Raises ValueError if a class has fewer than ``config.min_objects`` sources.
    """
    bright = brighter_than(truth, config.faint_limit)
    found: dict[str, Any] = {
        "weighted_f1": scores_of_counts(confusion(predicted, truth, bright), config.min_objects)[
            "weighted_f1"
        ]
    }
    calibration = class_calibration(predicted, truth, bright, config.min_objects)
    found["ece"] = calibration["ece"]
    for kind in REDSHIFT_TOKENS:
        compared = redshift(predicted, truth, kind).among(bright)
        scores = residual_scores(compared.residual, config.min_objects)
        stated = calibration_of(compared.stated, config.min_objects)
        found[f"{kind}_sigma_nmad"] = scores["sigma_nmad"]
        found[f"{kind}_coverage_68"] = stated["coverage_68"]
    for score, value in found.items():
        if value == NOT_ENOUGH:
            raise ValueError(
                f"{name}: {score} cannot be measured, a class has fewer than "
                f"{config.min_objects} sources with i < {config.faint_limit}"
            )
    found["miscalibration"] = (
        found["ece"]
        + sum(abs(found[f"{k}_coverage_68"] - LEVELS["coverage_68"]) for k in REDSHIFT_TOKENS)
    ) / (1 + len(REDSHIFT_TOKENS))
    return {score: float(value) for score, value in found.items()}


def objective(sets: Mapping[str, Mapping[str, float]], config: ObjectiveConfig) -> dict[str, float]:
    """The ``objective`` and the means of its terms over the sets.

    sets: ``set_scores`` by set
    """
    names = ("weighted_f1", "galaxy_sigma_nmad", "qso_sigma_nmad", "miscalibration")
    means = {name: sum(scores[name] for scores in sets.values()) / len(sets) for name in names}
    value = (
        config.class_weight * (1 - means["weighted_f1"])
        + config.galaxy_weight * means["galaxy_sigma_nmad"]
        + config.qso_weight * means["qso_sigma_nmad"]
        + config.calibration_weight * means["miscalibration"]
    )
    return {"objective": value, **means}
