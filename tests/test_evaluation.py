import numpy as np
import pytest

from ojala.evaluation import NOT_ENOUGH, by_magnitude, scores
from ojala.quantities import CLASSES, quantities

CONTINUOUS = [q for q in quantities() if q.kind == "continuous"]


def test_set(num=3000, seed=0, sigma_z=0.01, confused=0.0):
    """Truth, and predictions that scatter by what they state."""
    rng = np.random.default_rng(seed)
    code = rng.integers(0, 3, num)
    truth = {"SPECTYPE": code, "MAG_i": rng.uniform(16, 22, num), "z": rng.uniform(0.05, 0.3, num)}
    given = np.where(rng.random(num) < confused, (code + 1) % 3, code)
    predicted = {"CLASS": np.array(CLASSES, dtype=object)[given]}
    for quantity in CONTINUOUS:
        valid = np.isin(np.array(CLASSES)[code], quantity.classes)
        truth[quantity.token] = np.where(valid, rng.uniform(5, 10, num), np.nan)
        truth[f"{quantity.token}_ERR"] = np.full(num, 0.1)
        predicted[quantity.token] = truth[quantity.token] + 0.3 * rng.standard_normal(num)
        predicted[f"{quantity.token}_ERR"] = np.full(num, np.sqrt(0.3**2 - 0.1**2))
    for token in ("Z_GAL", "Z_QSO"):
        error = sigma_z * (1 + truth["z"])
        predicted[token] = truth["z"] + error * rng.standard_normal(num)
        predicted[f"{token}_ERR"] = error
    return predicted, truth


test_set.__test__ = False


def test_a_perfect_class_scores_one_and_honest_errors_cover():
    result = scores(*test_set())
    assert result["class"]["weighted_f1"] == 1.0
    assert result["galaxy"]["sigma_nmad"] == pytest.approx(0.01, rel=0.1)
    assert result["galaxy"]["outlier_fraction"] == 0.0
    assert result["LOGM"]["coverage_68"] == pytest.approx(0.68, abs=0.05)
    assert result["LOGM"]["sigma_nmad"] == pytest.approx(0.3, rel=0.1)


def test_confusion_and_outliers_are_counted():
    result = scores(*test_set(confused=0.2, sigma_z=0.5))
    assert result["class"]["weighted_f1"] == pytest.approx(0.8, abs=0.03)
    assert result["qso"]["outlier_fraction"] > 0.5


def test_only_sources_within_the_limits_count():
    predicted, truth = test_set()
    result = scores(predicted, truth, faint_limit=18.0)
    assert result["num_sources"] == np.sum(truth["MAG_i"] < 18.0)
    stars = (truth["SPECTYPE"] == 1) & (truth["MAG_i"] < 19.0)
    assert scores(predicted, truth)["TEFF"]["num_sources"] == stars.sum()


def test_widths_are_compared_in_dex():
    predicted, truth = test_set()
    predicted["HALPHA_6562_EW"] = truth["HALPHA_6562_EW"] * 10**0.2
    assert scores(predicted, truth)["HALPHA_6562_EW"]["bias"] == pytest.approx(0.2)


@pytest.mark.parametrize("num", [0, 1, 5])
def test_a_few_objects_are_not_enough_rather_than_zero(num):
    predicted, truth = test_set()
    few = (
        {name: values[:num] for name, values in columns.items()} for columns in (predicted, truth)
    )
    result = scores(*few)
    assert result["class"]["weighted_f1"] == NOT_ENOUGH
    assert result["galaxy"]["sigma_nmad"] == NOT_ENOUGH
    assert "outlier_fraction" not in result["galaxy"]


def test_a_missing_class_leaves_the_others_scored():
    predicted, truth = test_set()
    keep = truth["SPECTYPE"] != 2
    predicted, truth = ({n: v[keep] for n, v in c.items()} for c in (predicted, truth))
    result = scores(predicted, truth)
    assert result["class"]["QSO"]["f1"] == NOT_ENOUGH
    assert result["class"]["GALAXY"]["f1"] == 1.0
    assert result["qso"]["sigma_nmad"] == NOT_ENOUGH


def test_labels_that_are_all_missing_are_not_enough():
    predicted, truth = test_set()
    truth["LOGM"] = np.full_like(truth["LOGM"], np.nan)
    assert scores(predicted, truth)["LOGM"]["sigma_nmad"] == NOT_ENOUGH


def test_bins_of_magnitude_slide():
    bins = by_magnitude(*test_set())
    centres = [entry["mag_i"] for entry in bins]
    assert centres == sorted(centres)
    assert len(bins) > 8
