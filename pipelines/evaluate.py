"""Stage evaluate: the bundle against the matched test sets, as the paper reports it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from ojala.catalogue import recalibration, zero_points
from ojala.evaluation import contexts
from ojala.evaluation.config import CALIBRATED, FILES, REAL, SCORED, SYNTH, EvaluateConfig
from ojala.evaluation.curves import drawn_curves
from ojala.evaluation.gap import gaps
from ojala.evaluation.scores import headline, scores
from ojala.evaluation.set_scores import set_scores
from ojala.figures import surveys
from ojala.figures.album import Evaluated, Surroundings, album
from ojala.figures.style import save
from ojala.measures.metrics import NOT_ENOUGH
from ojala.measures.redshift_scores import score_columns
from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.report.report import report
from ojala.tables.shards import Columns, columns_of, read_table, shard_paths
from ojala.tables.writing import written_whole
from ojala.vocabulary.bands import narrow_bands, reference_band
from pipelines import params, paths, stage
from pipelines.registry import tracking


def evaluate() -> None:
    """Write reports/metrics.json with its summary, curves, figures and report.html.

    Numbers, figures and the report join the run that trained the bundle.
    """
    config = params.section("evaluate", EvaluateConfig)
    tracking.client()  # where it is away, that is said before the work
    opened = bundle.load(paths.BUNDLE)
    predictor = Predictor(opened)
    found = _evaluated(predictor, config)
    metrics = {file: found.scores[name] for name, file in SCORED.items()} | {"gap": found.gaps}
    stage.report("metrics", _rounded(metrics))
    stage.report("summary", _rounded({SCORED[n]: headline(s) for n, s in found.scores.items()}))
    for name, rows in drawn_curves(found.scores[REAL], len(narrow_bands())).items():
        _write_curve(paths.CURVES / f"{name}.json", _rounded(rows))
    plates = album(found, _surroundings(predictor, config))
    files = [paths.EVALUATION_FIGURES / f"{plate.name}.png" for plate in plates]
    for plate, file in zip(plates, files, strict=True):
        save(plate.draw(), file)
    shown = list(zip(plates, files, strict=True))
    source = opened.provenance["data_source"]
    report(paths.REPORT, found, shown, _about(opened), source, _peers())
    _join_run(metrics)


def _evaluated(predictor: Predictor, config: EvaluateConfig) -> Evaluated:
    """Predictions in every context, scores and gaps."""
    truth = {
        name: columns_of(read_table(paths.CROSSMATCH / f"{file}.parquet"))
        for name, file in FILES.items()
    }
    truth[CALIBRATED] = zero_points.read(paths.ZERO_POINTS).calibrated(truth[REAL])
    given = {name: _answers(predictor, columns, config, name) for name, columns in truth.items()}
    redshifts = {name: predictor.redshifts(columns) for name, columns in truth.items()}
    for name, columns in truth.items():
        given[name]["all"] |= score_columns(redshifts[name], columns["z"])
    real, synth = ((given[name]["all"], truth[name]) for name in (REAL, SYNTH))
    honest = recalibration.read(paths.RECALIBRATION)
    honest.check(predictor.bundle.digest)
    scored = {name: scores(given[name], truth[name], config) for name in SCORED}
    for name, columns in truth.items():
        before = given[name]["all"]
        after = honest.of(before, columns[reference_band().token])
        scored[name]["recalibration"] = set_scores(before, after, columns, config)
    return Evaluated(
        scores=scored,
        gaps=gaps(real, synth, config),
        predictions=given,
        truth=truth,
        redshifts=redshifts,
        config=config,
    )


def _answers(
    predictor: Predictor, columns: Columns, config: EvaluateConfig, name: str
) -> dict[str, Columns]:
    """One pass of the Predictor for each context."""
    passes = len(contexts.LABELS) + len(config.hidden_bands)
    with tqdm(total=passes, desc=name, unit="context", disable=None) as bar:

        def predict(catalogue: Columns, context: Sequence[str]) -> Columns:
            bar.update()
            return predictor.predict(catalogue, context=context)

        return contexts.predictions(predict, columns, config.hidden_bands, config.seed)


def _surroundings(predictor: Predictor, config: EvaluateConfig) -> Surroundings:
    """Some mocks of the training table and some J-PAS sources, of their first shards."""
    rng = np.random.default_rng([config.seed, 7])
    mocks, jpas = (
        _some(read_table(shard_paths(path)[0]), config.num_shown, rng)
        for path in (paths.WEIGHTS, paths.JPAS)
    )
    rows = surveys.examples(mocks, config.seed)
    examples = {name: values[rows] for name, values in mocks.items()}
    nearest = np.full(len(rows), -1, dtype=np.int64)
    reference = reference_band().token
    if len(rows) and len(jpas[reference]):
        nearest = surveys.nearest(
            predictor.embed(examples), examples[reference], predictor.embed(jpas), jpas[reference]
        )
    return Surroundings(mocks=mocks, jpas=jpas, examples=examples, others=jpas, nearest=nearest)


def _some(table: pa.Table, most: int, rng: np.random.Generator) -> Columns:
    """At most so many rows of a table, at random."""
    chosen = rng.permutation(table.num_rows)[:most]
    return columns_of(table.take(np.sort(chosen)))


def _about(opened: bundle.Bundle) -> dict[str, str]:
    """What the report says of the model."""
    made = opened.provenance
    num_weights = sum(weights.numel() for weights in opened.model.parameters())
    return {
        "Bundle (SHA-256)": opened.digest,
        "Weights of the network": f"{num_weights:,}",
        "Trained in run (MLflow)": made["run_id"],
        "Trained with commit": made["git_commit"],
        "Parameters (SHA-256)": made["params_digest"],
        "Data source": made["data_source"],
    } | {f"{path} (DVC)": digest for path, digest in made["data"].items()}


def _rounded(value: Any) -> Any:
    """Floats to five digits: more would only be lines of a comparison."""
    if isinstance(value, Mapping):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _peers() -> dict[str, Any] | None:
    """What the benchmark of peers wrote, where it was run: not an input of the stage's numbers."""
    file = paths.REPORTS / "peers.json"
    compared: dict[str, Any] | None = json.loads(file.read_text()) if file.exists() else None
    return compared


def _write_curve(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """A curve as a list; null, which is not drawn, where there were not enough objects."""
    known = [{key: None if v == NOT_ENOUGH else v for key, v in row.items()} for row in rows]
    with written_whole(path) as partial:
        partial.write_text(json.dumps(known, indent=1) + "\n")


def _join_run(metrics: dict[str, Any]) -> None:
    """Numbers, figures and report to the run that trained the bundle."""
    run_id = json.loads(paths.RUN.read_text())["run_id"]
    if tracking.is_known(run_id):
        tracking.log_metrics(run_id, metrics, step=0)
        tracking.log_files(run_id, paths.REPORTS / "metrics.json", "reports")
        tracking.log_files(run_id, paths.REPORT, "reports")
        tracking.log_figures(run_id, paths.EVALUATION_FIGURES)


if __name__ == "__main__":
    stage.run(evaluate)
