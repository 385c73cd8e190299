"""Stage evaluate: the bundle against the matched test sets, as the paper reports it."""

from __future__ import annotations

import json
from typing import Any

from ojala import bundle
from ojala.evaluation import scores
from ojala.predict import Predictor
from ojala.shards import columns_of, read_table
from pipelines import paths, stage, tracking

SETS = ("test_real", "test_synth")


def evaluate() -> None:
    """Write reports/metrics.json; the numbers join the run that trained the bundle."""
    predictor = Predictor(bundle.load(paths.BUNDLE))
    metrics: dict[str, Any] = {}
    for name in SETS:
        table = read_table(paths.CROSSMATCH / f"{name}.parquet")
        metrics[name] = scores(predictor.predict(table), columns_of(table))
    stage.report("metrics", metrics)
    run = json.loads(paths.RUN.read_text())
    if tracking.is_known(run["run_id"]):
        tracking.log_metrics(run["run_id"], metrics, step=0)
        tracking.log_files(run["run_id"], paths.REPORTS / "metrics.json", "reports")


if __name__ == "__main__":
    stage.run(evaluate)
