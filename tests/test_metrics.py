import numpy as np
import pytest
from sklearn.metrics import confusion_matrix as reference_confusion
from sklearn.metrics import f1_score

from ojala.metrics import (
    balanced,
    bias,
    confusion_matrix,
    coverage,
    outlier_fraction,
    redshift_error,
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


def test_coverage_of_honest_errors():
    rng = np.random.default_rng(2)
    sigma = rng.uniform(0.1, 2, 50_000)
    residual = sigma * rng.standard_normal(50_000)
    assert coverage(residual, sigma, num_sigma=1) == pytest.approx(0.683, abs=0.01)
    assert coverage(residual, sigma, num_sigma=2) == pytest.approx(0.954, abs=0.005)


def test_nothing_measured_is_not_zero():
    nothing = np.array([])
    assert np.isnan(bias(nothing))
    assert np.isnan(sigma_nmad(nothing))
    assert np.isnan(outlier_fraction(nothing, threshold=0.15))
