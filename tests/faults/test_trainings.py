"""`make test-faults`: a training killed, asked to end, or with a spoilt checkpoint is finished."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from contextlib import closing

import psutil
import pyarrow.parquet as pq
import pytest
import ray
from one_cluster import one_cluster
from ray.cluster_utils import Cluster
from tiny_project import ROOT, change
from toy_sky import toy_table

from pipelines.cluster import training

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "OJALA_TEST_FAULTS" not in os.environ, reason="make test-faults runs them: minutes each"
    ),
]
EPOCHS = 8
TRAIN = {"preset": "demo", "num_epochs": EPOCHS, "steps_per_epoch": 4, "batch_size": 32}
TRAIN |= {"jpas_batch_size": 16, "precision": "float32", "storage": "float32", "val_rows": 20}
MARK = "OJALA_TEST_MARK"
PATIENCE = 400


class Project:
    """A project before its training, and the training as a process."""

    def __init__(self, place):
        self.place, self.mark = place, uuid.uuid4().hex
        place.mkdir()
        for name, rows, labelled in (("weights", 200, True), ("jpas", 100, False)):
            (place / "data" / name).mkdir(parents=True)
            table = toy_table(rows, seed=int(labelled), labelled=labelled)
            pq.write_table(table, place / "data" / name / "part-00000.parquet")
        shutil.copy(ROOT / "params.yaml", place)
        change(place, "train", **TRAIN)
        change(place, "train", "masking", fresh_noise=False, calibration_err=0.0)
        change(place, "cluster", num_workers=1, cpus_per_worker=1, poll_interval=0.2)

    def begin(self, **environment):
        """The stage, as DVC begins it."""
        own = {"PYTHONPATH": str(ROOT), "DVC_ROOT": str(self.place), MARK: self.mark}
        address = f"sqlite:///{self.place}/mlflow.db"
        return subprocess.Popen(
            [sys.executable, "-m", "pipelines.train"],
            cwd=self.place,
            env=os.environ | own | {"MLFLOW_TRACKING_URI": address} | environment,
            stdout=(self.place / "said").open("a"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def said(self):
        return (self.place / "said").read_text()

    def finish(self, **environment):
        """The same command, which is to do its work; nothing that it began is left."""
        assert self.begin(**environment).wait(PATIENCE) == 0, self.said()
        self.no_orphans()

    def asked(self, question):
        if not (self.place / "mlflow.db").exists():
            return []
        with closing(sqlite3.connect(self.place / "mlflow.db", timeout=30)) as opened:
            try:
                return opened.execute(question).fetchall()
            except sqlite3.OperationalError:  # MLflow makes its tables
                return []

    def epochs(self):
        """The epochs that the run has, each as often as it was written down."""
        return sorted(step for (step,) in self.asked("select step from metrics where key='epoch'"))

    def runs(self):
        return [status for (status,) in self.asked("select status from runs")]

    def until_epoch(self, number, process):
        end = time.monotonic() + PATIENCE
        while max(self.epochs(), default=0) < number:
            assert process.poll() is None and time.monotonic() < end, self.said()
            time.sleep(0.1)

    def no_orphans(self):
        """What was begun ends in a while, without being asked."""
        end = time.monotonic() + 60
        while left := list(self._processes()):
            assert time.monotonic() < end, [one.cmdline() for one in left]
            time.sleep(0.5)

    def _processes(self):
        for one in psutil.process_iter():
            try:
                if one.status() != psutil.STATUS_ZOMBIE and one.environ().get(MARK) == self.mark:
                    yield one
            except psutil.Error:
                continue

    def checkpoints(self):
        return sorted((self.place / ".ojala").rglob("checkpoint_*/state.pt"))

    def weights(self):
        (found,) = (self.place / "models" / "ojala").glob("*.safetensors")
        return found.read_bytes()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The weights of a training that nothing befell."""
    project = Project(tmp_path_factory.mktemp("undisturbed") / "project")
    with one_cluster():
        project.finish()
    assert project.epochs() == list(range(1, EPOCHS + 1)) and project.runs() == ["FINISHED"]
    return project.weights()


@pytest.fixture
def project(tmp_path):
    with one_cluster():
        yield Project(tmp_path / "project")


def check_as_undisturbed(project, undisturbed):
    assert project.runs() == ["FINISHED"]
    assert project.epochs() == list(range(1, EPOCHS + 1))
    assert project.weights() == undisturbed
    assert not list((project.place / "models").glob(".*"))  # nothing half written


def killed(project, epoch):
    process = project.begin()
    project.until_epoch(epoch, process)
    process.kill()
    process.wait()
    project.no_orphans()
    assert project.runs() == ["RUNNING"]  # which nobody could end
    assert not (project.place / "models" / "ojala").exists()


def test_a_driver_that_is_killed_twice_goes_on_in_its_run(project, undisturbed):
    killed(project, 2)
    killed(project, 4)
    project.finish()
    check_as_undisturbed(project, undisturbed)


def test_one_that_is_asked_to_end_keeps_a_checkpoint_and_goes_on(project, undisturbed):
    process = project.begin()
    project.until_epoch(2, process)
    asked = len(project.epochs())
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == training.ENDED
    assert training.ENDS in project.said()
    project.no_orphans()
    done = project.epochs()
    assert asked <= len(done) < EPOCHS and project.checkpoints()
    project.finish()
    check_as_undisturbed(project, undisturbed)


def test_a_checkpoint_that_is_cut_short_gives_way_to_the_one_before(project, undisturbed):
    killed(project, 3)
    newest = project.checkpoints()[-1]
    newest.write_bytes(newest.read_bytes()[:1000])
    project.finish()
    assert f"{newest}: not a readable checkpoint" in project.said()
    assert "goes on from the one before" in project.said()
    check_as_undisturbed(project, undisturbed)


def test_where_no_checkpoint_can_be_read_that_is_said(project):
    killed(project, 3)
    for path in project.checkpoints():
        path.write_bytes(b"")
    process = project.begin()
    assert process.wait(PATIENCE) == 1
    said = [
        f"{path}: not a readable checkpoint" in project.said() for path in project.checkpoints()
    ]
    assert any(said), project.said()
    assert project.runs() == ["FAILED"]


def test_a_node_that_is_lost_is_replaced(project, undisturbed):
    """The driver stands on another one, and waits until there is a node with room."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        node = cluster.add_node(num_cpus=1)
        process = project.begin(RAY_ADDRESS=cluster.address)
        project.until_epoch(2, process)
        cluster.remove_node(node, allow_graceful=False)
        assert process.poll() is None, project.said()
        cluster.add_node(num_cpus=1)
        assert process.wait(PATIENCE) == 0, project.said()
    finally:
        ray.shutdown()
        cluster.shutdown()
    check_as_undisturbed(project, undisturbed)
