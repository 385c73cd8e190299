"""What is asked about jobs: POST /jobs, GET /jobs, GET and DELETE /jobs/ID, GET /jobs/ID/result."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from starlette.concurrency import run_in_threadpool as to_thread
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from ojala.heads.head import READY
from serving import access, bodies, gathering, tables
from serving.answering import Answering
from serving.following import Absent
from serving.jobs import CANCELLED, DONE, Job, Jobs
from serving.schemas import JobStatus, Model

MAX_SOURCES = 1_000_000
"""Sources of one job; more is for ``ojala predict``."""

MOST_BYTES = 2**30
"""Of a table as it comes, unpacked from gzip."""

MOST_BYTES_WHOLE = bodies.MAX_BYTES
"""The same of a VOTable, which is read whole."""

MOST_IN_MEMORY = 4 * 2**30
"""Bytes of a table of Parquet, all its pieces together, whatever it was packed to."""

MOST_JOBS = 20
"""Jobs of a key, those that have ended and are kept among them."""


def is_asked(path: str) -> bool:
    """Whether a path is one of jobs."""
    return path == "/jobs" or path.startswith("/jobs/")


async def answered(jobs: Jobs, request: Request) -> Response:
    """The answer about jobs. Raises Refused, and RefusedBody."""
    method, parts = request.method, request.url.path.removeprefix("/jobs").split("/")[1:]
    match (method, *parts):
        case ("POST",):
            return await _submitted(jobs, request)
        case ("GET",):
            return JSONResponse([_status(jobs, job) for job in await to_thread(_own, jobs)])
        case ("GET", name):
            return JSONResponse(_status(jobs, _named(jobs, name)))
        case ("DELETE", name):
            return JSONResponse(await to_thread(_ended, jobs, _named(jobs, name)))
        case ("GET", name, "result"):
            return _result(jobs, _named(jobs, name))
    if len(parts) < 2 or parts[1:] == ["result"]:
        raise access.Refused(405, "Method Not Allowed")
    raise access.Refused(404, "Not Found")


async def _submitted(jobs: Jobs, request: Request) -> Response:
    """A table that is taken: status 202, and where to ask for it."""
    suffix = tables.suffix_of(request.headers.get("content-type", ""))
    queries = tables.queries_of(request.query_params)
    try:
        answering = gathering.here().now()
        answering.predictor.check_queries(queries or ())
    except Absent as error:
        raise access.Refused(503, str(error)) from None
    except ValueError as error:
        raise access.Refused(400, str(error)) from None
    _check_room(jobs)
    name, place = jobs.begin()
    try:
        path = place / f"table{suffix}"
        with path.open("wb") as file:
            most = MOST_BYTES_WHOLE if suffix == ".vot" else MOST_BYTES
            await bodies.stored(request.scope, request.receive, file, most)
        num_sources = await to_thread(_counted, path)
        access.take(num_sources)
        job = _job(name, request, suffix, queries, num_sources, answering)
        jobs.submit(job, place)
    except OSError as error:
        raise access.Refused(507, f"the table cannot be kept ({error.strerror})") from None
    finally:
        shutil.rmtree(place, ignore_errors=True)
    where = {"Location": f"/jobs/{name}"}
    return JSONResponse(_status(jobs, job), status_code=202, headers=where)


def _check_room(jobs: Jobs) -> None:
    """Raise Refused where a key has as many jobs as it may."""
    if len(_own(jobs)) >= MOST_JOBS:
        told = f"{MOST_JOBS} jobs are kept: take one away by DELETE /jobs/ID"
        raise access.Refused(429, told, retry_after=60)


def _counted(path: Path) -> int:
    try:
        return tables.count(path, MAX_SOURCES, MOST_IN_MEMORY)
    except ValueError as error:
        told = str(error).replace(f"{path}: ", "")
        raise access.Refused(400, f"the table: {told}") from None


def _job(
    name: str,
    request: Request,
    suffix: str,
    queries: tuple[str, ...] | None,
    num_sources: int,
    answering: Answering,
) -> Job:
    return Job(
        name=name,
        owner=_owner(),
        suffix=suffix,
        media_type=request.headers.get("content-type", ""),
        queries=queries,
        num_sources=num_sources,
        edition=answering.edition,
        model=answering.model.model_dump(),
        heads=tuple(head.digest for head in answering.heads if head.state == READY),
        submitted=time.time(),
    )


def _owner() -> str:
    """Whose jobs a request may see: those of its key."""
    asking = access.caller.get()
    return asking.key.name if asking is not None and asking.key is not None else ""


def _own(jobs: Jobs) -> list[Job]:
    return jobs.of(_owner())


def _named(jobs: Jobs, name: str) -> Job:
    """A job of whoever asks. Raises Refused where there is none, or it is another one's."""
    job = jobs.find(name)
    if job is None or job.owner != _owner():
        raise access.Refused(404, f"there is no job {name}")
    return job


def _status(jobs: Jobs, job: Job) -> dict[str, object]:
    progress, end = jobs.progress(job), jobs.ended(job)
    rate = progress.sources_per_second if progress else 0.0
    state = jobs.state(job)
    return JobStatus(
        job=job.name,
        state=state,
        model=Model(**job.model),
        num_sources=job.num_sources,
        sources_done=progress.sources_done if progress else 0,
        sources_per_second=round(rate, 1) or None,
        told=list(end.told) if end else [],
        result=f"/jobs/{job.name}/result" if state == DONE else None,
    ).model_dump()


def _ended(jobs: Jobs, job: Job) -> dict[str, object]:
    """Cancel a job that waits or runs; take one away that has ended. What it was until then."""
    if jobs.end(job, CANCELLED):
        if jobs.progress(job) is None:  # of one that runs the foreman does
            jobs.tidy(job)
        return _status(jobs, job)
    told = _status(jobs, job) | {"result": None}
    jobs.remove(job)
    return told


def _result(jobs: Jobs, job: Job) -> Response:
    state = jobs.state(job)
    if state != DONE:
        raise access.Refused(409, f"job {job.name} is {state}: it has no result")
    return FileResponse(jobs.result(job), media_type=job.media_type)
