"""The stage train: a training that was cut off goes on in the run that it began with."""

import json
import multiprocessing
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from toy_model import toy_model
from toy_sky import toy_table

from ojala.model import bundle
from ojala.model.bundle import Bundle
from ojala.training.resident import measured_scaling
from pipelines import train
from pipelines.cluster import learning, storage, training
from pipelines.registry import digests, tracking

ROOT = Path(__file__).parents[2]


class Killed(BaseException):
    """What no code of the stage can catch."""


class Machines:
    """Workers that report five epochs, resume after the last one stored, and may be killed."""

    def __init__(self):
        self.killed_at = None

    def train(self, loop, settings, config, *, name, last_checkpoint):
        storage.begin(config.storage, name)
        place = Path(config.storage) / name
        begun = len(list(place.glob("checkpoint*"))) + 1
        for epoch in range(min(begun, 5), 6):  # of one that is done the last report comes again
            (place / f"checkpoint{epoch}").touch()
            rates = {"train/samples_per_second": 1.0, "train/bfloat16": 0.0}
            yield {"epoch": epoch, "train/loss": 1 / epoch} | rates
            if epoch == self.killed_at:
                raise Killed


def stand_ins(patch):
    """Workers that need no Ray, and what they have learnt."""
    made = Machines()
    patch.setattr(training, "train", made.train)
    learnt = toy_model(), measured_scaling(toy_table(60))
    patch.setattr(learning, "learnt", lambda checkpoint, config: learnt)
    return made


def stopping(patch, module, name):
    """The stage in a process of its own, that waits to be killed where it would call something."""

    def wait(*arguments, **keywords):
        Path("here").touch()
        time.sleep(600)

    stand_ins(patch)
    patch.setattr(module, name, wait)
    train.train()


POINTS = {
    "its run is made": (tracking, "log_parameters"),
    "the workers are not begun": (training, "train"),
    "the last epoch is done": (bundle, "save"),
    "the run is ended": (digests, "run_note"),
}


def stage_until(point, directory):
    os.chdir(directory)
    with pytest.MonkeyPatch.context() as patch:
        stopping(patch, *POINTS[point])


@pytest.fixture
def machines(tmp_path, monkeypatch):
    """A project before its training, on workers that need no Ray."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    return stand_ins(monkeypatch)


def runs():
    return tracking.client().search_runs([tracking.experiment()], "tags.training LIKE 'train-%'")


def recorded(made):
    """What DVC writes down after a stage."""
    entries = [{"path": path, "md5": md5} for path, md5 in made.items()]
    Path("dvc.lock").write_text(json.dumps({"stages": {"train": {"outs": entries}}}))


def losses(run_id):
    history = tracking.client().get_metric_history(run_id, "train/loss")
    return [(metric.step, metric.value) for metric in history]


@pytest.mark.slow
def test_a_killed_training_goes_on_in_its_run_and_a_finished_one_begins_anew(machines):
    machines.killed_at = 3
    with pytest.raises(Killed):
        train.train()
    (begun,) = runs()
    tracking.client().update_run(begun.info.run_id, "RUNNING")  # as a kill -9 leaves it
    assert not Path("models").exists()

    machines.killed_at = None
    train.train()
    (run,) = runs()
    assert run.info.run_id == begun.info.run_id and run.info.status == "FINISHED"
    assert losses(run.info.run_id) == [(e, pytest.approx(1 / e)) for e in range(1, 6)]
    assert run.data.params == begun.data.params
    made = json.loads(Path("models/run.json").read_text())
    provenance = json.loads(Path("models/ojala/provenance.json").read_text())
    assert made["run_id"] == provenance["run_id"] == run.info.run_id

    Path("models/run.json").unlink()  # as DVC, which had not come to record it, does
    train.train()
    assert len(runs()) == 1 and losses(run.info.run_id)[-1][0] == 5
    assert json.loads(Path("models/run.json").read_text()) == made

    recorded({"models/run.json": digests.of_file(Path("models/run.json"))})
    train.train()
    assert len(runs()) == 2
    assert json.loads(Path("models/run.json").read_text())["run_id"] != run.info.run_id


def test_a_teacher_that_is_not_there_is_missed_before_there_is_a_run(machines):
    settings = Path("params.yaml")
    settings.write_text(settings.read_text().replace("  teacher: null #", "  teacher: ojala/7 #"))
    with pytest.raises(ValueError, match=r"^train\.teacher: no version 7 of ojala; aliases: none"):
        train.train()
    assert not runs() and not Path("models").exists()


def test_workers_are_given_the_teacher_and_the_bundle_names_it(machines, monkeypatch):
    opened = Bundle(model=toy_model(), scaling=measured_scaling(toy_table(60)), digest="abc")
    monkeypatch.setattr(train, "teacher", lambda config: opened)
    given = []
    monkeypatch.setattr(
        training,
        "train",
        lambda loop, settings, *rest, **named: (
            given.append(settings) or machines.train(loop, settings, *rest, **named)
        ),
    )
    train.train()
    assert given[0]["teacher"] is opened
    provenance = json.loads(Path("models/ojala/provenance.json").read_text())
    assert provenance["teacher"] == {"version": None, "digest": "abc"}


@pytest.mark.slow
def test_one_run_however_often_and_wherever_a_training_is_killed(machines, tmp_path):
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["pipelines.train"])
    for point in POINTS:
        Path("here").unlink(missing_ok=True)
        killed = processes.Process(target=stage_until, args=(point, tmp_path))
        killed.start()
        end = time.monotonic() + 300
        while not Path("here").exists():
            assert killed.is_alive() and time.monotonic() < end, point
            time.sleep(0.1)
        os.kill(killed.pid, signal.SIGKILL)
        killed.join()
        assert len(runs()) == 1, point
        assert not Path("models/run.json").exists()
    (begun,) = runs()
    train.train()
    (run,) = runs()
    assert run.info.run_id == begun.info.run_id and run.info.status == "FINISHED"
    assert run.info.run_id == json.loads(Path("models/run.json").read_text())["run_id"]
    assert losses(run.info.run_id) == [(e, pytest.approx(1 / e)) for e in range(1, 6)]
    assert run.data.params["train.seed"] and run.data.tags["git_commit"]
