"""The runs of a search in MLflow: each epoch once, each trial once, whatever was cut off."""

import pytest

from pipelines.cluster.tuning import Trial
from pipelines.registry import tracking
from pipelines.registry.trials import tune_run


@pytest.fixture(autouse=True)
def database(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")


def trial(name, epochs=0, state="running", reason=""):
    report = {"epoch": epochs, "objective": 1.0 / epochs} if epochs else {}
    point = {"learning_rate": 1e-3, "masking.num_targets": 7}
    return Trial(
        name=name,
        point=point,
        report=report,
        epochs=epochs,
        seconds=1.0,
        state=state,
        reason=reason,
    )


def test_a_search_that_goes_on_writes_nothing_twice():
    with pytest.raises(KeyboardInterrupt), tune_run("tune-1", {}, {}) as runs:
        for epochs in (0, 1, 2):
            runs.record(trial("a", epochs))
        runs.record(trial("a", 2, "stopped", "by ASHA after epoch 2"))
        runs.record(trial("b", 1))
        runs.record(trial("c", 0, "failed", "the worker was lost"))
        raise KeyboardInterrupt
    first = runs

    with tune_run("tune-1", {}, {}) as runs:
        assert runs.parent == first.parent and len(runs) == 3
        ended = tracking.client().get_run(runs.run_id(trial("a"))).info.end_time
        for known in (trial("a", 2), trial("b", 1), trial("b", 2), trial("b", 3, "finished")):
            runs.record(known)
        runs.record(trial("c", 1))  # tried again
        runs.record(trial("c", 2, "failed", "the loss is nan"))
        runs.record(trial("a", 2, "stopped", "by ASHA after epoch 2"))
        runs.record(trial("d", 3, "finished"))
        assert [runs.number(trial(name)) for name in "abcd"] == [1, 2, 3, 4]
        runs.tag_best(trial("d"), 0.5)
    server = tracking.client()
    found = {name: server.get_run(runs.run_id(trial(name))) for name in "abcd"}
    assert found["a"].info.end_time == ended, "what has finished stays as it is"
    steps = {
        name: [point.step for point in server.get_metric_history(run.info.run_id, "objective")]
        for name, run in found.items()
    }
    assert steps == {"a": [1, 2], "b": [1, 2, 3], "c": [1, 2], "d": [3]}
    assert [run.info.status for run in found.values()] == ["FINISHED"] * 2 + ["FAILED", "FINISHED"]
    outcomes = [run.data.tags["outcome"] for run in found.values()]
    assert outcomes == ["stopped by ASHA after epoch 2", "finished", "failed", "finished"]
    assert found["c"].data.tags["reason"] == "the loss is nan"
    assert found["b"].data.params == {"learning_rate": "0.001", "masking.num_targets": "7"}
    assert found["d"].data.tags["best"] == "true"
    parent = server.get_run(runs.parent)
    assert parent.info.status == "FINISHED" and parent.data.tags["best_trial"] == "4"


def test_a_search_begun_anew_has_a_run_of_its_own():
    with tune_run("tune-1-a", {}, {}) as first:
        first.record(trial("a", 1, "finished"))
    with tune_run("tune-1-b", {}, {}) as second:
        assert second.parent != first.parent and len(second) == 0


def test_a_trial_cut_off_between_its_run_and_its_point_has_both_afterwards(monkeypatch):
    with (
        pytest.raises(KeyboardInterrupt),
        tune_run("tune-1", {}, {}) as runs,
        monkeypatch.context() as cut,
    ):
        cut.setattr(tracking, "log_parameters", cut_off)
        runs.record(trial("a"))
    with tune_run("tune-1", {}, {}) as runs:
        assert len(runs) == 1, "its run is there"
        runs.record(trial("a", 1, "finished"))
        found = tracking.client().get_run(runs.run_id(trial("a")))
    assert found.data.params == {"learning_rate": "0.001", "masking.num_targets": "7"}
    assert found.info.status == "FINISHED"


def cut_off(*_):
    raise KeyboardInterrupt
