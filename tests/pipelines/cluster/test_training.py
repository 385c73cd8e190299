"""Training on Ray: workers on two nodes give what one gives; a killed one costs one report."""

import gc
import os
import signal
import socket
import subprocess
import sys
import tempfile

import pyarrow.parquet as pq
import pytest
import ray
import torch
from one_cluster import one_cluster
from ray import cloudpickle
from ray.cluster_utils import Cluster
from torch import distributed
from toy_sky import toy_table

from ojala.model.bundle import Bundle
from ojala.model.network import Ojala
from ojala.model.presets import preset
from ojala.training.checkpoint import TrainState
from ojala.training.config import TrainConfig
from ojala.training.resident import measured_scaling
from pipelines.cluster import learning, storage, training

JOINED = """
import os, sys
import ray
from pipelines.cluster import training
config = training.ClusterConfig(
    num_workers=1, cpus_per_worker=1, use_gpu=False, storage=sys.argv[1], num_checkpoints=2,
    max_failures=2, poll_interval=0.1,
)
with training.connected(config):
    worker = ray.get(ray.remote(lambda: os.getpid()).remote())
print(os.getpid(), worker, os.environ["TMPDIR"])
"""
"""A process that has a cluster of its own, asks it who works there, and leaves it."""

EPOCHS = 5
CONFIG = TrainConfig(
    preset="lean",
    num_epochs=EPOCHS,
    steps_per_epoch=2,
    batch_size=32,
    jpas_batch_size=16,
    learning_rate=1e-3,
    precision="float32",
    storage="float32",
    val_rows=20,
    teacher="ojala/1",
)
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers do not see tests/
pytestmark = pytest.mark.slow


def mortal(settings, resume):
    """The training's own loop; its second worker dies once, its first finds a NaN where told."""
    for report, save in learning.learn(settings, resume):
        if resume is None and distributed.get_rank() == 1 and report["epoch"] == settings["die_at"]:
            os.kill(os.getpid(), signal.SIGKILL)
        if report["epoch"] == settings["nan_at"]:
            raise ValueError("epoch 2, step 1: the regression term is nan")
        yield report | {"resumed": resume is not None}, save


@pytest.fixture
def machine():
    """A cluster of two nodes, each with room for one worker, for all the runs of a test."""
    os.environ["RAY_TRAIN_HEALTH_CHECK_INTERVAL_S"] = "0.1"
    node = {"num_cpus": 1, "object_store_memory": 100_000_000}
    with one_cluster():
        cluster = Cluster(initialize_head=True, head_node_args=node)
        cluster.add_node(**node)
        ray.init(cluster.address, log_to_driver=False)
        yield
        gc.collect()  # what is collected after the cluster ends the process
        ray.shutdown()
        cluster.shutdown()


@pytest.fixture
def tables(tmp_path):
    pq.write_table(toy_table(200), tmp_path / "mocks.parquet")
    torch.manual_seed(1)
    teacher = Bundle(model=Ojala(preset("demo")), scaling=measured_scaling(toy_table(200)))
    pq.write_table(toy_table(100, seed=1, labelled=False), tmp_path / "jpas.parquet")
    return {
        "config": CONFIG,
        "teacher": teacher,
        "table": str(tmp_path / "mocks.parquet"),
        "jpas": str(tmp_path / "jpas.parquet"),
        "labelled": True,
        "die_at": None,
        "nan_at": None,
    }


def machines(tmp_path, num_workers):
    return training.ClusterConfig(
        num_workers=num_workers,
        cpus_per_worker=1,
        use_gpu=False,
        storage=str(tmp_path / "storage"),
        num_checkpoints=2,
        max_failures=2,
        poll_interval=0.1,
    )


def train(tmp_path, settings, num_workers, name):
    config, last = machines(tmp_path, num_workers), tmp_path / name
    return list(training.train(mortal, settings, config, name=name, last_checkpoint=last)), last


def weights(last):
    """All of a training's weights in a row."""
    objective = TrainState.read(last / learning.CHECKPOINT).objective
    return torch.cat([objective[name].double().flatten() for name in sorted(objective)])


def test_two_workers_one_killed_give_the_curve_and_the_model_of_one(tmp_path, tables, machine):
    alone, by_one = train(tmp_path, tables, 1, "one")
    assert [report["epoch"] for report in alone] == [1, 2, 3, 4, 5]

    # Cut off after its last epoch it has nothing left to do, and says all that it said before.
    again, last = train(tmp_path, tables, 1, "one")
    assert again == alone
    assert TrainState.read(last / learning.CHECKPOINT).epoch == EPOCHS

    reports, last = train(tmp_path, tables | {"die_at": 4}, 2, "two")
    resumed = [report["epoch"] for report in reports if report["resumed"]]
    assert resumed in ([3, 4, 5], [4, 5]), "at most one report is lost"
    curve = {report["epoch"]: report for report in reports}
    for report in alone:
        # Sums over the workers' parts are rounded in another order: 2e-7 of the loss at first.
        assert curve[report["epoch"]]["val/loss"] == pytest.approx(report["val/loss"], rel=1e-4)
        for term in ("loss", "mmd", "teacher_redshift", "gradient_norm"):
            found = curve[report["epoch"]][f"train/{term}"]
            assert found == pytest.approx(report[f"train/{term}"], rel=1e-4), term
    assert TrainState.read(last / learning.CHECKPOINT).epoch == EPOCHS
    one, two = weights(by_one), weights(last)
    difference = float(torch.linalg.norm(two - one) / torch.linalg.norm(one))
    print(f"weights differ by {difference:.1e} of their norm")
    assert difference < 1e-4

    # A finished run is done anew, not resumed; what cannot be mended ends it at once.
    storage.finish(str(tmp_path / "storage"), "one")
    with pytest.raises(ValueError, match="the regression term is nan"):
        train(tmp_path, tables | {"nan_at": 2}, 1, "one")


def test_a_head_that_is_away_is_told_soon(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "HEAD_PATIENCE", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listening:  # takes connections, says nothing
        silent = listening.getsockname()[1]
        with socket.create_server(("127.0.0.1", 0)) as other:
            away = other.getsockname()[1]
        for address in (f"127.0.0.1:{away}", f"ray://127.0.0.1:{away}", f"127.0.0.1:{silent}"):
            monkeypatch.setenv("RAY_ADDRESS", address)
            begun = training.train(mortal, {}, machines(tmp_path, 1), name="a", last_checkpoint="b")
            with pytest.raises(ValueError, match=f"RAY_ADDRESS={address} does not answer"):
                next(begun)
    for local in ("", "auto", "local"):
        monkeypatch.setenv("RAY_ADDRESS", local)
        training.check_head()


def test_a_head_that_is_there_answers(machine, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", ray.get_runtime_context().gcs_address)
    training.check_head()


@pytest.mark.parametrize("address", ["", "10.0.0.7:6379"])
def test_a_cluster_of_its_own_unless_one_is_named(tmp_path, monkeypatch, address):
    """Another's on this machine, which Ray would join by itself, is left alone."""
    asked = {}
    monkeypatch.setenv("RAY_ADDRESS", address)
    monkeypatch.setattr(training, "check_head", lambda: None)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(ray, "init", lambda **given: asked.update(given))
    with training.connected(machines(tmp_path, 1)):
        pass
    own = {"address": "local", "include_dashboard": False}
    assert {name: asked[name] for name in own if name in asked} == ({} if address else own)


@pytest.fixture
def long_place(tmp_path):
    place = tmp_path / ("slurm_job_" + "0123456789" * 9)
    place.mkdir()
    return str(place)


def test_a_long_directory_of_temporary_files_is_not_rays(tmp_path, long_place):
    """Of the dashboard neither, whose own process keeps a socket there."""
    environment = {**os.environ, "TMPDIR": long_place, "RAY_ADDRESS": ""}
    with one_cluster():
        run = subprocess.run(
            [sys.executable, "-c", JOINED, tmp_path / "storage"],
            env=environment,
            capture_output=True,
            text=True,
        )
    assert run.returncode == 0, run.stderr
    asked, worker, place = run.stdout.split()
    assert asked != worker
    assert place == long_place, "it is handed on as it was found"


def test_without_a_short_directory_there_is_no_ray(tmp_path, monkeypatch, long_place):
    monkeypatch.setattr(tempfile, "tempdir", long_place)
    monkeypatch.setenv("TMPDIR", long_place)
    monkeypatch.setattr(training, "SHORT_PLACES", (str(tmp_path / "nowhere"),))
    with (
        pytest.raises(ValueError, match=r"TMPDIR is .*set TMPDIR to a shorter one"),
        training.connected(machines(tmp_path, 1)),
    ):
        pass
