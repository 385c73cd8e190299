"""A client of the service (docs/service.md): tables in, tables out, in chunks and with patience.

    from ojala.client import Client
    with Client("http://localhost:3000") as ojala:
        answers = ojala.predict(sources)          # an astropy Table, a row per source

``AsyncClient`` is the same with ``await``, and has several chunks under way at once. Both know HTTP
alone: neither torch nor a bundle is needed here.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeAlias

import httpx
import numpy as np
from astropy.table import MaskedColumn, Table
from astropy.units import Quantity

from ojala.vocabulary.bands import reference_band
from ojala.vocabulary.quantities import observations

Answer: TypeAlias = Mapping[str, Any]

CHUNK = 1000
"""Sources of one request, by default."""

TRIES = 6
"""Times that a request is sent, at most."""

LONGEST_PAUSE = 60.0
"""Seconds between two tries, at most."""

AGAIN = (429, 502, 503, 504)
"""Statuses after which the same request may be answered."""

NAMES = ("CLASS", "MORPHTYPE", "REASON")
"""Columns of an answer that hold text."""

CHAMPION = "champion"
"""The model that answers whoever names none."""

CHUNK_OF_CANDIDATE = 512
"""Sources of one request to the candidate, at most."""

IN_FLIGHT = 4
"""Requests of an ``AsyncClient`` that are under way at once."""


class ServiceError(Exception):
    """What the service refused, in its own sentence, or why it could not be asked.

    status: of HTTP, 0 where there was no answer
    """

    def __init__(self, status: int, told: str) -> None:
        super().__init__(told)
        self.status = status


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What every client knows: whom it asks, with which key, and how patiently."""

    address: str
    key: str | None = None
    chunk: int = CHUNK
    tries: int = TRIES
    timeout: float = 90.0

    def __post_init__(self) -> None:
        for name, least in (("chunk", 1), ("tries", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}, expected {least} or more")

    def settings(self, transport: Any) -> dict[str, Any]:
        """Arguments of httpx's clients."""
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        found = {"base_url": self.address, "headers": headers, "timeout": self.timeout}
        return found | ({"transport": transport} if transport is not None else {})


class Client:
    """Asks the service of an address.

    address: such as "http://localhost:3000"; key: where the service asks for one
    chunk: sources of one request; tries: of each request; timeout: seconds for one try
    transport: of httpx, None for the network
    """

    def __init__(self, address: str, *, transport: Any = None, **settings: Any) -> None:
        self._asked = _Asked(address=address, **settings)
        self._http = httpx.Client(**self._asked.settings(transport))

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def predict(
        self,
        sources: Table | Mapping[str, Any],
        queries: Sequence[str] | None = None,
        model: str = CHAMPION,
    ) -> Table:
        """What the service says of each source, a row each, in their order.

        sources: columns named as the release's (docs/datamodel.md), masked or NaN where not
            observed; other columns are left at home
        queries: tokens and names of heads, by default the 15 quantities and every head
        model: "champion", the one that answers, or "candidate", where one stands in its shadow
        Returns a masked Table with REASON last; its meta has "model", "heads", "notes" and
        "left_out", the columns that the service has no use for. Where a promotion came between
        two chunks all are asked again, so that one model answers.
        Raises ServiceError with the sentence of the service, and ValueError for a table without
        MAG_i or with rows of several values.
        """
        rows, left_out = _rows(sources)
        for _ in range(self._asked.tries):
            bodies = _bodies(rows, queries, model, self._asked.chunk)
            answers = [self._post("/predict", body) for body in bodies]
            if _are_of_one(answers):
                return _table(answers, left_out)
        raise ServiceError(0, "the model that answers changed again and again, ask again later")

    def model(self) -> dict[str, Any]:
        """The card of the model that answers."""
        return self._post("/model", {})

    def health(self) -> dict[str, Any]:
        """The model that answers, the state of every head, and of a candidate in the shadow."""
        return self._post("/health", {})

    def _post(self, path: str, body: Any) -> dict[str, Any]:
        for number in range(1, self._asked.tries + 1):
            try:
                answer = self._http.post(path, json=body)
                found = _read(answer, is_last=number == self._asked.tries)
                if found is not None:
                    return found
                pause = _pause(number, answer)
            except httpx.TransportError as error:
                _check_last(error, is_last=number == self._asked.tries)
                pause = _pause(number)
            time.sleep(pause)
        raise AssertionError("the last try returns or raises")


class AsyncClient:
    """``Client`` for asyncio: at most IN_FLIGHT chunks are under way at once."""

    def __init__(self, address: str, *, transport: Any = None, **settings: Any) -> None:
        self._asked = _Asked(address=address, **settings)
        self._http = httpx.AsyncClient(**self._asked.settings(transport))
        self._places = asyncio.Semaphore(IN_FLIGHT)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def predict(
        self,
        sources: Table | Mapping[str, Any],
        queries: Sequence[str] | None = None,
        model: str = CHAMPION,
    ) -> Table:
        """What the service says of each source: as ``Client.predict``, and it raises the same."""
        rows, left_out = _rows(sources)
        for _ in range(self._asked.tries):
            answers = await self._each(_bodies(rows, queries, model, self._asked.chunk))
            if _are_of_one(answers):
                return _table(answers, left_out)
        raise ServiceError(0, "the model that answers changed again and again, ask again later")

    async def model(self) -> dict[str, Any]:
        """The card of the model that answers."""
        return await self._post("/model", {})

    async def health(self) -> dict[str, Any]:
        """The model that answers, the state of every head, and of a candidate in the shadow."""
        return await self._post("/health", {})

    async def _each(self, bodies: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
        """Answers of all chunks; when one is refused the others are given up."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._post("/predict", body)) for body in bodies]
        except ExceptionGroup as several:
            raise several.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _post(self, path: str, body: Any) -> dict[str, Any]:
        for number in range(1, self._asked.tries + 1):
            try:
                async with self._places:
                    answer = await self._http.post(path, json=body)
                found = _read(answer, is_last=number == self._asked.tries)
                if found is not None:
                    return found
                pause = _pause(number, answer)
            except httpx.TransportError as error:
                _check_last(error, is_last=number == self._asked.tries)
                pause = _pause(number)
            await asyncio.sleep(pause)
        raise AssertionError("the last try returns or raises")


def _read(answer: httpx.Response, *, is_last: bool) -> dict[str, Any] | None:
    """What was answered; None where the request may be sent again. Raises ServiceError."""
    if answer.status_code == 200:
        found: dict[str, Any] = answer.json()
        return found
    if answer.status_code in AGAIN and not is_last:
        return None
    try:
        told = str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        told = answer.text.strip() or answer.reason_phrase
    raise ServiceError(answer.status_code, told)


def _check_last(error: httpx.TransportError, *, is_last: bool) -> None:
    if is_last:
        raise ServiceError(0, f"the service cannot be asked: {error}") from None


def _pause(number: int, answer: httpx.Response | None = None) -> float:
    """Seconds before the next try: as the service says, else longer each time, by chance."""
    said = answer.headers.get("Retry-After", "") if answer is not None else ""
    if said.isdigit():
        return min(float(said), LONGEST_PAUSE)
    return min(0.25 * 2.0**number, LONGEST_PAUSE) * random.uniform(0.5, 1.0)


def _rows(sources: Table | Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    """Sources as the service takes them, a mapping each without what was not observed.

    An error that is missing is told: in a table it says that its value is not observed.
    Returns them, and the columns that are none of the service's.
    """
    names = sources.colnames if isinstance(sources, Table) else list(sources)
    known = {name for token in observations() for name in (token, f"{token}_ERR")}
    kept = [name for name in names if name in known - {"MORPHTYPE_ERR"}]
    reference = reference_band().token
    if reference not in kept:
        raise ValueError(f"the sources have no column {reference}")
    columns = {name: _values(sources[name], name) for name in kept}
    if len({len(values) for values in columns.values()}) > 1:
        raise ValueError("columns of the sources differ in length")
    rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    observed = [
        {
            name: value
            for name, value in row.items()
            if value is not None or name == reference or name.endswith("_ERR")
        }
        for row in rows
    ]
    return observed, [name for name in names if name not in kept]


def _values(column: Any, name: str) -> list[Any]:
    """Values of a column, None where there is none."""
    if isinstance(column, Quantity):
        column = Table([column], names=[name])[name]  # the values and what is masked, no unit
    plain = np.ma.asarray(column)
    if plain.ndim != 1:
        raise ValueError(f"column {name} holds several values in a row")
    values = plain.tolist(None) if plain.dtype.kind != "O" else list(plain)
    if name == "MORPHTYPE":
        return [str(value).strip() or None if isinstance(value, str) else None for value in values]
    return [_number(value, name, row) for row, value in enumerate(values, 1)]


def _number(value: Any, name: str, row: int) -> float | None:
    if value is None or value is np.ma.masked:
        return None
    if isinstance(value, bool | str | bytes):
        raise ValueError(f"{name} of row {row} is {value!r}, expected a number")
    return float(value) if math.isfinite(value) else None


def _bodies(
    rows: Sequence[Mapping[str, Any]], queries: Sequence[str] | None, model: str, chunk: int
) -> Iterator[dict[str, Any]]:
    if not rows:
        raise ValueError("there are no sources")
    asked: dict[str, Any] = {} if queries is None else {"queries": list(queries)}
    if model != CHAMPION:
        asked["model"] = model
        chunk = min(chunk, CHUNK_OF_CANDIDATE)
    for start in range(0, len(rows), chunk):
        yield {"sources": rows[start : start + chunk]} | asked


def _are_of_one(answers: Sequence[Answer]) -> bool:
    """Whether one model, with the same heads, gave all answers."""
    first = answers[0]
    return all(one["model"] == first["model"] and one["heads"] == first["heads"] for one in answers)


def _table(answers: Sequence[Answer], left_out: Sequence[str]) -> Table:
    """Answers as one table, masked where there is no value."""
    rows = [row for answer in answers for row in answer["predictions"]]
    columns = {name: _column(name, [row[name] for row in rows]) for name in rows[0]}
    notes = dict.fromkeys(note for answer in answers for note in answer["notes"])
    meta = {name: answers[0][name] for name in ("model", "heads")}
    meta |= {"notes": list(notes), "left_out": list(left_out)}
    last = {"REASON": columns.pop("REASON")} if "REASON" in columns else {}
    return Table(columns | last, meta=meta, masked=True)


def _column(name: str, values: Sequence[Any]) -> MaskedColumn:
    is_blank = [value is None for value in values]
    if name in NAMES:
        return MaskedColumn([value or "" for value in values], mask=is_blank, dtype=str)
    numbers = [math.nan if value is None else value for value in values]
    return MaskedColumn(numbers, mask=is_blank, dtype=np.float64)
