"""Scores of a recalibration: what is counted is what is in the sets."""

import numpy as np
import pytest
from matched import CONFIG, matched
from matched_sets import intervals

from ojala.catalogue.recalibration import EDGES, measured
from ojala.evaluation.set_scores import set_scores
from ojala.measures.metrics import NOT_ENOUGH


def survey(num, seed):
    predicted, truth = matched(num, confused=0.2, seed=seed)
    return predicted | intervals(predicted), truth


def test_coverages_are_those_of_the_sets():
    before, truth = survey(3000, 1)
    after = measured(*survey(6000, 2), "abc").of(before, truth["MAG_i"])
    found = set_scores(before, after, truth, CONFIG)
    rows = {(row["class"], row["magnitudes"]): row for row in found["sets"]}
    assert {said for _, said in rows} == {"all", "i < 19", "19 - 20", "20 - 21", "21 - 22"}
    bright = (truth["SPECTYPE"] == 2) & (truth["MAG_i"] < EDGES[0])
    row = rows["QSO", "i < 19"]
    assert row["num_sources"] == bright.sum()
    assert row["class_right"] == np.mean(before["CLASS"][bright] == "QSO")
    assert row["class_right"] == pytest.approx(0.8, abs=0.05)
    assert row["class_covered"] > 0.87
    z = truth["z"][bright]
    low, high = (before[f"Z_QSO_{end}90"][bright] for end in ("LOW", "HIGH"))
    assert row["z_before"] == np.mean((z >= low) & (z <= high))
    assert row["z_after"] == pytest.approx(0.9, abs=0.05)
    assert "z_after" not in rows["STAR", "all"]
    for when in ("before", "after"):
        assert set(found[when]) == {"ece", "ece_as_found", "nll"}
    assert found["after"]["nll"] <= found["before"]["nll"] + 1e-3


def test_too_few_sources_are_not_enough():
    before, truth = survey(9, 3)
    after = measured(before, truth, "abc").of(before, truth["MAG_i"])
    found = set_scores(before, after, truth, CONFIG)
    assert found["before"]["nll"] == found["after"]["ece"] == NOT_ENOUGH
    assert {row["class_covered"] for row in found["sets"]} == {NOT_ENOUGH}
    nothing = [{name: of[:0] for name, of in columns.items()} for columns in (before, after, truth)]
    assert set_scores(*nothing, CONFIG)["sets"] == []
