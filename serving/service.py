"""The service: predict, and what it is (docs/service.md)."""

from __future__ import annotations

import math
from typing import Annotated, Any

import bentoml
import numpy as np
from bentoml.exceptions import InvalidArgument
from pydantic import AfterValidator, Field

from ojala.heads.head import READY
from ojala.model.predictor import Predictor
from ojala.tables.shards import Columns
from serving.heads import ready
from serving.refusals import refusing_alike
from serving.registered import served
from serving.schemas import MAX_SOURCES, Head, Health, Model, Predictions, Query, Source

sources_predicted = bentoml.metrics.Counter(
    "ojala_sources", "Sources predicted, by the class that they were given", ["spectype", "version"]
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
    traffic={"timeout": 60},
    # Requests are counted in /metrics; a line for each costs a third of the throughput.
    logging={"access": {"enabled": False}},
)
class OjalaService:
    """Answers about sources with the registered bundle that was there when the service began."""

    def __init__(self) -> None:
        found = served()
        self.predictor = Predictor(found.bundle, heads=ready(found.heads))
        self.model = Model(
            name=found.name,
            version=found.version,
            digest=found.bundle.digest,
            run_id=str(found.bundle.provenance.get("run_id", "")),
        )
        self.heads = [
            Head(name=one.name, version=one.version, digest=one.digest, state=one.state)
            for one in found.heads
        ]

    @bentoml.api
    def predict(
        self,
        sources: Annotated[list[Source], Field(min_length=1, max_length=MAX_SOURCES)],
        queries: Queries | None = None,
    ) -> Predictions:
        """What the model says of each source: the values of the queries and their 1 sigma.

        queries: tokens and names of heads, each once; by default the 15 quantities and every head
        """
        try:
            seen = self.predictor.shown(_columns(sources))
            columns = self.predictor.predict(seen, queries)
        except ValueError as error:
            raise InvalidArgument(str(error)) from None
        asked = self.predictor.heads if queries is None else queries
        for spectype in filter(None, columns.get("CLASS", ())):
            sources_predicted.labels(spectype=spectype, version=self.model.version).inc()
        heads = [head for head in self.heads if head.name in asked and head.state == READY]
        return Predictions(
            model=self.model, heads=heads, predictions=_rows(columns), notes=list(seen.notes)
        )

    @bentoml.api
    async def health(self) -> Health:  # async: it does not wait for the thread that predicts
        """The model that this service answers with, and the state of every head."""
        return Health(**self.model.model_dump(), heads=self.heads)


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
