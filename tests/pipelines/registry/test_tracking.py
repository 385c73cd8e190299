"""Runs: what was trained, on which data, by which code, can be read back."""

import shutil
import subprocess
from pathlib import Path

import mlflow
import pytest

from pipelines import stage_code
from pipelines.registry import digests, tracking


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return tracking.client()


def test_a_run_keeps_parameters_metrics_digests_and_files(server, tmp_path):
    figure = tmp_path / "figure.txt"
    figure.write_text("a figure")
    parameters = {"train": {"steps": 10, "schedule": {"rate": 1e-4}}}
    with tracking.run("train", parameters, {"data/weights": "0" * 32 + ".dir"}) as run_id:
        for epoch in range(3):
            tracking.log_metrics(run_id, {"loss": {"z": 1.0 / (epoch + 1)}, "ess": 0.5}, epoch)
        tracking.log_files(run_id, figure, "figures")
    run = server.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"train.steps": "10", "train.schedule.rate": "0.0001"}
    history = server.get_metric_history(run_id, "loss.z")
    assert [(m.step, m.value) for m in history] == [(0, 1.0), (1, 0.5), (2, pytest.approx(1 / 3))]
    assert run.inputs.dataset_inputs[0].dataset.digest == "0" * 32 + ".dir"
    assert run.data.tags["git_commit"] == digests.git_commit()
    assert [f.path for f in server.list_artifacts(run_id, "figures")] == ["figures/figure.txt"]


def test_nan_is_not_a_measurement(server):
    with tracking.run("train", {}, {}) as run_id:
        tracking.log_metrics(run_id, {"f1": float("nan"), "loss": 1.0, "note": "text"}, 0)
    assert server.get_run(run_id).data.metrics == {"loss": 1.0}


def test_a_clock_that_is_set_back_in_mid_run_loses_nothing(server, monkeypatch):
    """The latest value is that of the last step, whatever its time says."""
    with tracking.run("train", {}, {}) as run_id:
        for epoch, hours in ((1, 0), (2, -5), (3, -4)):
            at = 1_800_000_000.0 + 3600 * hours
            with monkeypatch.context() as patched:
                patched.setattr(tracking.time, "time", lambda at=at: at)
                tracking.log_metrics(run_id, {"loss": 1 / epoch, "epoch": epoch}, epoch)
    run = server.get_run(run_id)
    assert run.data.metrics == {"loss": pytest.approx(1 / 3), "epoch": 3}
    history = {one.step: one.value for one in server.get_metric_history(run_id, "loss")}
    assert history == {1: 1.0, 2: 0.5, 3: pytest.approx(1 / 3)}


def test_a_failed_block_is_a_failed_run(server):
    with pytest.raises(ValueError), tracking.run("train", {}, {}) as run_id:
        raise ValueError("loss is NaN")
    assert server.get_run(run_id).info.status == "FAILED"
    assert mlflow.active_run() is None


def test_the_experiment_is_made_once(server):
    assert tracking.experiment() == tracking.experiment()


def test_a_run_of_another_database_is_not_known(server):
    assert not tracking.is_known("0" * 32)


def test_data_digests_come_from_the_lock(tmp_path):
    lock = tmp_path / "dvc.lock"
    lock.write_text(
        """
schema: '2.0'
stages:
  weights:
    outs: [{path: data/weights, md5: aa.dir}]
  train:
    deps: [{path: data/weights, md5: old.dir}, {path: data/raw, md5: bb}]
"""
    )
    paths = ["data/weights", "data/raw", "data/unknown"]
    assert digests.data_digests(paths, lock) == {"data/weights": "aa.dir", "data/raw": "bb"}
    assert digests.data_digests(paths, tmp_path / "none.lock") == {}


def test_the_digest_of_inputs_follows_data_and_parameters():
    first = digests.inputs_digest({"data/weights": "aa"}, {"rate": 1.0, "steps": 2})
    assert digests.inputs_digest({"data/weights": "aa"}, {"steps": 2, "rate": 1.0}) == first
    assert digests.inputs_digest({"data/weights": "bb"}, {"rate": 1.0, "steps": 2}) != first
    assert digests.inputs_digest({"data/weights": "aa"}, {"rate": 1.1, "steps": 2}) != first


@pytest.mark.parametrize(
    ("edited", "goes_on"),
    [
        ("ojala/figures/style.py", True),
        ("ojala/report/page.py", True),
        ("ojala/catalogue/vac.py", True),
        ("ojala/training/loss.py", False),
        ("ojala/vocabulary/data/quantities.ecsv", False),
        ("pipelines/cluster/learning.py", False),
    ],
)
@pytest.mark.parametrize("stage", ["train", "tune", "noise"])
def test_a_cut_off_training_goes_on_unless_code_behind_it_changes(
    stage, edited, goes_on, tmp_path, monkeypatch
):
    before = digests.inputs_digest({}, {}, stage)
    for name in stage_code.behind(stage):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(stage_code.CODE / name, tmp_path / name)
    monkeypatch.setattr(stage_code, "CODE", tmp_path)
    assert digests.inputs_digest({}, {}, stage) == before
    (tmp_path / edited).parent.mkdir(parents=True, exist_ok=True)
    with (tmp_path / edited).open("a") as file:
        file.write("# edited\n")
    assert (digests.inputs_digest({}, {}, stage) == before) == goes_on


def test_only_what_a_run_does_not_write_itself_makes_a_commit_dirty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OJALA_GIT_COMMIT", raising=False)
    written = ["reports/vac.json", "dvc.lock", "tune/dvc.lock"]
    others = ["ojala/training/fit.py", "params.yaml", "dvc.yaml", "tune/dvc.yaml"]
    for name in written + others:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("before")
    author = ["-c", "user.name=astronomer", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["add", "."], [*author, "commit", "-q", "-m", "all"]):
        subprocess.run(["git", *words], check=True)
    Path("reports/vac.json").unlink()
    Path("dvc.lock").write_text("after")
    Path("tune/dvc.lock").write_text("after")
    assert len(digests.git_commit()) == 40
    for name in others:
        Path(name).write_text("after")
        assert digests.git_commit().endswith("-dirty"), name
        Path(name).write_text("before")
