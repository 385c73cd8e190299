"""Stage finetune: a head for the black-hole masses of quasars, and how well it answers."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ojala.evaluation.config import TITLES
from ojala.evaluation.head_scores import beside_paper, head_scores, selected
from ojala.figures.heads import given_against_true
from ojala.figures.style import save
from ojala.heads import head
from ojala.heads.finetune import Recipe
from ojala.heads.finetune import finetune as train_head
from ojala.heads.fit import FinetuneConfig
from ojala.heads.labels import NoLabelsError
from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.tables.shards import Columns, columns_of, read_table
from pipelines import params, paths, stage
from pipelines.cluster import storage
from pipelines.registry import digests, tracking

FIGURE = paths.FIGURES / "head.png"
REPORT = paths.REPORTS / "finetune.json"


@dataclass(frozen=True, kw_only=True)
class HeadStageConfig:
    """The section ``finetune`` of a parameter file.

    name, quantity, classes, unit, ucd, description: of the head (``ojala.heads.finetune.Recipe``)
    z_range: true redshifts of the sources that it is judged by
    max_label_err: error of a true value below which it is of high quality, in its unit
    training: how it is trained
    """

    name: str
    quantity: str
    classes: tuple[str, ...]
    unit: str
    ucd: str
    description: str
    z_range: tuple[float, float]
    max_label_err: float
    training: FinetuneConfig

    def __post_init__(self) -> None:
        if not self.z_range[0] < self.z_range[1]:
            raise ValueError(
                f"finetune.z_range is {list(self.z_range)}, expected two rising values"
            )
        if not self.max_label_err > 0:
            raise ValueError(f"finetune.max_label_err is {self.max_label_err}, expected > 0")

    def recipe(self) -> Recipe:
        """The head's recipe in this project: labels and photometry are the training table's."""
        return Recipe(
            labels=paths.WEIGHTS,
            quantity=self.quantity,
            name=self.name,
            classes=self.classes,
            photometry=paths.WEIGHTS,
            base=paths.BUNDLE,
            out=paths.HEADS / self.name,
            kept=paths.EMBEDDINGS,
            unit=self.unit,
            ucd=self.ucd,
            description=self.description,
        )


def finetune() -> None:
    """Write models/heads/NAME, reports/finetune.json and what the head answers as a figure.

    Where the sky holds too few labels there is no head: the directory stays empty, the report
    says why, and the stages behind go on without it. One that was cut off begins anew, in the run
    that it began with.
    """
    config = params.section("finetune", HeadStageConfig)
    data = digests.data_digests([str(paths.WEIGHTS), str(paths.BUNDLE)])
    inputs = {"base": bundle.digest(paths.BUNDLE), "finetune": asdict(config)}
    name = f"finetune-{digests.inputs_digest(data, inputs, 'finetune')[:16]}"
    place = params.read()["cluster"]["storage"]
    mark = storage.begin(place, name, digests.recorded(REPORT))
    _in_run(config, data, mark)
    storage.finish(place, name, digests.of_file(REPORT))


def _in_run(config: HeadStageConfig, data: dict[str, str], mark: str) -> None:
    """The head, its scores and its figure, as the run that is known by a mark."""
    run = tracking.run(
        f"finetune {config.name}",
        {"finetune": asdict(config)},
        data,
        known_by=("training", mark),
    )
    with run as run_id:
        provenance = {"run_id": run_id, "git_commit": digests.git_commit(), "data": data}
        try:
            done = train_head(config.recipe(), config.training, provenance)
        except NoLabelsError as error:
            _without_head(config, error)
            return
        logged = tracking.latest(run_id, "step")
        for check in done.curve:
            if check["step"] > logged:  # what comes again after a cut is logged once
                tracking.log_metrics(run_id, check, int(check["step"]))
        made = {"head": config.name, "sources": done.counts, "validation": done.scores}
        report = made | _judged(config)
        stage.report("finetune", report)
        tracking.log_metrics(run_id, report, step=0)
        for path, folder in ((REPORT, "reports"), (FIGURE, "figures")):
            tracking.log_files(run_id, path, folder)


def _judged(config: HeadStageConfig) -> dict[str, Any]:
    """Scores on the matched sets, beside the paper's; draws them."""
    opened = bundle.load(paths.BUNDLE)
    made = head.load(paths.HEADS / config.name, opened.digest)
    predictor = Predictor(opened, heads=[made])
    truths = {name: _truth(config, name) for name in TITLES}
    answers: dict[str, Columns] = {}
    scores: dict[str, Any] = {}
    for name, truth in truths.items():
        answers[name] = predictor.predict(truth, [config.name])
        found = head_scores(answers[name], truth, config.quantity, config.max_label_err)
        scores[name] = beside_paper(found, name)
    save(given_against_true(answers, truths, scores, config.quantity, config.unit), FIGURE)
    return scores


def _truth(config: HeadStageConfig, name: str) -> Columns:
    table = read_table(paths.CROSSMATCH / f"{name}.parquet")
    chosen = selected(columns_of(table), config.quantity, config.classes, config.z_range)
    return columns_of(table.filter(chosen))


def _without_head(config: HeadStageConfig, error: NoLabelsError) -> None:
    (paths.HEADS / config.name).mkdir(parents=True, exist_ok=True)
    empty = {name: np.empty(0, np.float32) for name in (config.quantity, f"{config.quantity}_ERR")}
    nothing = dict.fromkeys(TITLES, empty)
    save(given_against_true(nothing, nothing, {}, config.quantity, config.unit), FIGURE)
    stage.report("finetune", {"head": config.name, "not_trained": str(error)})
    print(f"finetune: no head {config.name}: {error}", file=sys.stderr)


if __name__ == "__main__":
    stage.run(finetune)
