"""One job, in a process of its own: ``python -m serving.job_process DIRECTORY``.

What it answers is what ``ojala predict`` does, in pieces: memory does not grow with a table of
Parquet; one of any other format is whole in memory when it is written. It answers requests no
slower than it must: its priority is low.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from ojala.catalogue import job as shards
from ojala.catalogue import pieces
from ojala.catalogue.answerer import OwnColumns
from ojala.catalogue.answers import Asked, check_ratios, understood
from ojala.catalogue.merged import merge
from ojala.catalogue.seen import together
from ojala.model.predictor import Predictor
from ojala.tables.files import check_writable
from serving.heads import ready
from serving.jobs import DONE, FAILED, Job, Jobs, Progress
from serving.registered import opened

ROWS = 2_000
"""Of a piece: some seconds."""

NICE = 5


def main(place: Path) -> None:
    """Do the job of a directory."""
    threading.Thread(target=_end_with_the_foreman, daemon=True).start()
    os.nice(NICE)  # and as many threads as ojala predict: sums of others differ in the last bit
    jobs = Jobs(place.parent)
    job = jobs.find(place.name)
    assert job is not None, place
    do(jobs, job)


def do(jobs: Jobs, job: Job) -> None:
    """Answer about a table, from the shards on that are there, and say what became of it."""
    jobs.note(job, jobs.progress(job) or Progress())
    try:
        notes = _answered(jobs, job)
    except (ValueError, OSError) as error:
        told = str(error)
        for path, name in ((jobs.table(job), "the table"), (jobs.result(job), "the result")):
            told = told.replace(str(path), name)
        jobs.end(job, FAILED, (told.replace(f"{jobs.place(job.name)}/", ""),))
    else:
        jobs.end(job, DONE, notes)


def _answered(jobs: Jobs, job: Job) -> tuple[str, ...]:
    """Write the result; notes on what there was of the table. Raises ValueError as predict does."""
    who, table = _who(job), jobs.table(job)
    stored = jobs.place(job.name) / "shards"
    stored.mkdir(exist_ok=True)
    plan = pieces.planned(table, stored, ROWS)
    made_by = [job.model["digest"], job.heads, job.queries]
    work = shards.job_of(plan, stored, made_by)
    _check(plan, who, jobs.result(job))
    _make(jobs, job, work, OwnColumns(who))
    found = together(shards.seen_of(work))
    check_ratios(table, found)
    merge(work, jobs.result(job))
    return tuple(found.lines())


def _who(job: Job) -> Asked:
    """The version that the job began with. Raises ValueError where it is not to be had."""
    found = opened(job.edition)
    heads = ready(found.heads)
    held = (found.bundle.digest, tuple(head.digest for head in heads))
    if held != (job.model["digest"], job.heads):
        raise ValueError(
            f"version {job.model['version']} of the model, or a head of it, is not what it was "
            "when the job began: submit it again"
        )
    return Asked(predictor=Predictor(found.bundle, heads=heads), queries=job.queries, heads=heads)


def _check(plan: Sequence[pieces.Piece], who: Asked, out: Path) -> None:
    """Raise ValueError, before anything is predicted, for what the result cannot hold."""
    first = pieces.read_piece(plan[0])
    with pieces.told_of(plan[0].path):
        check_writable(first, out, understood(first, who).names)


def _make(jobs: Jobs, job: Job, work: shards.Job, answer: OwnColumns) -> None:
    """Make the shards that are not there yet, and say how far they are."""
    there = set(shards.finished(work))
    done = sum(work.pieces[number].num_rows for number in there)
    before, began = done, time.monotonic()
    jobs.note(job, Progress(sources_done=done))
    for number, piece in enumerate(work.pieces):
        if number not in there:
            shards.make_shard(work, number, answer)
            done += piece.num_rows
            rate = (done - before) / (time.monotonic() - began)
            jobs.note(job, Progress(sources_done=done, sources_per_second=rate))


def _end_with_the_foreman() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
