"""The service: predict, and what it is (docs/service.md)."""

from __future__ import annotations

import math
import time
from http import HTTPStatus
from typing import Annotated, Any

import bentoml
import numpy as np
from bentoml.exceptions import BentoMLException, InvalidArgument, ServiceUnavailable
from pydantic import AfterValidator, Field

from ojala.heads.head import READY
from ojala.model.shown import Shown
from ojala.tables.shards import Columns
from serving import access, agreement, metrics, settings
from serving.answering import Answering, card
from serving.following import Absent, Follower
from serving.refusals import refusing_alike
from serving.schemas import (
    MAX_EMBEDDINGS,
    MAX_PDFS,
    MAX_SOURCES,
    Card,
    Embeddings,
    Health,
    Predictions,
    Query,
    Redshifts,
    Source,
)

MAX_QUERIES = 1000
"""Queries of one request: far more than there are tokens and heads."""


def _each_once(queries: list[str]) -> list[str]:
    """Queries of which none is asked for twice."""
    if len(set(queries)) < len(queries):
        twice = next(name for n, name in enumerate(queries) if name in queries[:n])
        raise ValueError(f"{twice!r} is asked for twice")
    return queries


Queries = Annotated[
    list[Query], Field(min_length=1, max_length=MAX_QUERIES), AfterValidator(_each_once)
]


@refusing_alike
@bentoml.service(
    name="ojala",
    workers=settings.workers(),
    traffic={"timeout": 60},
    # Requests are counted in /metrics; a line for each costs a third of the throughput.
    logging={"access": {"enabled": False}},
)
class OjalaService:
    """Answers about sources with the version that the alias names, and follows it."""

    def __init__(self) -> None:
        place = agreement.directory(bentoml.server_context.worker_index)
        self.follower = Follower(agreement.Agreement(place))
        self.follower.begin()

    @bentoml.on_shutdown
    def end(self) -> None:
        """Leave the other processes to themselves."""
        self.follower.end()

    @bentoml.api
    def predict(
        self,
        sources: Annotated[list[Source], Field(min_length=1, max_length=MAX_SOURCES)],
        queries: Queries | None = None,
    ) -> Predictions:
        """What the model says of each source: the values of the queries and their 1 sigma.

        queries: tokens and names of heads, each once; by default the 15 quantities and every head
        """
        answering, seen = self._shown(sources)
        predictor = answering.predictor
        began = time.monotonic()
        watch = answering.watch
        try:
            columns = predictor.predict(seen, queries, embeddings=watch is not None)
        except ValueError as error:
            raise InvalidArgument(str(error)) from None
        if watch is not None:
            watch.see(columns.pop("EMBEDDING"), seen)
        asked = predictor.heads if queries is None else queries
        version = answering.model.version
        metrics.count(seen, columns, version, time.monotonic() - began)
        heads = [head for head in answering.heads if head.name in asked and head.state == READY]
        return Predictions(
            model=answering.model, heads=heads, predictions=_rows(columns), notes=list(seen.notes)
        )

    @bentoml.api
    def redshifts(
        self, sources: Annotated[list[Source], Field(min_length=1, max_length=MAX_PDFS)]
    ) -> Redshifts:
        """p(z) of each source, as probabilities of steps."""
        answering, seen = self._shown(sources)
        pdfs = answering.predictor.redshifts(_columns(sources))
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

    @bentoml.api
    def embed(
        self, sources: Annotated[list[Source], Field(min_length=1, max_length=MAX_EMBEDDINGS)]
    ) -> Embeddings:
        """The embedding of each source: near ones are alike to the model."""
        answering, seen = self._shown(sources)
        vectors = answering.predictor.embed(seen)
        return Embeddings(
            model=answering.model,
            embeddings=[
                vector.tolist() if is_answered else None
                for vector, is_answered in zip(vectors, seen.answered, strict=True)
            ],
            reasons=[reason or None for reason in seen.reason],
        )

    @bentoml.api
    async def model(self) -> Card:
        """The card of the model that answers."""
        return card(self._now())

    @bentoml.api
    async def health(self) -> Health:  # async: it does not wait for the thread that predicts
        """The model that this service answers with, the state of every head, and of the alias."""
        found = self._now()
        return Health(
            **found.model.model_dump(), heads=found.heads, following=self.follower.state()
        )

    def _shown(self, sources: list[Any]) -> tuple[Answering, Shown]:
        """Who answers a request, and what there is of its sources."""
        _take(len(sources))
        answering = self._now()
        try:
            return answering, answering.predictor.shown(_columns(sources))
        except ValueError as error:
            raise InvalidArgument(str(error)) from None

    def _now(self) -> Answering:
        try:
            return self.follower.now()
        except Absent as error:
            raise ServiceUnavailable(str(error)) from None


def _take(num_sources: int) -> None:
    """Count sources for whoever asks, or refuse them."""
    try:
        access.take(num_sources)
    except access.Refused as refused:
        status = HTTPStatus(refused.status)
        raise BentoMLException(str(refused), error_code=status) from None


def _columns(sources: list[Any]) -> Columns:
    """Sources as columns, null as NaN or as a name that is none; but i, none is all nulls."""
    rows = [source.model_dump(exclude_none=True) for source in sources]
    names = sorted({"MAG_i"} | {name for row in rows for name in row})
    return {
        name: np.array([row.get(name, "") for row in rows], dtype=object)
        if name == "MORPHTYPE"
        else np.array([row.get(name, math.nan) for row in rows])
        for name in names
    }


def _rows(columns: Columns) -> list[dict[str, float | str | None]]:
    """Columns as one mapping per source, NaN and "" as null."""
    values = {name: [_plain(value) for value in column] for name, column in columns.items()}
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def _plain(value: Any) -> float | str | None:
    if isinstance(value, str):
        return value or None
    return float(value) if math.isfinite(value) else None
