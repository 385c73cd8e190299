"""Large tables in the background: answered as ``ojala predict`` does, whatever dies meanwhile."""

import gzip

import bentoml
import pyarrow as pa
import pytest
from asked_service import asked_service
from submitted_jobs import (
    CSV,
    PARQUET,
    PLAIN,
    QUERIES,
    asked_of,
    assert_as_predicted,
    catalogue,
    done_here,
    ended,
    submitted,
    written,
)

from serving import job_process, job_requests
from serving.tables import SUFFIXES

NUM = 24


@pytest.fixture(scope="module")
def asked(place):
    return asked_of(place)


@pytest.fixture(scope="module")
def client(place):
    known = {"OJALA_BUNDLE": place / "ojala", "OJALA_HEADS": place / "heads"}
    with done_here(), asked_service(**known) as client:
        yield client


def test_results_are_those_of_ojala_predict_in_every_format(client, asked, tmp_path, monkeypatch):
    monkeypatch.setattr(job_process, "ROWS", 10)  # three pieces
    table, names = catalogue(NUM), {}
    for media_type, suffix in SUFFIXES.items():
        body, headers = written(table, tmp_path / f"given{suffix}"), {}
        if suffix == ".csv":
            body, headers = gzip.compress(body), {"Content-Encoding": "gzip"}
        taken = submitted(client, body, media_type, headers=headers, params={"queries": QUERIES})
        assert taken.status_code == 202, taken.text
        told = taken.json()
        assert taken.headers["Location"] == f"/jobs/{told['job']}"
        assert told["state"] in ("waiting", "running") and told["result"] is None
        assert told["num_sources"] == NUM and told["sources_done"] == 0
        names[media_type] = told["job"]
    for media_type, name in names.items():
        told = ended(client, name)
        assert told["state"] == "done", told
        assert told["sources_done"] == NUM and told["sources_per_second"] > 0
        assert told["model"]["digest"] == asked.predictor.bundle.digest
        assert any("no usable MAG_i" in one and "row 4 " in one for one in told["told"])
        result = client.get(told["result"])
        assert result.status_code == 200
        assert result.headers["content-type"].startswith(media_type)
        assert_as_predicted(result.content, table, asked, tmp_path, SUFFIXES[media_type])
    mine = [one["job"] for one in client.get("/jobs").json()]
    assert mine == list(names.values())
    for name in names.values():  # what has ended is taken away
        assert client.delete(f"/jobs/{name}").json()["job"] == name
        assert client.get(f"/jobs/{name}").status_code == 404
    assert client.get("/jobs").json() == []


@pytest.mark.parametrize(
    ("body", "media_type", "params", "status", "told"),
    [
        (PLAIN, "text/plain", {}, 415, "Content-Type is text/plain, expected text/csv"),
        (PLAIN, "application/fits", {}, 400, "it does not begin as a table of FITS"),
        (b"", CSV, {}, 400, "the file is empty"),
        (b"MAG_i,J0500\n", CSV, {}, 400, "the table: 0 sources, expected 1 to 1000000"),
        (b"MAG_i,MAG_i\n19,19\n", CSV, {}, 400, "column 'MAG_i' is there twice"),
        (b"PAR1" + b"\x00" * 30, PARQUET, {}, 400, "the table: not a readable table"),
        (b"<VOTABLE", "application/x-votable+xml", {}, 400, "the table: not a readable table"),
        (PLAIN, CSV, {"query": "Z_GAL"}, 400, "parameter query is unknown, expected queries"),
        (PLAIN, CSV, {"queries": "Z_GLA"}, 400, "'Z_GLA'"),
    ],
)
def test_what_is_no_table_is_refused_at_once(client, body, media_type, params, status, told):
    refused = submitted(client, body, media_type, params=params)
    assert refused.status_code == status, refused.text
    assert told in refused.json()["error"] and "/tmp" not in refused.text
    assert client.get("/jobs").json() == []


def test_more_than_a_job_holds_is_refused(client, monkeypatch, tmp_path):
    monkeypatch.setattr(job_requests, "MOST_BYTES", 100_000)
    monkeypatch.setattr(job_requests, "MAX_SOURCES", 10)
    many = submitted(client, b"MAG_i\n" + b"19\n" * 11, CSV)
    assert many.status_code == 400 and "11 sources, expected 1 to 10" in many.json()["error"]
    for body, headers in (
        (b"1" * 100_001, {}),
        (gzip.compress(b"1" * 100_001), {"Content-Encoding": "gzip"}),
    ):
        large = submitted(client, body, CSV, headers=headers)
        assert large.status_code == 413 and "the table is larger than" in large.json()["error"]
    cut = submitted(client, gzip.compress(PLAIN)[:-5], CSV, headers={"Content-Encoding": "gzip"})
    assert cut.status_code == 400 and "cut off" in cut.json()["error"]
    monkeypatch.setattr(job_requests, "MOST_IN_MEMORY", 2**20)
    text = pa.table({"MAG_i": [19.0] * 10, "note": pa.array(["a" * 200_000] * 10)})
    bomb = submitted(client, written(text, tmp_path / "bomb.parquet"))
    assert bomb.status_code == 400 and "unpacked it is larger than 1 MiB" in bomb.json()["error"]
    monkeypatch.setattr(job_requests, "MOST_JOBS", 0)
    full = submitted(client, PLAIN, CSV)
    assert full.status_code == 429 and full.headers["Retry-After"] == "60"
    jobs = bentoml.get_current_service().jobs
    assert not [path for path in jobs.directory.iterdir() if path.is_dir()]  # nothing is left


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/jobs/" + "a" * 32, 404),
        ("DELETE", "/jobs/" + "a" * 32, 404),
        ("GET", "/jobs/" + "a" * 32 + "/result", 404),
        ("GET", "/jobs/..%2F..%2Fetc", 404),
        ("GET", "/jobs/" + "a" * 32 + "/table", 404),
        ("PUT", "/jobs", 405),
        ("POST", "/jobs/" + "a" * 32, 405),
        ("DELETE", "/jobs/" + "a" * 32 + "/result", 405),
    ],
)
def test_a_job_that_is_none_and_a_method_that_is_none(client, method, path, status):
    refused = client.request(method, path)
    assert refused.status_code == status and list(refused.json()) == ["error"]


def test_a_table_that_cannot_be_answered_fails_in_a_sentence(client):
    name = submitted(client, b"MAG_i,J0500\n19,0.5\n19,x\n", CSV).json()["job"]
    told = ended(client, name)
    assert told["state"] == "failed" and told["result"] is None
    (why,) = told["told"]
    assert why.startswith("the table: ") and "J0500" in why and "/tmp" not in why
    refused = client.get(f"/jobs/{name}/result")
    assert refused.status_code == 409 and "is failed: it has no result" in refused.json()["error"]
    client.delete(f"/jobs/{name}")
