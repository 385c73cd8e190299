"""The service: predict, and what it is (docs/service.md)."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

import bentoml
import torch
from bentoml.exceptions import (
    BentoMLException,
    InvalidArgument,
    NotFound,
    ServiceUnavailable,
)
from pydantic import AfterValidator, Field
from starlette.concurrency import run_in_threadpool as to_thread
from starlette.responses import JSONResponse, Response

from ojala.model.shown import Shown
from ojala.tables.shards import Columns
from serving import access, agreement, answering, cone_search, gathering, settings
from serving.answering import Answering, Predicted, card
from serving.encoding import by_columns, by_rows, given_columns, sources_columns
from serving.following import Absent, Follower
from serving.foreman import Foreman
from serving.gathering import Asked, Busy, num_sources
from serving.jobs import Jobs
from serving.named import NotStanding, TooMany
from serving.neighbours import Neighbourhood, NotReady
from serving.refusals import refusing_alike
from serving.schemas import (
    CANDIDATE,
    MAX_EMBEDDINGS,
    MAX_OF_CANDIDATE,
    MAX_PDFS,
    MAX_SIMILAR,
    MAX_SOURCES,
    Card,
    Embeddings,
    Health,
    PredictionColumns,
    Predictions,
    Query,
    Redshifts,
    Similar,
    Source,
    SourceColumns,
    Whom,
)
from serving.shadow import Shadow
from serving.standing import Request

T = TypeVar("T")

FEW = 64
"""Sources that are read or written in about a millisecond, which others may wait for."""

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


def _signed_once(service: Any) -> Any:
    """A service whose signatures are read once: for each request they are a tenth of its cost."""
    for method in service.apis.values():
        method.func.__signature__ = inspect.signature(method.func)
    return service


@_signed_once
@refusing_alike
@bentoml.service(
    name="ojala",
    workers=settings.workers(),
    traffic={"timeout": 60},
    # Requests are counted in /metrics; a line for each costs a third of the throughput.
    logging={"access": {"enabled": False}},
    # Spans that go nowhere cost a quarter of what a request costs the event loop.
    tracing={"excluded_urls": ".*"},
)
class OjalaService:
    """Answers about sources with the version that the alias names, and follows it."""

    def __init__(self) -> None:
        torch.set_num_threads(min(torch.get_num_threads(), settings.threads()))
        place = agreement.directory(bentoml.server_context.worker_index)
        self.follower = Follower(agreement.Agreement(place))
        self.follower.begin()
        self.neighbourhood = _neighbourhood(place / "neighbours", self.follower)
        self.shadow = Shadow(self.follower.agreement)
        self.shadow.begin()
        gathering.here().now, gathering.here().overhear = self.follower.now, self.shadow.overhear
        self.one_pdf_at_a_time = asyncio.Lock()
        self.jobs = Jobs(settings.jobs() or place / "jobs")
        self.foreman = Foreman(self.jobs)

    @bentoml.on_shutdown
    def end(self) -> None:
        """Leave the other processes to themselves."""
        if self.neighbourhood is not None:
            self.neighbourhood.end()
        self.shadow.end()
        self.foreman.end()
        gathering.here().end()
        self.follower.end()

    @bentoml.api
    async def predict(
        self,
        sources: Annotated[list[Source], Field(min_length=1, max_length=MAX_SOURCES)],
        queries: Queries | None = None,
        model: Whom = "champion",
    ) -> Predictions:
        """What the model says of each source: the values of the queries and their 1 sigma.

        queries: tokens and names of heads, each once; by default the 15 quantities and every head
        model: whom to ask
        """
        given = await _aside(len(sources), sources_columns, sources)
        return cast(Predictions, await self._predicted(given, queries, model, by_rows))

    @bentoml.api
    async def predict_columns(
        self, columns: SourceColumns, queries: Queries | None = None, model: Whom = "champion"
    ) -> PredictionColumns:
        """The same, asked and answered by columns: far less to write and to read for many sources.

        queries, model: as of predict
        """
        given = await to_thread(given_columns, columns)
        return cast(PredictionColumns, await self._predicted(given, queries, model, by_columns))

    @bentoml.api
    async def redshifts(
        self,
        sources: Annotated[list[Source], Field(min_length=1, max_length=MAX_PDFS)],
        model: Whom = "champion",
    ) -> Redshifts:
        """p(z) of each source, as probabilities of steps.

        model: as of predict
        """
        _take(len(sources))
        asked = partial(answering.redshifts, sources=sources_columns(sources))
        if model == CANDIDATE:
            return cast(Redshifts, await self._of_candidate(asked, len(sources)))
        now = self._now()
        try:
            async with self.one_pdf_at_a_time:
                return await to_thread(asked, now)
        except ValueError as error:
            raise InvalidArgument(str(error)) from None

    @bentoml.api
    def embed(
        self, sources: Annotated[list[Source], Field(min_length=1, max_length=MAX_EMBEDDINGS)]
    ) -> Embeddings:
        """The embedding of each source: near ones are alike to the model."""
        now, seen = self._shown(sources)
        vectors = now.predictor.embed(seen)
        return Embeddings(
            model=now.model,
            embeddings=[
                vector.tolist() if is_answered else None
                for vector, is_answered in zip(vectors, seen.answered, strict=True)
            ],
            reasons=[reason or None for reason in seen.reason],
        )

    @bentoml.api
    def similar(
        self,
        sources: Annotated[list[Source], Field(min_length=1, max_length=MAX_SIMILAR)],
        k: Annotated[int, Field(strict=True, ge=1, le=MAX_SIMILAR)] = 10,
    ) -> Similar:
        """The sources of the served catalogue whose embeddings are nearest, k of each."""
        if self.neighbourhood is None:
            raise NotFound(cone_search.NO_CATALOGUE)
        now, seen = self._shown(sources)
        vectors = now.predictor.embed(seen)[seen.answered]
        try:
            found = iter(self.neighbourhood.nearest(now, vectors, k))
        except NotReady as error:  # BentoML would tell another sentence in place of this one
            return cast(Similar, JSONResponse({"error": str(error)}, status_code=503))
        return Similar(
            model=now.model,
            catalogue_bundle=self.neighbourhood.made_by,
            neighbours=[next(found) if is_answered else None for is_answered in seen.answered],
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
            **found.model.model_dump(),
            heads=found.heads,
            following=self.follower.state(),
            shadow=self.shadow.told(),
        )

    async def _predicted(
        self,
        sources: Columns,
        queries: list[str] | None,
        model: Whom,
        encoded: Callable[..., Response],
    ) -> Response:
        """The answer about sources, encoded: BentoML's own way to do that costs ten times more."""
        number, asked = num_sources(sources), None if queries is None else tuple(queries)
        _take(number)
        if model == CANDIDATE:
            request = partial(answering.predicted, sources=sources, queries=asked)
            found: Predicted = await self._of_candidate(request, number)
        else:
            found = await self._of_champion(sources, asked)
        return await _aside(number, encoded, *found)

    async def _of_champion(self, sources: Columns, queries: tuple[str, ...] | None) -> Predicted:
        """What the version that answers says, in a batch with others."""
        now = self._now()
        try:
            now.predictor.check_queries(queries or ())
            request = Asked(answering=now, sources=sources, queries=queries)
            said, notes = await asyncio.wrap_future(gathering.here().ask(request))
        except ValueError as error:
            raise InvalidArgument(str(error)) from None
        except Busy as busy:
            raise BentoMLException(str(busy), error_code=HTTPStatus.TOO_MANY_REQUESTS) from None
        return now.model, now.heads_asked(queries), said, notes

    async def _of_candidate(self, request: Request, number: int) -> Any:
        """What the candidate says to a request of some number of sources, behind all others."""
        if number > MAX_OF_CANDIDATE:
            told = f"{number} sources, the candidate is asked for {MAX_OF_CANDIDATE} at most"
            raise BentoMLException(told, error_code=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        try:
            return await asyncio.wrap_future(self.shadow.ask(request))
        except ValueError as error:
            raise InvalidArgument(str(error)) from None
        except NotStanding as error:
            raise BentoMLException(str(error), error_code=HTTPStatus.CONFLICT) from None
        except TooMany as error:
            status = HTTPStatus.TOO_MANY_REQUESTS
            raise BentoMLException(str(error), error_code=status) from None

    def _shown(self, sources: list[Any]) -> tuple[Answering, Shown]:
        """Who answers a request, and what there is of its sources."""
        _take(len(sources))
        now = self._now()
        try:
            return now, now.predictor.shown(sources_columns(sources))
        except ValueError as error:
            raise InvalidArgument(str(error)) from None

    def _now(self) -> Answering:
        try:
            return self.follower.now()
        except Absent as error:
            raise ServiceUnavailable(str(error)) from None


async def _aside(number: int, work: Callable[..., T], *given: Any) -> T:
    """Work on some number of sources, in a thread unless they are so few that it is no gain."""
    return work(*given) if number <= FEW else await to_thread(work, *given)


def _neighbourhood(place: Path, follower: Follower) -> Neighbourhood | None:
    """The served catalogue, to be embedded; None where there is none."""
    served = cone_search.served()
    return None if served is None else Neighbourhood(served.table, place, follower.now)


def _take(num_sources: int) -> None:
    """Count sources for whoever asks, or refuse them."""
    try:
        access.take(num_sources)
    except access.Refused as refused:
        status = HTTPStatus(refused.status)
        raise BentoMLException(str(refused), error_code=status) from None
