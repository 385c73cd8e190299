"""The objective of a search: worked by hand, 0 for a perfect model, never of too few sources."""

import numpy as np
import pytest

from ojala.evaluation.objective import ObjectiveConfig, objective, set_scores
from ojala.vocabulary.quantities import CLASSES

WEIGHTS = {
    "class_weight": 1.0,
    "galaxy_weight": 2.0,
    "qso_weight": 0.5,
    "calibration_weight": 3.0,
}
CONFIG = ObjectiveConfig(**WEIGHTS, faint_limit=21.0, min_objects=4)


def truth_of(number=10):
    """So many galaxies, stars and quasars at z = 1."""
    code = np.repeat([0, 1, 2], number)
    return {"SPECTYPE": code, "z": np.ones(len(code)), "MAG_i": np.full(len(code), 20.0)}


def answers_to(truth, dz=0.0, sigma=1.0, given=None, certainty=1.0):
    """Answers with residuals dz (1 + z), stated errors sigma (1 + z), and classes."""
    code = truth["SPECTYPE"] if given is None else given
    answers = {"CLASS": np.array(CLASSES, dtype=object)[code]}
    for number, name in enumerate(CLASSES):
        answers[f"P_{name}"] = np.where(code == number, certainty, (1 - certainty) / 2)
    for token in ("Z_GAL", "Z_QSO"):
        answers[token] = truth["z"] + dz * (1 + truth["z"])
        answers[f"{token}_ERR"] = sigma * (1 + truth["z"]) + 0 * truth["z"]
    return answers


def test_a_case_worked_by_hand():
    truth = truth_of()
    # Of ten galaxies two are called stars: completeness 0.8, 1, 1; purity 1, 1 / 1.2, 1.
    given = truth["SPECTYPE"].copy()
    given[:2] = 1
    f1 = np.mean([2 * 0.8 / 1.8, 2 * (1 / 1.2) / (1 + 1 / 1.2), 1.0])
    # Residuals of +-0.01, half each: their median is 0, its absolute deviation 0.01.
    dz = np.where(np.arange(30) % 2, 0.01, -0.01)
    # Of galaxies seven errors in ten hold the truth, of quasars all do.
    sigma = np.where(np.arange(30) % 10 < 7, 0.02, 0.005)
    sigma[20:] = 0.02
    scores = set_scores(answers_to(truth, dz, sigma, given), truth, CONFIG, "val_real")
    assert scores["weighted_f1"] == pytest.approx(f1)
    assert scores["galaxy_sigma_nmad"] == pytest.approx(1.48 * 0.01)
    assert scores["qso_sigma_nmad"] == pytest.approx(1.48 * 0.01)
    # Certain, and wrong for a fifth of the galaxies, which weigh a third.
    ece = 0.2 / 3
    calibration = (abs(0.7 - 0.6827) + abs(1.0 - 0.6827) + ece) / 3
    assert scores["miscalibration"] == pytest.approx(calibration)
    found = objective({"val_real": scores}, CONFIG)
    by_hand = (1 - f1) + 2.0 * 0.0148 + 0.5 * 0.0148 + 3.0 * calibration
    assert found["objective"] == pytest.approx(by_hand)


def test_a_perfect_model_has_none_but_for_the_calibration():
    truth = truth_of()
    scores = set_scores(answers_to(truth), truth, CONFIG, "val_real")
    assert scores["weighted_f1"] == 1 and scores["ece"] == 0
    without = ObjectiveConfig(
        **WEIGHTS | {"calibration_weight": 0.0}, faint_limit=21, min_objects=4
    )
    assert objective({"val_real": scores}, without)["objective"] == 0


def test_the_sets_weigh_the_same():
    truth = truth_of()
    spread = np.where(np.arange(30) % 2, 0.03, -0.03)
    real = set_scores(answers_to(truth, spread), truth, CONFIG, "val_real")
    synth = set_scores(answers_to(truth), truth, CONFIG, "val_synth")
    found = objective({"val_real": real, "val_synth": synth}, CONFIG)
    assert found["galaxy_sigma_nmad"] == pytest.approx(1.48 * 0.03 / 2)
    assert found["weighted_f1"] == 1


def test_faint_sources_do_not_count():
    truth = truth_of()
    given = truth["SPECTYPE"].copy()
    given[:3] = 2
    truth["MAG_i"][:3] = 21.5
    assert set_scores(answers_to(truth, given=given), truth, CONFIG, "val")["weighted_f1"] == 1


def test_too_few_sources_are_an_error_not_a_zero():
    truth = truth_of(3)
    with pytest.raises(ValueError, match="val_synth: weighted_f1 cannot be measured, a class has"):
        set_scores(answers_to(truth), truth, CONFIG, "val_synth")


def test_weights_are_checked():
    with pytest.raises(ValueError, match="expected weights >= 0"):
        ObjectiveConfig(**WEIGHTS | {"qso_weight": -1.0}, faint_limit=21, min_objects=4)
