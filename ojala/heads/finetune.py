"""Fine-tuning: a small network on frozen embeddings learns a quantity of one's own (Sect. 4.6).

Labels are joined to photometry, the photometry is embedded by the bundle, and the head is written.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ojala import __version__
from ojala.heads import head
from ojala.heads.embeddings import embeddings
from ojala.heads.fit import FinetuneConfig, fit
from ojala.heads.head import HeadConfig, HeadNetwork
from ojala.heads.labels import Labels, NoLabelsError, joined, read_labels
from ojala.measures.metrics import bias, sigma_nmad
from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.tables.shards import column
from ojala.tables.units import check_unit
from ojala.training_set.crossmatch import CrossmatchConfig, is_validation
from ojala.vocabulary.catalogue_columns import is_described
from ojala.vocabulary.quantities import CLASSES

Array = NDArray[np.floating[Any]]
Floats = NDArray[np.float64]

PHOTOMETRY = {"targetid": Path("data/weights"), "tile_id": Path("data/jpas")}
"""Where a source's photometry is looked for, by what the labels name it with."""

HEADS, EMBEDDINGS = Path("models/heads"), Path("models/embeddings")

MIN_SOURCES = 50
"""Fewer labelled sources cannot tell a head from a constant."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a head is to be made from, and where it goes.

    labels: table of labels (``label_table``); quantity: its column, and the head's
    photometry: table of the labelled sources, by default that of PHOTOMETRY
    base: the bundle whose embeddings the head reads; out: directory of the head, by default
        models/heads/NAME; kept: where embeddings are kept for the next head
    unit, ucd, description: of the column; "" takes unit and description from the labels
    """

    labels: Path
    quantity: str
    name: str
    classes: tuple[str, ...] = CLASSES
    photometry: Path | None = None
    base: Path = Path("models/ojala")
    out: Path | None = None
    kept: Path = EMBEDDINGS
    unit: str = ""
    ucd: str = ""
    description: str = ""

    @property
    def place(self) -> Path:
        """The head's directory."""
        return self.out or HEADS / self.name

    def settings(self, labels: Labels, opened: bundle.Bundle, dropout: float) -> HeadConfig:
        """The head's settings, but for the scale of its labels.

        Raises ValueError as HeadConfig does, for a column that the catalogue has already, and for
        a unit of ours that astropy does not know.
        """
        if self.unit:
            check_unit(self.unit)
        if is_described(self.quantity):
            raise ValueError(
                f"{self.quantity} is a column of the catalogue: name the new quantity otherwise"
            )
        return HeadConfig(
            name=self.name,
            quantity=self.quantity,
            base=opened.digest,
            width=opened.model.config.width,
            unit=self.unit or labels.unit,
            ucd=self.ucd,
            description=self.description or labels.description or f"Fine-tuned head {self.name}",
            classes=self.classes,
            dropout=dropout,
        )


@dataclass(frozen=True, kw_only=True)
class Finetuned:
    """A head that was written, and what was measured on the way.

    counts: labels, sources trained and validated on, and those that the Predictor cannot answer
        about (without MAG_i, say), which are left out; scores: on the validation sources
    seconds: to embed and to fit
    """

    place: Path
    digest: str
    counts: dict[str, int]
    scores: dict[str, float]
    curve: list[dict[str, float]]
    seconds: dict[str, float]


def finetune(
    recipe: Recipe, config: FinetuneConfig, provenance: Mapping[str, Any] | None = None
) -> Finetuned:
    """Train a head and write it, whole or not at all.

    provenance: entries beside those that are known here
    Raises ValueError with one sentence for what does not fit, before anything is written:
    NoLabelsError where there is merely too little to learn from.
    """
    head.check_place(recipe.place)
    opened = bundle.load(recipe.base)
    labels = read_labels(recipe.labels, recipe.quantity)
    settings = recipe.settings(labels, opened, config.dropout)
    labelled = joined(labels, recipe.photometry or _photometry(labels), recipe.classes)
    predictor = Predictor(opened)
    answered = predictor.shown(labelled.photometry).answered
    labelled = labelled.among(answered)
    is_val = validates(labelled.photometry, config)
    _check_enough(int(sum(~is_val)), recipe)
    times = [time.monotonic()]
    embedded = embeddings(predictor, labelled.photometry, recipe.kept)
    times.append(time.monotonic())
    fitted = fit(embedded, labelled, is_val, config)
    times.append(time.monotonic())
    settings = replace(settings, median=fitted.median, sigma=fitted.sigma)
    scores = _scores(settings, fitted.network, embedded[is_val], labelled.value[is_val])
    counts = {"labels": len(labels), "train": int(sum(~is_val)), "val": int(sum(is_val))}
    counts["unanswered"] = int(sum(~answered))
    made_from = {
        "ojala_version": __version__,
        "labels": str(recipe.labels),
        "sources": counts,
        "validation": scores,
        "training": asdict(config),
        "base": opened.provenance,
        **(provenance or {}),
    }
    return Finetuned(
        place=recipe.place,
        digest=head.save(recipe.place, fitted.network, settings, made_from),
        counts=counts,
        scores=scores,
        curve=fitted.curve,
        seconds={"embed": times[1] - times[0], "fit": times[2] - times[1]},
    )


def validates(photometry: pa.Table, config: FinetuneConfig) -> NDArray[np.bool_]:
    """True for sources held out: those of the table's split, or of whole sky pixels."""
    if "split" in photometry.column_names:
        return np.asarray(column(photometry, "split") == "val")
    sky = CrossmatchConfig(val_fraction=config.val_fraction, seed=config.seed)
    return is_validation(column(photometry, "ra"), column(photometry, "dec"), sky)


def _scores(
    settings: HeadConfig, network: HeadNetwork, embedded: Array, value: Floats
) -> dict[str, float]:
    """Bias and sigma_nmad of the head, and of a constant, which it has to beat."""
    answer = head.Head(config=settings, network=network, digest="").answer(embedded)
    residual = answer[settings.quantity] - value
    return {
        "bias": bias(residual),
        "sigma_nmad": sigma_nmad(residual),
        "sigma_nmad_of_labels": sigma_nmad(value),
    }


def _check_enough(num_train: int, recipe: Recipe) -> None:
    if num_train < MIN_SOURCES:
        raise NoLabelsError(
            f"{recipe.labels}: {num_train} labelled sources to train head {recipe.name} on, "
            f"expected {MIN_SOURCES} or more"
        )


def _photometry(labels: Labels) -> Path:
    return PHOTOMETRY["targetid" if "targetid" in labels.keys else "tile_id"]
