"""What goes before BentoML: bodies are read and unpacked, refusals are told in one shape.

A refusal is always {"error": one sentence}, and one line in the log.

BentoML has three shapes for it, one of them an object in a list, and logs a traceback for each
request that cannot be read.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import bentoml
from bentoml.exceptions import BentoMLException
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving import (
    access,
    bodies,
    cone_search,
    gathering,
    job_requests,
    openapi,
    page,
    tables,
    webhook,
)
from serving.following import Absent
from serving.schemas import MAX_SOURCES

log = logging.getLogger("bentoml.ojala")

GATHERED = ("/predict", "/predict_columns")
"""Paths whose requests wait for one another."""

MOST_TOLD = 500
"""Characters of a refusal."""

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class Refusals:
    """The service with refusals of one shape, its own page, and GET of /health and /model."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.guard = access.guard()
        self.cones = cone_search.served()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; its answer is kept back, and told anew, where it is a refusal."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        asking, status = None, 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            asking = self.guard.admitted(scope)
            _check_soon(scope)
            await self._let_in(scope, receive, noted)
        except access.Refused as refused:
            wait = {"Retry-After": str(refused.retry_after)} if refused.retry_after else {}
            kept_out = bodies.RefusedBody(refused.status, str(refused), ended=False)
            await _refused_body(scope, receive, noted, kept_out, wait)
        finally:
            self.guard.log(scope, asking, status)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        if content_type := _form(scope):
            told = f"Content-Type is {content_type}, expected application/json"
            return await _refusal(scope, 415, told)(scope, receive, send)
        if scope["method"] in ("GET", "HEAD") and scope["path"] in page.FILES:
            return await page.answered(scope["path"])(scope, receive, send)
        if (scope["method"], scope["path"]) == ("GET", "/scs"):
            return await self._cone(scope, receive, send)
        if (scope["method"], scope["path"]) in (("GET", "/health"), ("GET", "/model")):
            scope = {**scope, "method": "POST"}
        if (scope["method"], scope["path"]) == ("GET", "/docs.json"):
            return await self._document(scope, receive, send)
        if scope["path"] == access.SIGNED:
            return await self._registry_changed(scope, receive, send)
        if job_requests.is_asked(scope["path"]):
            return await self._jobs(scope, receive, send)
        try:
            scope, receive = await bodies.unpacked(scope, receive)
        except bodies.RefusedBody as refused:
            return await _refused_body(scope, receive, send, refused)
        if scope["path"] == "/predict_table":
            return await self._table(scope, receive, send)
        body = await Request(scope, receive).body()
        if body.count(b"{") > MAX_SOURCES + 1:  # a million would take seconds to parse
            told = f"sources: more than {MAX_SOURCES}, ask for fewer at once"
            return await _refusal(scope, 400, told)(scope, receive, send)
        await self._answered(scope, bodies.told_once(body, receive), send)

    async def _table(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if scope["method"] != "POST":
            return await _refusal(scope, 405, "Method Not Allowed")(scope, receive, send)
        media_type = request.headers.get("content-type", "")
        try:
            asked = (await request.body(), tables.suffix_of(media_type), request.query_params)
            answering = gathering.here().now()
            found = await run_in_threadpool(tables.answered, *asked, answering)
        except Absent as error:
            return await _refusal(scope, 503, str(error))(scope, receive, send)
        except access.Refused as refused:
            return await _told(scope, refused)(scope, receive, send)
        await Response(found, media_type=media_type)(scope, receive, send)

    async def _document(self, scope: Scope, receive: Receive, send: Send) -> None:
        """BentoML's own document, completed."""
        body = b""

        async def kept(message: Message) -> None:
            nonlocal body
            body += message.get("body", b"")

        await self.app(scope, receive, kept)
        await JSONResponse(openapi.completed(json.loads(body)))(scope, receive, send)

    async def _jobs(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_heard = False

        async def hearing() -> Message:
            nonlocal is_heard
            message = await receive()
            is_heard = not message.get("more_body", False)
            return message

        try:
            jobs = bentoml.get_current_service().jobs
            answer = await job_requests.answered(jobs, Request(scope, hearing))
        except bodies.RefusedBody as refused:
            return await _refused_body(scope, receive, send, refused)
        except access.Refused as refused:
            if not is_heard:
                raise
            answer = _told(scope, refused)
        await answer(scope, receive, send)

    async def _registry_changed(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await webhook.heard(scope, receive)
        except bodies.RefusedBody as refused:
            return await _refused_body(scope, receive, send, refused)
        bentoml.get_current_service().follower.agreement.hurry()
        await Response(status_code=204)(scope, receive, send)

    async def _cone(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.cones is None:
            return await _refusal(scope, 404, cone_search.NO_CATALOGUE)(scope, receive, send)
        asked = Request(scope).query_params
        found = await run_in_threadpool(cone_search.answer, self.cones, asked)
        await Response(found, media_type=cone_search.MEDIA_TYPE)(scope, receive, send)

    async def _answered(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, body = 0, b""

        async def told_anew(message: Message) -> None:
            nonlocal status, body
            if message["type"] == "http.response.start":
                status = message["status"]
            if status < 400:
                return await send(message)
            body += message.get("body", b"")
            if message["type"] == "http.response.body" and not message.get("more_body"):
                await _refusal(scope, status, sentence(body))(scope, receive, send)

        await self.app(scope, receive, told_anew)


def _check_soon(scope: Scope) -> None:
    """Raise Refused, before its body is read, for a request that would have to wait for long."""
    if scope["path"] in GATHERED:
        try:
            gathering.here().check_soon()
        except gathering.Busy as busy:
            raise access.Refused(429, str(busy), retry_after=busy.seconds) from None


async def _refused_body(
    scope: Scope,
    receive: Receive,
    send: Send,
    refused: bodies.RefusedBody,
    more: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Refuse at once, hear out who is still sending, and let the connection go."""
    answer = _refusal(scope, refused.status, str(refused))
    answer.headers.update(more)
    start = {"type": "http.response.start", "status": refused.status}
    headers = [*answer.raw_headers, (b"connection", b"close")]
    await send(start | {"headers": headers})
    await send({"type": "http.response.body", "body": bytes(answer.body), "more_body": True})
    if not refused.ended:
        await bodies.heard_out(receive)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _form(scope: Scope) -> str | None:
    """The content type of a form: JSON that curl sends as one would be read as an empty request."""
    content_type: str = dict(scope["headers"]).get(b"content-type", b"").decode("latin-1")
    return content_type if content_type.lower().startswith(FORMS) else None


def _refusal(scope: Scope, status: int, told: str) -> JSONResponse:
    if len(told) > MOST_TOLD:  # it names what was sent, however long that is
        told = f"{told[:MOST_TOLD]} ..."
    if status < 500:  # of what is the server's own fault BentoML logs the traceback
        line = f"{scope['method']} {scope['path']} refused, {status}: {told}"
        log.info("%s", " ".join(line.split()))  # one line, whatever a path or a name holds
    return JSONResponse({"error": told}, status_code=status)


def _told(scope: Scope, refused: access.Refused) -> Response:
    """The answer to a request of which nothing is left to hear out."""
    answer = _refusal(scope, refused.status, str(refused))
    if refused.retry_after:
        answer.headers["Retry-After"] = str(refused.retry_after)
    return answer


def sentence(body: bytes) -> str:
    """What a refusal of BentoML or of Starlette says, in one sentence."""
    try:
        said = json.loads(body)
    except ValueError:
        return body.decode(errors="replace").strip()
    if isinstance(said, list) and len(said) == 1:
        (said,) = said
    if isinstance(said, Mapping) and said.get("detail"):
        return _first_wrong(said["detail"])
    return str(said["error"] if isinstance(said, Mapping) and "error" in said else said)


def _first_wrong(wrong: Sequence[Mapping[str, Any]]) -> str:
    """Where pydantic found the first thing wrong, what it is, and how many more there are."""
    first = wrong[0]
    place = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in first["loc"])
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    return f"{place.lstrip('.') or 'the request'}: {first['msg']}{more}"


class WithoutRefusals(logging.Filter):
    """Leaves the tracebacks of refused requests out of a log."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is of anything else."""
        error = record.exc_info[1] if record.exc_info else None
        unreadable = isinstance(error, ValidationError) and error.title == "Input"
        refused = isinstance(error, BentoMLException) and error.error_code < 500
        return not (unreadable or refused)


def refusing_alike(service: Any) -> Any:
    """A service whose refusals are of one shape, in answers and in the log."""
    for method in service.apis.values():  # an entry that is unknown is no entry that is left out
        method.input_spec.model_config["extra"] = "forbid"
        method.input_spec.model_rebuild(force=True)
    service.add_asgi_middleware(Refusals)
    logging.getLogger("bentoml._internal.server.http_app").addFilter(WithoutRefusals())
    return service
