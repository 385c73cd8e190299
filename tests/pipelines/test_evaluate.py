"""The stage as a whole, on a small network that has learnt nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from matched import truth_of
from toy_model import toy_model

from ojala.catalogue import recalibration, zero_points
from ojala.catalogue.recalibration import by_sources
from ojala.catalogue.zero_points import ZeroPoints
from ojala.measures.metrics import NOT_ENOUGH
from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.tables.shards import as_table, jpas_schema, matched_schema, mocks_schema
from ojala.training.resident import measured_scaling
from ojala.vocabulary.bands import narrow_bands
from ojala.vocabulary.quantities import MORPHTYPES, queries
from pipelines import evaluate as stage
from pipelines.registry import tracking

ROOT = Path(__file__).parents[2]


def columns_of(num, seed):
    """Columns that every table of the stage can take its own from."""
    columns = truth_of(num, np.random.default_rng(seed))
    for name in list(columns):
        if name.startswith(("J0", "MAG_")):
            columns[f"{name}_ERR"] = np.full(num, 0.05)
    columns["MORPHTYPE"] = columns["MORPHTYPE"] % len(MORPHTYPES)
    split = np.full(num, "train", dtype=object)
    return columns | {"weight": np.full(num, 1 / num), "split": split}


def write(path, columns, schema):
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {name: values for name, values in columns.items() if name in schema.names}
    pq.write_table(as_table(kept, schema), path)


@pytest.fixture
def run_id(tmp_path, monkeypatch):
    """The run that trained the bundle."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return tracking.client().create_run(tracking.experiment()).info.run_id


@pytest.fixture
def project(tmp_path, run_id):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    for number, name in enumerate(("test_real", "test_synth")):
        columns = columns_of(60, number) | {"targetid": np.arange(60)}
        write(tmp_path / f"data/crossmatch/{name}.parquet", columns, matched_schema())
    write(tmp_path / "data/weights/part-00000.parquet", columns_of(80, 2), mocks_schema())
    write(tmp_path / "data/jpas/part-00000.parquet", columns_of(90, 3), jpas_schema())
    zero_points.write(
        ZeroPoints(
            tiles=np.array([0]),
            offset=np.full((1, len(narrow_bands())), 0.01),
            num_sources=np.full((1, len(narrow_bands())), 50),
        ),
        tmp_path / "data/zero_points.parquet",
    )
    table = pq.read_table(tmp_path / "data/weights/part-00000.parquet")
    provenance = {"run_id": run_id, "git_commit": "0", "params_digest": "0"}
    provenance |= {"data_source": "simulated", "data": {}}
    scaling = measured_scaling(table, ew_transform="asinh", seed=0)
    digest = bundle.save(tmp_path / "models/ojala", toy_model(), scaling, provenance)
    predictor = Predictor(bundle.load(tmp_path / "models/ojala"))
    held_out = by_sources(predictor, columns_of(80, 2), columns_of(80, 2))
    recalibration.write(held_out, tmp_path / "models/recalibration.json")
    (tmp_path / "models/run.json").write_text(json.dumps({"run_id": run_id, "digest": digest}))
    return tmp_path


def evaluate(project):
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.evaluate"],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads((project / "reports/metrics.json").read_text())


@pytest.mark.slow
def test_the_stage_leaves_numbers_curves_figures_and_a_report(project, run_id):
    metrics = evaluate(project)
    for name in ("test_real", "test_real_calibrated", "test_synth"):
        assert 0 <= metrics[name]["class"]["weighted_f1"] <= 1
        assert metrics[name]["galaxy"]["sigma_nmad"] > 0
        assert 0 <= metrics[name]["galaxy"]["outlier_fraction"] <= 1
    summary = json.loads((project / "reports/summary.json").read_text())
    assert (
        summary["test_real"]["class"]["weighted_f1"] == metrics["test_real"]["class"]["weighted_f1"]
    )
    assert len(list((project / "reports/figures/evaluation").glob("*.png"))) == 22
    assert {path.stem for path in (project / "reports/curves").iterdir()} == {
        *("class_f1", "sigma_nmad", "outlier_fraction", "bands_shown")
    }
    assert "simulated sky" in (project / "reports/report.html").read_text()
    # The run has them too: numbers, the report, and each figure as an image to compare runs by.
    run = tracking.client().get_run(run_id)
    logged = run.data.metrics["test_real.class.weighted_f1"]
    assert logged == pytest.approx(metrics["test_real"]["class"]["weighted_f1"], rel=1e-4)
    reports = {file.path for file in tracking.client().list_artifacts(run_id, "reports")}
    assert reports == {"reports/metrics.json", "reports/report.html"}
    images = [file.path for file in tracking.client().list_artifacts(run_id, "images")]
    for figure in (project / "reports/figures/evaluation").glob("*.png"):
        named = [path for path in images if path.startswith(f"images/{figure.stem}+step+0+")]
        assert any(path.endswith(".png") for path in named), figure.stem


def nothing(columns):
    return {name: values[:0] for name, values in columns.items()}


def one_object(columns):
    return {name: values[:1] for name, values in columns.items()}


def no_quasars_no_labels(columns):
    kept = {name: values[columns["SPECTYPE"] != 2] for name, values in columns.items()}
    labels = [name for name in queries() if name != "SPECTYPE"]
    return kept | {name: np.full(len(kept["z"]), np.nan) for name in labels}


def leaves(value):
    """Every number of a nested report."""
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in leaves(inner)]
    return [value]


@pytest.mark.slow
@pytest.mark.parametrize("kept", [nothing, one_object, no_quasars_no_labels])
def test_a_poor_test_set_has_not_enough_objects_rather_than_zeros(project, monkeypatch, kept):
    for name in ("test_real", "test_synth"):
        columns = kept(columns_of(60, 0) | {"targetid": np.arange(60)})
        write(project / f"data/crossmatch/{name}.parquet", columns, matched_schema())
    monkeypatch.chdir(project)
    monkeypatch.setattr(stage, "_join_run", lambda metrics: None)
    stage.evaluate()
    summary = json.loads((project / "reports/summary.json").read_text())["test_real"]
    assert {*leaves(summary["qso"]), *leaves(summary["star"])} == {NOT_ENOUGH}
    assert summary["class"]["weighted_f1"] == NOT_ENOUGH
    curve = json.loads((project / "reports/curves/class_f1.json").read_text())
    assert all(row["qso"] is None for row in curve)
    assert (project / "reports/report.html").read_text().count(NOT_ENOUGH) > 50
    assert len(list((project / "reports/figures/evaluation").glob("*.png"))) == 22
