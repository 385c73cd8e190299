"""Jobs outlive restarts, deaths and promotions, and are their key's alone."""

import json
import os
import signal
import time
import urllib.request
from types import SimpleNamespace

import psutil
import pytest
from asked_service import asked_service
from server import asked, server, wait_until
from submitted_jobs import (
    CSV,
    PLAIN,
    QUERIES,
    asked_of,
    assert_as_predicted,
    begun,
    catalogue,
    done_here,
    ended,
    is_job,
    process_of,
    submitted,
    written,
)
from toy_heads import toy_bundle
from toy_registry import toy_project, toy_version

from ojala.catalogue.answers import Asked
from ojala.model import bundle
from ojala.model.predictor import Predictor
from serving import access, job_process
from serving.edition import UNREGISTERED, Edition
from serving.jobs import CANCELLED, DONE, KEPT_SECONDS, Job, Jobs, Progress

NUM = 10_000
"""Sources, of five pieces: they take long enough to be interrupted."""


def known(place):
    return {"OJALA_BUNDLE": place / "ojala", "OJALA_HEADS": place / "heads"}


def test_a_job_goes_on_after_a_restart_and_ends_as_if_nobody_had_disturbed_it(place, tmp_path):
    table, directory = catalogue(NUM), tmp_path / "jobs"
    body = written(table, tmp_path / "large.parquet")
    with asked_service(**known(place), OJALA_JOBS=directory) as client:
        name = submitted(client, body, params={"queries": QUERIES}).json()["job"]
        begun(client, name)
    assert not any(map(is_job, psutil.Process().children(recursive=True)))
    shards = {path: path.stat().st_ino for path in (directory / name / "shards").glob("part-*")}
    with asked_service(**known(place), OJALA_JOBS=directory) as client:
        told = client.get(f"/jobs/{name}").json()
        before = told["sources_done"]
        assert told["state"] == "running" and 0 < before < NUM
        wait_until(lambda: client.get(f"/jobs/{name}").json()["sources_done"] > before, 300)
        assert shards == {path: path.stat().st_ino for path in shards}  # they were not made again
        told = ended(client, name)
        assert told["state"] == "done", told
        came = client.get(told["result"]).content
        assert_as_predicted(came, table, asked_of(place), tmp_path, ".parquet")
    with asked_service(**known(place), OJALA_JOBS=directory) as client:
        assert client.get(told["result"]).content == came
    with asked_service(**known(place)) as client:  # a directory of the server ends with it
        assert client.get(f"/jobs/{name}").status_code == 404


def test_a_cancelled_job_ends_at_once_and_so_does_one_whose_process_is_killed(place, tmp_path):
    body = written(catalogue(NUM), tmp_path / "large.parquet")
    with asked_service(**known(place), OJALA_JOBS=tmp_path / "jobs") as client:
        first, second, third = (submitted(client, body).json()["job"] for _ in range(3))
        begun(client, first)
        assert client.get(f"/jobs/{second}").json()["state"] == "waiting"
        refused = client.get(f"/jobs/{first}/result")
        assert refused.status_code == 409 and "is running: it has no result" in refused.text
        for name in (second, first):
            assert client.delete(f"/jobs/{name}").json()["state"] == "cancelled"
        begun(client, third)
        process_of(psutil.Process()).kill()
        told = ended(client, third, 20)
        assert told["state"] == "failed" and "was killed by signal 9" in told["told"][0]
        assert client.get(f"/jobs/{first}").json()["sources_done"] < NUM
        for name, kept in ((first, {"progress.json"}), (second, set()), (third, {"progress.json"})):
            left = {path.name for path in (tmp_path / "jobs" / name).iterdir()}
            assert left == {"job.json", "ended.json"} | kept


def test_a_job_is_not_finished_by_another_bundle(place, tmp_path, monkeypatch):
    jobs = Jobs(tmp_path / "jobs")
    digest = bundle.digest(toy_bundle(tmp_path / "other", seed=5))
    monkeypatch.setenv("OJALA_BUNDLE", str(place / "ojala"))
    one = job(jobs, edition=Edition(version=UNREGISTERED), model={"digest": digest, "version": "4"})
    job_process.do(jobs, one)
    end = jobs.ended(one)
    assert end.state == "failed"
    assert end.told[0].startswith("version 4 of the model, or a head of it, is not what it was")


def test_a_job_is_of_its_key_and_counts_against_its_limits(place, tmp_path):
    (one, first), (two, second) = (access.made_key(name) for name in ("one", "two"))
    keys, audit = tmp_path / "keys.toml", tmp_path / "audit"
    keys.write_text(f"{first}sources_per_request = 3\n{second}")
    mine, theirs = ({"Authorization": f"Bearer {key}"} for key in (one, two))
    asking = {"OJALA_KEYS": keys, "OJALA_AUDIT": audit}
    with done_here(), asked_service(**known(place), **asking) as client:
        assert submitted(client, PLAIN, CSV).status_code == 401
        assert client.get("/jobs").status_code == 401
        large = submitted(client, PLAIN + b"19,0.5\n" * 3, CSV, headers=mine)
        assert large.status_code == 413
        assert "4 sources, key one may ask for 3 at once" in large.json()["error"]
        name = submitted(client, PLAIN, CSV, headers=mine).json()["job"]
        told = ended(client, name, **mine)
        assert told["state"] == "done"
        for path in (f"/jobs/{name}", told["result"]):
            assert client.get(path, headers=theirs).status_code == 404
            assert client.get(path).status_code == 401
        assert client.delete(f"/jobs/{name}", headers=theirs).status_code == 404
        assert client.get("/jobs", headers=theirs).json() == []
        assert [job["job"] for job in client.get("/jobs", headers=mine).json()] == [name]
        assert client.get(told["result"], headers=mine).status_code == 200
    lines = [json.loads(line) for line in audit.read_text().splitlines()]
    (taken,) = [line for line in lines if line["method"] == "POST" and line["status"] == 202]
    assert taken["key"] == "one" and taken["path"] == "/jobs" and taken["sources"] == 1


class Address:
    """A server that is asked as the client of a service in this process is."""

    def __init__(self, address):
        self.address = address

    def get(self, path, headers=()):
        status, found = asked(f"{self.address}{path}", **dict(headers))
        return SimpleNamespace(status_code=status, json=lambda: found)


def posted(address, body, params):
    headers = {"Content-Type": "application/vnd.apache.parquet"}
    request = urllib.request.Request(f"{address}/jobs?{params}", data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def came_from(address, path):
    with urllib.request.urlopen(f"{address}{path}", timeout=60) as answer:
        return answer.read()


@pytest.mark.slow
def test_another_process_goes_on_when_the_one_at_work_is_killed(place, tmp_path):
    table = catalogue(NUM)
    body = written(table, tmp_path / "large.parquet")
    with server(tmp_path / "log", **known(place), OJALA_WORKERS=2) as address:
        name = posted(address, body, f"queries={QUERIES}")["job"]
        client = Address(address)
        begun(client, name)
        first = process_of(psutil.Process())
        os.kill(first.ppid(), signal.SIGKILL)
        told = ended(client, name)
        assert told["state"] == "done" and not first.is_running()
        came = came_from(address, told["result"])
    assert_as_predicted(came, table, asked_of(place), tmp_path, ".parquet")


@pytest.mark.slow
def test_a_promotion_changes_nothing_of_a_job_that_has_begun(tmp_path):
    from test_promotion_under_load import promote, with_golden

    table = catalogue(NUM)
    body = written(table, tmp_path / "large.parquet")
    with toy_project(tmp_path) as project:
        one, two = (with_golden(toy_version(project / "v", seed)) for seed in range(2))
        promote(one)
        with server(project / "log", OJALA_FOLLOW_SECONDS=0.1) as address:
            client = Address(address)
            name = posted(address, body, "queries=SPECTYPE,Z_GAL")["job"]
            promote(two)
            wait_until(lambda: client.get("/health").json()["version"] == two.version)
            assert client.get(f"/jobs/{name}").json()["state"] in ("waiting", "running")
            told = ended(client, name)
            came = came_from(address, told["result"])
        predictor = Predictor(bundle.load(project / "v" / "QSO0" / "artifacts" / "ojala"))
    assert told["state"] == "done" and told["model"]["version"] == one.version
    who = Asked(predictor=predictor, queries=("SPECTYPE", "Z_GAL"))
    assert_as_predicted(came, table, who, tmp_path, ".parquet")


def job(jobs, **other):
    name, place = jobs.begin()
    plain = {"owner": "", "suffix": ".csv", "media_type": CSV, "queries": None, "num_sources": 3}
    made = Job(
        **plain
        | {"name": name, "edition": Edition(version="7", heads=(("a", "1"),)), "heads": ("x",)}
        | {"model": {"name": "ojala"}, "submitted": 1.0}
        | other
    )
    jobs.submit(made, place)
    return made


def test_a_job_is_found_as_it_was_submitted_and_who_ends_it_first_decides(tmp_path):
    jobs = Jobs(tmp_path / "jobs")
    assert jobs.directory.stat().st_mode & 0o777 == 0o700
    second = job(jobs, submitted=2.0, queries=("Z_GAL",), owner="team")
    first = job(jobs)
    assert jobs.all() == [first, second] and jobs.of("team") == [second]
    assert jobs.find(first.name) == first
    for name in ("", "..", "../jobs", first.name[:-1], first.name.upper() + "0"):
        assert jobs.find(name) is None
    assert jobs.next() == first and jobs.state(first) == "waiting"
    jobs.note(first, Progress(sources_done=2, sources_per_second=4.0))
    assert jobs.state(first) == "running"
    assert jobs.end(first, CANCELLED) and not jobs.end(first, DONE, ("late",))
    assert jobs.state(first) == CANCELLED and jobs.next() == second


def test_what_ended_a_day_ago_is_taken_away_and_nothing_else(tmp_path, monkeypatch):
    jobs = Jobs(tmp_path)
    old, new, waits = job(jobs), job(jobs), job(jobs)
    now = time.time()
    for one, at in ((old, now - KEPT_SECONDS - 1), (new, now - KEPT_SECONDS + 60)):
        monkeypatch.setattr(time, "time", lambda at=at: at)
        jobs.end(one, DONE)
    monkeypatch.setattr(time, "time", lambda: now)
    _, coming = jobs.begin()
    jobs.remove_old()
    assert {one.name for one in jobs.all()} == {new.name, waits.name}
    assert coming.exists()
