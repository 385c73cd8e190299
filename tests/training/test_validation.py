"""Validation says of a model what its Predictor would."""

import numpy as np
import pytest
from toy_model import toy_model
from toy_sky import toy_table

from ojala.model.bundle import Bundle
from ojala.model.predictor import Predictor
from ojala.tables.shards import columns_of
from ojala.training.resident import measured_scaling, resident
from ojala.training.validation import validate


@pytest.fixture(scope="module")
def table():
    return toy_table(200, missing=0.1)


@pytest.fixture(scope="module")
def scaling(table):
    return measured_scaling(table)


@pytest.fixture(scope="module")
def model():
    return toy_model()


@pytest.fixture(scope="module")
def metrics(model, table, scaling):
    return validate(model, resident(table, scaling, labelled=True), num_rows=1000)


@pytest.fixture(scope="module")
def predicted(model, table, scaling):
    return Predictor(Bundle(model=model, scaling=scaling)).predict(table)


def test_accuracy_is_that_of_the_predictor(metrics, predicted, table):
    truth = columns_of(table)["spectype"]
    for name in ("GALAXY", "STAR", "QSO"):
        share = np.mean(predicted["CLASS"][truth == name] == name)
        assert metrics[f"val/accuracy/{name}"] == pytest.approx(share)


@pytest.mark.parametrize("token", ["Z_GAL", "Z_QSO"])
def test_redshift_scatter_is_that_of_the_predictor(metrics, predicted, table, token):
    truth = columns_of(table)[token]
    dz = ((predicted[token] - truth) / (1 + truth))[np.isfinite(truth)]
    nmad = 1.48 * np.median(np.abs(dz - np.median(dz)))  # Eq. 8
    assert metrics[f"val/sigma_nmad/{token}"] == pytest.approx(nmad, rel=1e-3)
    share = np.mean(np.abs(dz) > 0.15)
    assert metrics[f"val/outlier_fraction/{token}"] == pytest.approx(share, abs=0.02)


def test_likelihood_is_that_of_the_predicted_gaussians(metrics, predicted, table, scaling):
    """In scaled units, with the label's variance added (Eq. 2)."""
    columns = columns_of(table)
    known = np.isfinite(columns["TEFF"])
    mean, error = scaling.scale("TEFF", predicted["TEFF"], predicted["TEFF_ERR"])
    truth, label_err = scaling.scale("TEFF", columns["TEFF"], columns["TEFF_ERR"])
    variance = (error**2 + label_err**2)[known]
    expected = np.mean(0.5 * ((mean - truth)[known] ** 2 / variance + np.log(variance)))
    assert metrics["val/nll/TEFF"] == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_loss_is_the_mean_over_quantities(metrics):
    losses = [value for name, value in metrics.items() if name.startswith("val/nll/")]
    assert len(losses) == 15
    assert metrics["val/loss"] == pytest.approx(np.mean(losses))


def test_a_quantity_without_truth_has_no_metric(model, table, scaling):
    columns = columns_of(table)
    stars = table.take(np.flatnonzero(columns["spectype"] == "STAR"))
    metrics = validate(model, resident(stars, scaling, labelled=True), num_rows=1000)
    assert "val/nll/TEFF" in metrics
    assert "val/nll/Z_GAL" not in metrics
    assert "val/accuracy/QSO" not in metrics


def test_a_model_in_training_stays_so_and_dropout_takes_no_part(model, table, scaling, metrics):
    model.train()
    again = validate(model, resident(table, scaling, labelled=True), num_rows=1000)
    assert model.training
    assert again == metrics


def test_at_most_num_rows_are_used(model, table, scaling):
    mocks = resident(table, scaling, labelled=True)
    few = validate(model, mocks, num_rows=50)
    assert few["val/loss"] != validate(model, mocks, num_rows=200)["val/loss"]
