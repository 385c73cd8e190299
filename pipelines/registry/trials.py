"""The trials of a search in MLflow: child runs of one run, to be compared side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pipelines.cluster.tuning import Trial
from pipelines.registry import tracking

PARENT = "mlflow.parentRunId"
"""The tag by which the UI shows runs beneath another one."""


class TrialRuns:
    """The child runs of a search's run, by the trial's name.

    A trial's run bears its point as parameters, each report at its epoch, and the tags trial,
    number and outcome; where it failed also reason. It ends as FINISHED or FAILED.
    """

    def __init__(self, parent: str) -> None:
        self.parent = parent
        self._runs: dict[str, str] = {}
        self._status: dict[str, str] = {}
        self._epochs: dict[str, int] = {}  # that are written down
        self._pointed: set[str] = set()  # whose points this process has seen written
        for run in _children(parent):
            name = run.data.tags["trial"]
            self._runs[name] = run.info.run_id
            self._epochs[name] = int(run.data.metrics.get("epoch", 0))
            self._status[name] = run.info.status

    def __len__(self) -> int:
        return len(self._runs)

    def number(self, trial: Trial) -> int:
        """1 for the trial that was begun first, and so on."""
        return 1 + list(self._runs).index(trial.name)

    def run_id(self, trial: Trial) -> str:
        """The run of a trial that was recorded."""
        return self._runs[trial.name]

    def record(self, trial: Trial) -> None:
        """Write down how a trial stands; what has finished stays as it is."""
        status = self._status.get(trial.name)
        if status == "FINISHED" or (status == "FAILED" and trial.state == "failed"):
            return
        if trial.name not in self._runs:
            self._runs[trial.name] = self._begun(trial)
        run_id = self._runs[trial.name]
        if trial.name not in self._pointed:  # a run may have been cut off before it had them
            tracking.log_parameters(run_id, trial.point)
            self._pointed.add(trial.name)
        if status == "FAILED":
            self._reopen(trial, run_id)
        if trial.report and trial.epochs > self._epochs.get(trial.name, 0):
            tracking.log_metrics(run_id, trial.report, trial.epochs)
            self._epochs[trial.name] = trial.epochs
        if trial.state != "running":
            self._end(trial, run_id)

    def tag_best(self, trial: Trial, objective: float) -> None:
        """Say at the search and at the trial which one was best."""
        server, run_id = tracking.client(), self._runs[trial.name]
        server.set_tag(run_id, "best", "true")
        server.set_tag(self.parent, "best_trial", str(self.number(trial)))
        server.set_tag(self.parent, "best_run", run_id)
        said = f"Best of {len(self)}: trial {self.number(trial)}, objective {objective:.4f}"
        server.set_tag(self.parent, "mlflow.note.content", said)
        tracking.log_metrics(self.parent, {"best/objective": objective}, step=0)

    def _begun(self, trial: Trial) -> str:
        number = str(1 + len(self._runs))
        run = tracking.client().create_run(
            tracking.experiment(),
            run_name=f"trial {number}",
            tags={PARENT: self.parent, "trial": trial.name, "number": number},
        )
        return str(run.info.run_id)

    def _end(self, trial: Trial, run_id: str) -> None:
        server, failed = tracking.client(), trial.state == "failed"
        server.set_tag(
            run_id, "outcome", trial.state if failed else f"{trial.state} {trial.reason}".strip()
        )
        if failed:
            server.set_tag(run_id, "reason", trial.reason)
        self._status[trial.name] = "FAILED" if failed else "FINISHED"
        server.set_terminated(run_id, self._status[trial.name])

    def _reopen(self, trial: Trial, run_id: str) -> None:
        """A trial whose worker was lost is tried again."""
        server = tracking.client()
        server.update_run(run_id, status="RUNNING")
        for tag in ("outcome", "reason"):
            server.delete_tag(run_id, tag)
        self._status[trial.name] = "RUNNING"


@contextmanager
def tune_run(
    mark: str, parameters: Mapping[str, Any], data: Mapping[str, str]
) -> Iterator[TrialRuns]:
    """The run of a search and of its trials; where it goes on, the run that it began with.

    mark: what the search is known by (``storage.begin``)
    """
    with tracking.run("search", parameters, data, known_by=("search", mark)) as parent:
        yield TrialRuns(parent)


def _children(parent: str) -> list[Any]:
    """The child runs there are, in the order in which they were begun."""
    found = tracking.client().search_runs(
        [tracking.experiment()], f"tags.`{PARENT}` = '{parent}'", max_results=10_000
    )
    return sorted(found, key=lambda run: int(run.data.tags["number"]))
