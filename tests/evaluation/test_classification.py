import numpy as np
import pytest
from matched import matched

from ojala.evaluation.classification import (
    class_calibration,
    class_codes,
    confusion,
    scores_of_counts,
)
from ojala.measures.metrics import NOT_ENOUGH

COUNTS = np.array([[80.0, 0, 20], [0, 10, 0], [5, 0, 5]])


def test_scores_are_those_of_the_balanced_matrix():
    result = scores_of_counts(COUNTS, 5)
    assert result["GALAXY"]["completeness"] == pytest.approx(0.8)
    assert result["GALAXY"]["purity"] == pytest.approx(0.8 / 1.3)
    assert result["weighted_f1"] == pytest.approx((16 / 23 + 1 + 10 / 17) / 3)
    assert result["accuracy"] == pytest.approx(95 / 120)
    assert result["confusion"] == [[80, 0, 20], [0, 10, 0], [5, 0, 5]]


def test_a_rare_class_is_not_enough_objects_and_the_others_are_scored():
    result = scores_of_counts(np.array([[80.0, 0, 20], [0, 60, 0], [5, 0, 5]]), 50)
    assert result["QSO"]["f1"] == NOT_ENOUGH
    assert result["QSO"]["num_sources"] == 10
    assert result["GALAXY"]["purity"] == 1.0, "few sources of another class do not count a third"
    assert result["weighted_f1"] == NOT_ENOUGH


def test_a_class_alone_has_neither_purity_nor_f1():
    alone = scores_of_counts(COUNTS, 50)["GALAXY"]
    assert alone["completeness"] == pytest.approx(0.8)
    assert alone["purity"] == alone["f1"] == NOT_ENOUGH, "no other class could be mistaken for it"


def test_sources_without_a_class_on_either_side_are_not_counted():
    predicted, truth = matched(90)
    truth["SPECTYPE"][:10] = -1
    predicted["CLASS"][10:30] = ""
    true, given = class_codes(predicted, truth)
    assert np.all(true[:30] == -1) and np.all(given[:30] == -1)
    assert confusion(predicted, truth, np.ones(90, dtype=bool)).sum() == 60


def test_honest_probabilities_have_no_calibration_error():
    everyone = np.ones(30_000, dtype=bool)
    honest = class_calibration(*matched(30_000, confused=0.2), everyone, 10)
    assert honest["ece"] < 0.01
    boastful, truth = matched(30_000, confused=0.2)
    for name in ("GALAXY", "STAR", "QSO"):
        boastful[f"P_{name}"] = np.round(boastful[f"P_{name}"])
    assert class_calibration(boastful, truth, everyone, 10)["ece"] == pytest.approx(0.2, abs=0.01)


def test_probabilities_are_judged_among_equally_common_classes():
    predicted, truth = matched(9000, confused=0.2)
    kept = (truth["SPECTYPE"] == 0) | (np.arange(9000) % 20 == 0)
    result = class_calibration(predicted, truth, kept, 10)
    assert result["ece"] < 0.03
    rare = class_calibration(predicted, truth, truth["SPECTYPE"] == 0, 10)
    assert rare["ece"] == NOT_ENOUGH
