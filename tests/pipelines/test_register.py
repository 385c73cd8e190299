"""Versions of the model: one per digest, loaded and asked before the alias points at it."""

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import mlflow
import numpy as np
import pytest
import requests
import torch
from toy_sky import toy_table

from ojala.model import bundle
from ojala.model.network import Ojala
from ojala.model.predictor import Predictor
from ojala.model.presets import preset
from ojala.tables.shards import columns_of, jpas_schema, write_shards
from ojala.training.config import TrainConfig
from ojala.training.resident import measured_scaling
from pipelines import register
from pipelines.registry import tracking
from pipelines.registry.teacher import teacher


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


def test_a_version_teaches_whatever_becomes_of_the_bundle_that_it_was_made_of(project):
    register.register()
    shutil.rmtree("models/ojala")
    opened = teacher(TrainConfig(teacher="ojala/1"))
    assert opened.digest == project["digest"]
    assert teacher(TrainConfig()) is None
    with pytest.raises(ValueError, match=r"^train\.teacher: no version 2 of ojala; aliases: cand"):
        teacher(TrainConfig(teacher="ojala/2"))


def asked_for(monkeypatch, num_metrics):
    """What is asked of an HTTP server to register the bundle of a run of so many metrics."""
    with tracking.run("train", {"train": {"seed": 1}}, {}) as run_id:
        digest = make_bundle(num_metrics, run_id)
        tracking.log_metrics(run_id, {f"m{i}": float(i) for i in range(num_metrics)}, step=0)
    asked = []
    send = requests.Session.send

    def counted(self, request, **keywords):
        asked.append(request.path_url)
        return send(self, request, **keywords)

    with monkeypatch.context() as patched:
        patched.setattr(requests.Session, "send", counted)
        register.register()
    return run_id, digest, asked


@pytest.mark.slow
def test_requests_to_a_server_do_not_grow_with_the_metrics_of_the_run(
    project, tmp_path, monkeypatch
):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    stored = ["--backend-store-uri", f"sqlite:///{tmp_path}/served.db"]
    stored += ["--artifacts-destination", str(tmp_path / "artifacts")]
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", "--port", port, "--workers", "1", *stored],
        stdout=(tmp_path / "server.log").open("w"),
        stderr=subprocess.STDOUT,
    )
    try:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
        until_it_answers(f"http://127.0.0.1:{port}/health", server)
        asked_for(monkeypatch, 1)  # the first describes the model as well
        _, _, few = asked_for(monkeypatch, 2)
        run_id, digest, many = asked_for(monkeypatch, 1500)
        assert abs(len(many) - len(few)) < 5  # threads of MLflow ask as well; of 1498 more metrics
        assert not [path for path in many if "get-history" in path]
        check_lineage(run_id, digest)
    finally:
        server.terminate()
        server.wait()


def until_it_answers(address, server):
    end = time.monotonic() + 600
    while server.poll() is None and time.monotonic() < end:
        try:
            return urllib.request.urlopen(address, timeout=5).close()
        except OSError:
            time.sleep(0.3)
    raise AssertionError("MLflow's server does not answer")


def check_lineage(run_id, digest):
    """Version, logged model and run name each other."""
    server = tracking.client()
    version = candidate()
    assert version.run_id == run_id and version.tags["digest"] == digest
    run = server.get_run(run_id)
    (output,) = run.outputs.model_outputs
    logged = server.get_logged_model(output.model_id)
    assert logged.source_run_id == run_id and logged.model_id in version.source
    assert logged.status == "READY" and logged.params["train.seed"] == "1"
    assert logged.experiment_id == run.info.experiment_id
    assert run.info.status == "FINISHED"


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
