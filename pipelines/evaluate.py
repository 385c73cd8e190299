"""Stage evaluate: the bundle against the matched test sets, as the paper reports it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ojala import bundle, contexts
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

    def predict(columns: Columns, context: Sequence[str]) -> Columns:
        return predictor.predict(columns, context=context)

    metrics: dict[str, Any] = {}
    pairs: list[tuple[Columns, Columns]] = []
    for name in SETS:
        truth = columns_of(read_table(paths.CROSSMATCH / f"{name}.parquet"))
        answers = contexts.predictions(predict, truth, config.hidden_bands, config.seed)
        metrics[name] = scores(answers, truth, config)
        pairs.append((answers["all"], truth))
    metrics["gap"] = gaps(pairs[0], pairs[1], config)
    stage.report("metrics", metrics)
    _join_run(metrics)


def _join_run(metrics: dict[str, Any]) -> None:
    run_id = json.loads(paths.RUN.read_text())["run_id"]
    if tracking.is_known(run_id):
        tracking.log_metrics(run_id, metrics, step=0)
        tracking.log_files(run_id, paths.REPORTS / "metrics.json", "reports")


if __name__ == "__main__":
    stage.run(evaluate)
