import numpy as np
import pytest
from matched import CONFIG, in_every_context, matched, rows_of

from ojala.evaluation.config import EvaluateConfig
from ojala.evaluation.contexts import TRAYS
from ojala.evaluation.scores import headline, scores
from ojala.measures.metrics import NOT_ENOUGH


def scored(predicted, truth, config=CONFIG):
    return scores(in_every_context(predicted), truth, config)


def test_a_perfect_class_scores_one_and_honest_errors_cover():
    result = scored(*matched())
    assert result["class"]["weighted_f1"] == 1.0
    assert result["galaxy"]["sigma_nmad"] == pytest.approx(0.01, rel=0.1)
    assert result["galaxy"]["outlier_fraction"] == 0.0
    assert result["galaxy"]["LOGM"]["sigma_nmad"] == pytest.approx(0.1, rel=0.1)
    for of_class in ("galaxy", "qso", "star"):
        for entry in result["calibration"][of_class].values():
            assert entry["coverage_68"] == pytest.approx(0.68, abs=0.07)


def test_confusion_and_outliers_are_counted():
    result = scored(*matched(confused=0.2, sigma_z=0.5))
    assert result["class"]["weighted_f1"] == pytest.approx(0.8, abs=0.03)
    assert result["qso"]["outlier_fraction"] > 0.5


def test_every_context_is_scored_by_itself():
    predicted, truth = matched()
    worse, _ = matched(confused=0.5, sigma_z=0.1)
    given = in_every_context(predicted) | {"BB": worse, "hidden_50": worse}
    result = scores(given, truth, CONFIG)
    assert set(result["contexts"]) == set(TRAYS)
    assert result["contexts"]["all"]["weighted_f1"] == 1.0
    assert result["contexts"]["BB"]["weighted_f1"] < 0.6
    assert result["hidden_bands"]["50"]["galaxy"]["sigma_nmad"] > 0.05
    assert result["hidden_bands"]["10"]["galaxy"]["sigma_nmad"] < 0.02


def test_masked_and_control_runs_are_those_of_their_contexts():
    predicted, truth = matched()
    blind = predicted | {"HALPHA_6562_EW": 2 * predicted["HALPHA_6562_EW"]}
    control = predicted | {"LOGM": predicted["LOGM"] + 0.3}
    given = in_every_context(predicted) | {"lines_hidden": blind, "BB_zspec": control}
    result = scores(given, truth, CONFIG)
    difference = (
        result["lines_hidden"]["galaxy"]["HALPHA_6562_EW"]["bias"]
        - result["galaxy"]["HALPHA_6562_EW"]["bias"]
    )
    assert difference == pytest.approx(np.log10(2), abs=1e-6)
    assert result["BB_zspec"]["qso"]["LOGM"]["bias"] == pytest.approx(0.3, abs=0.02)


def test_scores_by_missing_bands_add_up():
    result = scored(*matched())
    assert set(result["missing_bands"]) == {"0", "2"}
    numbers = [entry["num_sources"] for entry in result["missing_bands"].values()]
    assert sum(numbers) == result["num_sources"]


def test_only_sources_within_the_limit_count():
    predicted, truth = matched()
    result = scored(predicted, truth, EvaluateConfig(faint_limit=18.0, hidden_bands=()))
    assert result["num_sources"] == np.sum(truth["MAG_i"] < 18.0)


@pytest.mark.parametrize("num", [0, 1, 5])
def test_a_few_objects_are_not_enough_rather_than_zero(num):
    predicted, truth = matched()
    result = scored(rows_of(predicted, slice(num)), rows_of(truth, slice(num)))
    assert result["class"]["weighted_f1"] == NOT_ENOUGH
    assert result["calibration"]["class"]["ece"] == NOT_ENOUGH
    for name in ("sigma_nmad", "outlier_fraction"):
        assert result["galaxy"][name] == result["qso"][name] == NOT_ENOUGH
    assert result["galaxy"]["bpt"]["Ke01"]["SF"]["f1"] == NOT_ENOUGH
    assert result["star"]["TEFF"]["bias"] == NOT_ENOUGH


def test_a_missing_class_leaves_the_others_scored():
    predicted, truth = matched()
    kept = truth["SPECTYPE"] != 2
    result = scored(rows_of(predicted, kept), rows_of(truth, kept))
    assert result["class"]["QSO"]["f1"] == NOT_ENOUGH
    assert result["class"]["GALAXY"]["f1"] == 1.0
    assert result["qso"]["sigma_nmad"] == result["qso"]["LOGM"]["bias"] == NOT_ENOUGH


def test_labels_that_are_all_missing_are_not_enough():
    predicted, truth = matched()
    for token in ("LOGM", "HALPHA_6562_EW"):
        truth[token] = np.full_like(truth[token], np.nan)
    result = scored(predicted, truth)
    assert result["galaxy"]["LOGM"]["sigma_nmad"] == NOT_ENOUGH
    assert result["calibration"]["galaxy"]["LOGM"]["crps"] == NOT_ENOUGH
    assert result["galaxy"]["whan"]["S06"]["SF"]["f1"] == NOT_ENOUGH
    assert result["galaxy"]["L_HALPHA_CORR"]["bias"] == NOT_ENOUGH


@pytest.mark.parametrize("wrong", [{"min_objects": 0}, {"hidden_bands": (55,)}, {"num_draws": 0}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=r"evaluate\."):
        EvaluateConfig(**wrong)


def test_the_headline_is_short_and_leads_to_the_same_numbers():
    result = scored(*matched())
    short = headline(result)
    assert short["class"]["weighted_f1"] == result["class"]["weighted_f1"]
    assert short["galaxy"]["sigma_nmad"] == result["galaxy"]["sigma_nmad"]
    assert short["star"]["TEFF"]["sigma_nmad"] == result["star"]["TEFF"]["sigma_nmad"]
    assert str(short).count(":") < 60
