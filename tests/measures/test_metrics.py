import numpy as np
import pytest
from sklearn.metrics import confusion_matrix as reference_confusion
from sklearn.metrics import f1_score

from ojala.measures.metrics import (
    NOT_ENOUGH,
    balanced,
    bias,
    confusion_matrix,
    outlier_fraction,
    redshift_error,
    residual_scores,
    sigma_nmad,
    weighted_f1,
)


def test_balanced_measures_of_a_case_worked_by_hand():
    # 100 galaxies: 80 right, 20 called QSO; 10 stars: all right; 10 QSO: 5 right, 5 called galaxy.
    counts = np.array([[80, 0, 20], [0, 10, 0], [5, 0, 5]])
    measures = balanced(counts.astype(float))
    assert np.allclose(measures["completeness"], [0.8, 1.0, 0.5])
    assert np.allclose(measures["purity"], [0.8 / 1.3, 1.0, 0.5 / 0.7])
    assert np.allclose(measures["f1"], [2 * 0.8 / 2.3, 1.0, 2 * 0.5 / 1.7])
    assert weighted_f1(counts.astype(float)) == pytest.approx((16 / 23 + 1 + 10 / 17) / 3)


def test_balanced_measures_do_not_depend_on_how_common_a_class_is():
    counts = np.array([[80.0, 5, 20], [1, 10, 2], [5, 0, 5]])
    rescaled = counts * np.array([[1.0], [50.0], [7.0]])
    for name, values in balanced(counts).items():
        assert np.allclose(values, balanced(rescaled)[name])


def test_confusion_and_f1_agree_with_scikit_learn_on_equal_classes():
    rng = np.random.default_rng(0)
    true = np.repeat([0, 1, 2], 500)
    predicted = np.where(rng.random(1500) < 0.7, true, rng.integers(0, 3, 1500))
    counts = confusion_matrix(true, predicted, 3)
    assert np.array_equal(counts, reference_confusion(true, predicted))
    assert weighted_f1(counts) == pytest.approx(f1_score(true, predicted, average="macro"))


def test_a_missing_class_is_not_a_number_and_leaves_the_others_alone():
    counts = np.array([[8.0, 2, 0], [1, 9, 0], [0, 0, 0]])
    measures = balanced(counts)
    assert np.isnan(measures["completeness"][2])
    assert np.isnan(measures["f1"][2])
    assert np.allclose(measures["purity"][:2], [0.8 / 0.9, 0.9 / 1.1])
    assert np.isnan(weighted_f1(counts))


def test_nmad_is_the_papers():
    residual = np.array([0.0, 0.01, -0.02, 0.03, 0.5])
    assert bias(residual) == 0.01
    assert sigma_nmad(residual) == pytest.approx(1.48 * 0.02)
    rng = np.random.default_rng(1)
    assert sigma_nmad(rng.normal(3, 0.2, 100_000)) == pytest.approx(0.2, rel=0.02)


def test_an_outlier_lies_beyond_the_threshold_not_on_it():
    residual = redshift_error(np.array([0.15, 0.16, 1.0]), np.array([0.0, 0.0, 1.0]))
    assert outlier_fraction(residual, threshold=0.15) == pytest.approx(1 / 3)


def test_nothing_measured_is_not_zero():
    nothing = np.array([])
    assert np.isnan(bias(nothing))
    assert np.isnan(sigma_nmad(nothing))
    assert np.isnan(outlier_fraction(nothing, threshold=0.15))


def test_scores_leave_out_what_is_unknown():
    residual = np.array([0.0, 0.01, np.nan, 0.3, 0.02, -0.2])
    result = residual_scores(residual, 5, redshift=True)
    assert result["num_sources"] == 5
    assert result["bias"] == 0.01
    assert result["outlier_fraction"] == pytest.approx(0.4)
    assert "outlier_fraction" not in residual_scores(residual, 5)


@pytest.mark.parametrize("residual", [np.array([]), np.full(50, np.nan), np.array([0.1])])
def test_few_residuals_are_not_enough_objects(residual):
    result = residual_scores(residual, 2, redshift=True)
    assert [result[name] for name in ("bias", "sigma_nmad", "outlier_fraction")] == [NOT_ENOUGH] * 3
