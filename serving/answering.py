"""A bundle that may answer: checked on golden sources, and warm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ojala.gate import golden
from ojala.heads.head import READY
from ojala.model.predictor import Predictor
from ojala.model.shown import Shown
from ojala.tables.shards import Columns
from ojala.vocabulary.bands import narrow_bands, reference_band
from ojala.vocabulary.quantities import quantities
from serving.drift import Watch, watch
from serving.edition import Edition
from serving.heads import ready
from serving.registered import Served, opened
from serving.schemas import Card, Head, Model, Quantity, Redshifts

Predicted = tuple[Model, list[Head], Columns, tuple[str, ...]]
"""The model and the heads that answered, their answers by column, and notes on the sources."""


@dataclass(frozen=True, kw_only=True)
class Answering:
    """What a request is answered with, from its beginning to its end.

    edition: which versions these are; predictor: with the heads that are ready
    model, heads: as answers name them, heads that cannot answer included
    watch: of what it is asked about, None where there is no reference to compare it with
    """

    edition: Edition
    predictor: Predictor
    model: Model
    heads: list[Head]
    watch: Watch | None = None

    def heads_asked(self, queries: tuple[str, ...] | None) -> list[Head]:
        """The heads that answer queries; None for all queries."""
        names = self.predictor.heads if queries is None else queries
        return [head for head in self.heads if head.name in names and head.state == READY]


def rehearsed(edition: Edition) -> Answering:
    """An edition that was loaded, checked and asked once, so that its first request is not slow.

    Raises ValueError where it cannot be opened, its answers are not those of its registration, or
    they are no answers (not finite, errors that are not positive, probabilities that do not sum
    to one).
    """
    found = opened(edition)
    predictor = Predictor(found.bundle, heads=ready(found.heads))
    made = Answering(
        edition=edition,
        predictor=predictor,
        model=_model(found),
        heads=[
            Head(name=one.name, version=one.version, digest=one.digest, state=one.state)
            for one in found.heads
        ],
        watch=watch(predictor),
    )
    _check(predictor, found)
    return made


def card(answering: Answering) -> Card:
    """What there is to know of the model that answers."""
    network, made_from = answering.predictor.model, answering.predictor.bundle.provenance
    return Card(
        **answering.model.model_dump(),
        num_parameters=sum(parameter.numel() for parameter in network.parameters()),
        provenance=dict(made_from),
        quantities=[
            Quantity(
                token=one.token,
                unit=one.unit,
                classes=list(one.classes),
                description=one.description,
            )
            for one in quantities()
        ],
        heads=answering.heads,
    )


def predicted(
    answering: Answering, *, sources: Columns, queries: tuple[str, ...] | None
) -> Predicted:
    """What a model says of sources, alone: columns by their released names, equally long.

    Raises ValueError for a query or a value that it does not know.
    """
    answering.predictor.check_queries(queries or ())
    seen, said = computed(answering, sources=sources, queries=queries, embeddings=False)
    return answering.model, answering.heads_asked(queries), said, seen.notes


def computed(
    answering: Answering, *, sources: Columns, queries: tuple[str, ...] | None, embeddings: bool
) -> tuple[Shown, Columns]:
    """What the network is shown of sources, and what it says, for whoever counts and watches.

    Raises ValueError as ``predicted`` does.
    """
    seen = answering.predictor.shown(sources)
    return seen, answering.predictor.predict(seen, queries, embeddings=embeddings)


def redshifts(answering: Answering, *, sources: Columns) -> Redshifts:
    """p(z) of sources, columns as of ``predicted``. Raises ValueError as it does."""
    seen = answering.predictor.shown(sources)
    pdfs = answering.predictor.redshifts(seen)
    return Redshifts(
        model=answering.model,
        edges={token: np.expm1(pdf.edges).tolist() for token, pdf in pdfs.items()},
        probabilities=[
            {token: pdf.probability[row].tolist() for token, pdf in pdfs.items()}
            if is_answered
            else None
            for row, is_answered in enumerate(seen.answered)
        ],
        reasons=[reason or None for reason in seen.reason],
    )


def _model(found: Served) -> Model:
    return Model(
        name=found.name,
        version=found.version,
        digest=found.bundle.digest,
        run_id=str(found.bundle.provenance.get("run_id", "")),
    )


def _check(predictor: Predictor, found: Served) -> None:
    try:
        golden.check_answers(predictor.predict(_plain_sources()))
        if found.golden is not None:
            objects, stored = golden.read(found.golden)
            answers = predictor.predict(objects)
            golden.check_answers(answers)
            golden.check_same(answers, stored)
    except ValueError as error:
        raise ValueError(f"version {found.version} of {found.name}: {error}") from None


def _plain_sources() -> Columns:
    """A flat spectrum in every narrow band, and in i alone: they warm what is served."""
    flat = {band.token: np.array([1.0, np.nan]) for band in narrow_bands()}
    return {reference_band().token: np.array([19.0, 19.0])} | flat
