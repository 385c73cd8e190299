"""Stage evaluate: the bundle against the matched test sets, as the paper reports it."""

from __future__ import annotations

import json
from typing import Any

from ojala import bundle
from ojala.contexts import predictions
from ojala.evaluate_config import EvaluateConfig
from ojala.evaluation import scores
from ojala.gap import gaps
from ojala.predict import Predictor
from ojala.shards import Columns, columns_of, read_table
from pipelines import params, paths, stage, tracking

SETS = ("test_real", "test_synth")


def evaluate() -> None:
    """Write reports/metrics.json; the numbers join the run that trained the bundle."""
    config = params.section("evaluate", EvaluateConfig)
    predictor = Predictor(bundle.load(paths.BUNDLE))
    truth = {name: columns_of(read_table(paths.CROSSMATCH / f"{name}.parquet")) for name in SETS}
    given = {name: _predictions(predictor, truth[name], config) for name in SETS}
    metrics: dict[str, Any] = {name: scores(given[name], truth[name], config) for name in SETS}
    real, synth = ((given[name]["all"], truth[name]) for name in SETS)
    metrics["gap"] = gaps(real, synth, config)
    stage.report("metrics", metrics)
    run = json.loads(paths.RUN.read_text())
    if tracking.is_known(run["run_id"]):
        tracking.log_metrics(run["run_id"], metrics, step=0)
        tracking.log_files(run["run_id"], paths.REPORTS / "metrics.json", "reports")


def _predictions(
    predictor: Predictor, truth: Columns, config: EvaluateConfig
) -> dict[str, Columns]:
    """One pass of the Predictor for each context."""
    return predictions(
        lambda columns, context: predictor.predict(columns, context=context),
        truth,
        config.hidden_bands,
        config.seed,
    )


if __name__ == "__main__":
    stage.run(evaluate)
