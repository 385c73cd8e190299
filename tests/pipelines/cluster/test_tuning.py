"""A search, with Ray Tune and MLflow: what it finds, keeps over a kill, and says of failures."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from one_cluster import one_cluster
from ruamel.yaml import YAML
from toy_sky import toy_table

from ojala.tables.shards import as_table, columns_of, matched_schema
from ojala.training.config import TrainConfig
from pipelines import params
from pipelines.registry import tracking

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.slow

TINY = {
    "num_epochs": 2,
    "steps_per_epoch": 2,
    "batch_size": 32,
    "jpas_batch_size": 16,
}
SEARCH = {"num_trials": 3, "num_epochs": 3, "steps_per_epoch": 2, "grace_epochs": 1}


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """One database for all the searches: its first use takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture
def project(tmp_path, monkeypatch, database):
    """A project before its search; of the test sets there are none."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    tracking.experiment()  # made by one process, before another looks
    for name, num_sources in (("weights", 300), ("jpas", 100)):
        (tmp_path / "data" / name).mkdir(parents=True)
        table = toy_table(num_sources, seed=1, labelled=name == "weights")
        pq.write_table(table, tmp_path / "data" / name / "part-00000.parquet")
    (tmp_path / "data/crossmatch").mkdir()
    matched = as_table(columns_of(toy_table(90, seed=2)), matched_schema())
    for name in ("val_real", "val_synth"):
        pq.write_table(matched, tmp_path / f"data/crossmatch/{name}.parquet")
    write_params(tmp_path)
    with one_cluster():
        yield tmp_path


def write_params(project, masking=None, **changes):
    yaml = YAML()
    content = yaml.load(ROOT / "params.yaml")
    content["train"] |= TINY
    content["tune"] |= SEARCH | changes
    content["tune"]["objective"]["min_objects"] = 5
    content["train"]["masking"] |= {"fresh_noise": False} | (masking or {})  # toys have no noise
    content["cluster"] |= {"cpus_per_worker": 1, "trials_at_once": 1, "max_failures": 0}
    yaml.dump(content, project / "params.yaml")


def begin(project):
    """The command of the stage."""
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines.tune"],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def searched(project):
    command = begin(project)
    said, _ = command.communicate(timeout=300)
    return command.returncode, said


def trial_runs(search=None):
    """The child runs of the latest search, in the order of their numbers."""
    server = tracking.client()
    runs = server.search_runs([tracking.experiment()])
    parents = [run for run in runs if "search" in run.data.tags]
    parent = search or parents[0].info.run_id
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent]
    return parent, sorted(children, key=lambda run: int(run.data.tags["number"]))


def test_a_search_killed_in_the_middle_keeps_the_trials_that_were_done(project):
    first = begin(project)
    while first.poll() is None:
        parent, before = trial_runs() if known_search() else (None, [])
        done = {run.info.run_id: run for run in before if run.info.status == "FINISHED"}
        if done and len(before) > len(done):
            break
        time.sleep(0.3)
    first.send_signal(signal.SIGKILL)
    said, _ = first.communicate()
    assert first.returncode == -signal.SIGKILL, said

    code, said = searched(project)
    assert code == 0, said
    again, runs = trial_runs()
    assert again == parent and len(runs) == SEARCH["num_trials"]
    after = {run.info.run_id: run for run in runs}
    for run_id, run in done.items():
        assert after[run_id].info.end_time == run.info.end_time, "a finished trial was done anew"
    check_runs(runs)
    check_files(project, parent, runs)


def known_search():
    runs = tracking.client().search_runs([tracking.experiment()])
    return any("search" in run.data.tags for run in runs)


def check_runs(runs):
    """Each is FINISHED and can be compared: a point, reports by epoch, an outcome."""
    for run in runs:
        assert run.info.status == "FINISHED"
        assert {"learning_rate", "masking.keep_min_frac", "adaptation.mmd_weight"} <= set(
            run.data.params
        )
        history = tracking.client().get_metric_history(run.info.run_id, "objective")
        outcome = run.data.tags["outcome"]
        steps = [point.step for point in history]
        assert steps == list(range(1, len(steps) + 1))
        stopped = f"stopped by ASHA after epoch {len(steps)}"
        assert outcome == ("finished" if len(steps) == SEARCH["num_epochs"] else stopped)
        assert "train/loss" in run.data.metrics and "val_real/ece" in run.data.metrics
    assert runs[0].data.params["learning_rate"] == "0.0015"  # as it stands


def check_files(project, parent, runs):
    with (project / "reports/tune/trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["run_id"] for row in rows] == [run.info.run_id for run in runs]
    whole = [row for row in rows if int(row["epochs"]) == SEARCH["num_epochs"]]
    least = min(whole, key=lambda row: float(row["objective"]))
    best = params.section("train", TrainConfig, project / "reports/tune/best.yaml")
    assert str(best.learning_rate) == least["learning_rate"]
    kept = float(least["masking.keep_min_frac"])
    assert best.masking.keep_min_frac == pytest.approx(kept)
    assert best.num_epochs == TINY["num_epochs"], "what was not searched is as it was"
    server = tracking.client()
    assert server.get_run(parent).data.tags["best_run"] == least["run_id"]
    assert {file.path for file in server.list_artifacts(parent, "tune")} == {
        f"tune/{name}" for name in ("best.yaml", "trials.csv", "parallel.png", "pareto.png")
    }
    assert list((project / ".ojala" / "ray").iterdir()) == [], (
        "a search that is done is not resumed"
    )


def test_where_every_trial_fails_there_is_no_best_and_the_reason_is_said(project):
    (project / "reports/tune").mkdir(parents=True)
    (project / "reports/tune/best.yaml").write_text("train: of a search before\n")
    few = as_table(columns_of(toy_table(9)), matched_schema())
    pq.write_table(few, project / "data/crossmatch/val_synth.parquet")
    write_params(project, num_trials=2)
    code, said = searched(project)
    assert code == 1
    assert "tune: every one of the 2 trials failed; the first: val_synth: " in said
    assert "Traceback" not in said
    assert not (project / "reports/tune/best.yaml").exists()
    parent, runs = trial_runs()
    assert tracking.client().get_run(parent).info.status == "FAILED"
    assert [run.info.status for run in runs] == ["FAILED"] * 2
    for run in runs:
        assert run.data.tags["outcome"] == "failed" and run.data.tags["reason"] in said
