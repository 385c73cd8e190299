"""Versions of the model: one per digest, loaded and asked before the alias points at it."""

import json
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from toy_sky import toy_table

from ojala.model import bundle
from ojala.model.network import Ojala
from ojala.model.predictor import Predictor
from ojala.model.presets import preset
from ojala.tables.shards import columns_of, jpas_schema, write_shards
from ojala.training.resident import measured_scaling
from pipelines import register
from pipelines.registry import tracking


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project after its training: a J-PAS table, a bundle, a run, and a tracking database."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    jpas = toy_table(20, seed=3, labelled=False, missing=0.2)
    write_shards(iter([columns_of(jpas)]), "data/jpas", jpas_schema())
    with tracking.run("train", {}, {}) as run_id:
        digest = make_bundle(0, run_id)
    return {"run_id": run_id, "digest": digest}


def make_bundle(seed, run_id):
    torch.manual_seed(seed)
    scaling = measured_scaling(toy_table(100))
    digest = bundle.save("models/ojala", Ojala(preset("demo")), scaling, {"run_id": run_id})
    Path("models/run.json").write_text(json.dumps({"run_id": run_id, "digest": digest}))
    return digest


def candidate():
    return tracking.client().get_model_version_by_alias("ojala", "candidate")


def versions():
    return tracking.client().search_model_versions("name = 'ojala'")


def test_a_bundle_is_registered_once_and_the_alias_follows_it(project):
    register.register()
    assert json.loads(Path("models/registered.json").read_text()) == {
        "name": "ojala",
        "version": "1",
        "digest": project["digest"],
        "run_id": project["run_id"],
    }
    register.register()
    assert len(versions()) == 1

    make_bundle(1, project["run_id"])
    register.register()
    assert str(candidate().version) == "2"
    assert make_bundle(0, project["run_id"]) == project["digest"]
    register.register()
    assert str(candidate().version) == "1" and len(versions()) == 2


def test_a_version_answers_as_its_bundle_and_holds_no_pickle(project, tmp_path):
    register.register()
    loaded = mlflow.pyfunc.load_model("models:/ojala@candidate")
    jpas = toy_table(20, seed=4, labelled=False)
    columns = {name: jpas[name].to_numpy() for name in ("MAG_i", "J0378", "J0500")}
    asked = loaded.predict(mlflow_frame(columns), params={"queries": ["Z_GAL", "SPECTYPE"]})
    expected = Predictor(bundle.load("models/ojala")).predict(columns, ["Z_GAL", "SPECTYPE"])
    np.testing.assert_array_equal(asked["Z_GAL"], expected["Z_GAL"])
    assert list(asked["CLASS"]) == list(expected["CLASS"])
    files = [path.name for path in (tmp_path / "mlartifacts").rglob("*") if path.is_file()]
    assert "weights.safetensors" in files
    assert not [name for name in files if name.endswith((".pkl", ".pickle", ".pt", ".pth"))]


def mlflow_frame(columns):
    import pandas as pd

    return pd.DataFrame({name: values.astype(float) for name, values in columns.items()})


def test_a_bundle_outlives_the_database_of_its_run(project, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/another.db")
    register.register()
    run = tracking.client().get_run(candidate().run_id)
    assert run.info.run_name == f"restored {project['digest'][:8]}"


def test_a_version_that_answers_otherwise_gets_no_alias(project, monkeypatch):
    answer = Predictor.predict
    calls = []

    def faulty(self, *arguments, **keywords):
        calls.append(1)
        columns = answer(self, *arguments, **keywords)
        return columns if len(calls) > 1 else columns | {"Z_GAL": columns["Z_GAL"] + 1}

    monkeypatch.setattr(Predictor, "predict", faulty)
    with pytest.raises(ValueError, match="answers otherwise than its bundle"):
        register.register()
    with pytest.raises(mlflow.MlflowException):
        candidate()
