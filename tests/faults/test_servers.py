"""MLflow, PostgreSQL and S3 go away while a run is written: it waits, and nothing of it is lost."""

import os
import subprocess
import sys
import time

import pytest
from running_stack import directory_open_to_all, needs_stack, part_of_stack
from tiny_project import ROOT

from pipelines.registry import tracking
from pipelines.registry.store import EXPERIMENT

pytestmark = needs_stack
STEPS = 40
WRITES = f"""
import sys, time
from pathlib import Path
from pipelines.registry import tracking
place = Path(sys.argv[1])
with tracking.run("faulty", {{"train": {{"seed": 1}}}}, {{}}) as run_id:
    for step in range(1, {STEPS} + 1):
        tracking.log_metrics(run_id, {{"loss": 1 / step}}, step)
        (place / "step").write_text(str(step))
        time.sleep(0.5)
    (place / "uploads").touch()
    tracking.log_files(run_id, place / "weights", "bundle")
"""


@pytest.fixture(scope="module")
def stack():
    with (
        directory_open_to_all() as place,
        part_of_stack(place, "postgres", "seaweedfs", "buckets", "mlflow") as found,
    ):
        yield found


def until(holds, patience=240):
    end = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < end, "it did not come to hold"
        time.sleep(0.2)


def away(running, name, seconds):
    """Let one be away for some seconds."""
    running.stop(name)
    time.sleep(seconds)
    running.begin(name)
    running.wait(name)


def test_a_run_outlives_its_servers(stack, tmp_path, monkeypatch):
    stack, running = stack
    for name, value in stack.client().items():
        monkeypatch.setenv(name, value)
    content = os.urandom(3_000_000)
    (tmp_path / "weights").write_bytes(content)
    begun = time.monotonic()
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITES, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    def reached(step):
        path = tmp_path / "step"
        return path.exists() and int(path.read_text() or 0) >= step

    until(lambda: reached(5) or writer.poll() is not None)
    away(running, "mlflow", 8)
    until(lambda: reached(20) or writer.poll() is not None)
    away(running, "postgres", 5)
    until(lambda: reached(STEPS - 1) or writer.poll() is not None)
    running.stop("seaweedfs")  # the files of the run find no S3
    until(lambda: (tmp_path / "uploads").exists() or writer.poll() is not None)
    time.sleep(20)
    running.begin("seaweedfs")
    said, _ = writer.communicate(timeout=300)
    assert writer.returncode == 0, said
    print(f"a run of {STEPS} steps with three servers away: {time.monotonic() - begun:.0f} s")

    server = tracking.client()
    experiment = server.get_experiment_by_name(EXPERIMENT)
    (run,) = server.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    history = server.get_metric_history(run.info.run_id, "loss")
    assert sorted((one.step, one.value) for one in history) == [
        (step, 1 / step) for step in range(1, STEPS + 1)
    ]
    kept = server.download_artifacts(run.info.run_id, "bundle/weights", str(tmp_path))
    with open(kept, "rb") as file:
        assert file.read() == content
