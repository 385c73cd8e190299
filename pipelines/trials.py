"""The trials of a search in MLflow: child runs of one run, to be compared side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pipelines import tracking
from pipelines.search import Trial

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
        self._ended: set[str] = set()
        self._epochs: dict[str, int] = {}  # that are written down
        for run in _children(parent):
            name = run.data.tags["trial"]
            self._runs[name] = run.info.run_id
            self._epochs[name] = int(run.data.metrics.get("epoch", 0))
            if run.info.status in ("FINISHED", "FAILED"):
                self._ended.add(name)

    def __len__(self) -> int:
        return len(self._runs)

    def number(self, trial: Trial) -> int:
        """1 for the trial that was begun first, and so on."""
        return 1 + list(self._runs).index(trial.name)

    def run_id(self, trial: Trial) -> str:
        """The run of a trial that was recorded."""
        return self._runs[trial.name]

    def record(self, trial: Trial) -> None:
        """Write down how a trial stands; what has ended stays as it is."""
        if trial.name in self._ended:
            return
        if trial.name not in self._runs:
            self._runs[trial.name] = self._begun(trial)
        run_id = self._runs[trial.name]
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
        tracking.log_metrics(self.parent, {"best/objective": objective}, step=0)

    def _begun(self, trial: Trial) -> str:
        number = str(1 + len(self._runs))
        run = tracking.client().create_run(
            tracking.experiment(),
            run_name=f"trial {number}",
            tags={PARENT: self.parent, "trial": trial.name, "number": number},
        )
        tracking.log_parameters(run.info.run_id, trial.point)
        return str(run.info.run_id)

    def _end(self, trial: Trial, run_id: str) -> None:
        server, failed = tracking.client(), trial.state == "failed"
        server.set_tag(
            run_id, "outcome", trial.state if failed else f"{trial.state} {trial.reason}".strip()
        )
        if failed:
            server.set_tag(run_id, "reason", trial.reason)
        server.set_terminated(run_id, "FAILED" if failed else "FINISHED")
        self._ended.add(trial.name)


@contextmanager
def search_run(
    name: str, parameters: Mapping[str, Any], data: Mapping[str, str], *, goes_on: bool
) -> Iterator[TrialRuns]:
    """The run of a search and of its trials; where it goes on, the run that it began with.

    name: of the search, a digest of its inputs
    """
    known = tracking.latest_tagged("search", name) if goes_on else None
    with tracking.run("search", parameters, data, run_id=known) as parent:
        tracking.client().set_tag(parent, "search", name)
        yield TrialRuns(parent)


def _children(parent: str) -> list[Any]:
    """The child runs there are, in the order in which they were begun."""
    found = tracking.client().search_runs(
        [tracking.experiment()], f"tags.`{PARENT}` = '{parent}'", max_results=10_000
    )
    return sorted(found, key=lambda run: int(run.data.tags["number"]))
