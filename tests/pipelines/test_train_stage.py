"""The stage train: a training that was cut off goes on in the run that it began with."""

import json
import shutil
from pathlib import Path

import pytest
from toy_model import toy_model
from toy_sky import toy_table

from ojala.training.resident import measured_scaling
from pipelines import train
from pipelines.cluster import learning, training
from pipelines.registry import tracking

ROOT = Path(__file__).parents[2]


class Killed(BaseException):
    """What no code of the stage can catch."""


class Machines:
    """Workers that report five epochs, resume after the last one stored, and may be killed."""

    def __init__(self):
        self.killed_at = None

    def train(self, loop, settings, config, *, name, last_checkpoint):
        place = Path(config.storage) / name
        if (place / training.FINISHED).exists():
            shutil.rmtree(place)
        place.mkdir(parents=True, exist_ok=True)
        for epoch in range(len(list(place.iterdir())) + 1, 6):
            (place / f"checkpoint{epoch}").touch()
            rates = {"train/samples_per_second": 1.0, "train/bfloat16": 0.0}
            yield {"epoch": epoch, "train/loss": 1 / epoch} | rates
            if epoch == self.killed_at:
                raise Killed
        (place / training.FINISHED).touch()


@pytest.fixture
def machines(tmp_path, monkeypatch):
    """A project before its training, on workers that need no Ray."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    made = Machines()
    monkeypatch.setattr(training, "train", made.train)
    learnt = toy_model(), measured_scaling(toy_table(60))
    monkeypatch.setattr(learning, "learnt", lambda checkpoint, config: learnt)
    return made


def runs():
    return tracking.client().search_runs([tracking.experiment()], "tags.training LIKE 'train-%'")


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

    train.train()
    assert len(runs()) == 2
    assert json.loads(Path("models/run.json").read_text())["run_id"] != run.info.run_id
