"""Tables and jobs where nothing is installed but what the image of the service holds."""

import os
import subprocess
import sys
from dataclasses import replace

import httpx
import numpy as np
import pyarrow as pa
import pytest
from server import ROOT, server
from submitted_jobs import (
    PARQUET,
    QUERIES,
    asked_of,
    assert_as_predicted,
    catalogue,
    ended,
    submitted,
    written,
)
from test_requirements import TRAINING, hidden

from serving.tables import SUFFIXES


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The PYTHONPATH of processes to which the other packages are hidden, and of their children."""
    place = tmp_path_factory.mktemp("hidden")
    (place / "sitecustomize.py").write_text(hidden())
    return os.pathsep.join((str(place), str(ROOT)))


@pytest.fixture(scope="module")
def client(place, path, tmp_path_factory):
    known = {"OJALA_BUNDLE": place / "ojala", "OJALA_HEADS": place / "heads", "PYTHONPATH": path}
    log = tmp_path_factory.mktemp("log") / "log"
    with server(log, **known) as address, httpx.Client(base_url=address, timeout=120) as client:
        yield client


@pytest.fixture(scope="module")
def asked(place):
    return asked_of(place)


def own_columns(table):
    """A table with columns of every kind that only Parquet keeps."""
    num = len(table)
    columns = {
        "seen": pa.array(np.arange(num), pa.timestamp("ns", "UTC")),
        "exposure": pa.array(np.arange(num), pa.duration("ns")),
        "price": pa.array([None, *range(1, num)], pa.decimal128(9, 2)),
        "flags": pa.array([[1, None]] * num),
        "word": pa.array(["a", "b"] * (num // 2)).dictionary_encode(),
        "RA": pa.array([f" {degree}" for degree in range(num)]),
    }
    for name, values in columns.items():
        table = table.append_column(name, values)
    return table


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TRAINING - {"mlflow"}))  # whose client it holds
def test_they_are_hidden(path, name):
    done = subprocess.run(
        [sys.executable, "-c", f"import {name}"],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert f"No module named '{name}'" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("media_type", SUFFIXES)
def test_a_table_and_a_job_are_answered_as_by_ojala_predict(client, asked, tmp_path, media_type):
    suffix = SUFFIXES[media_type]
    table = catalogue(24)
    if media_type == PARQUET:
        table = own_columns(table)
    body = written(table, tmp_path / f"given{suffix}")
    kind, params = {"Content-Type": media_type}, {"queries": QUERIES}
    came = client.post("/predict_table", content=body, headers=kind, params=params)
    assert came.status_code == 200, came.text
    assert_as_predicted(came.content, table, asked, tmp_path, suffix)
    taken = submitted(client, body, media_type, params=params)
    assert taken.status_code == 202, taken.text
    told = ended(client, taken.json()["job"])
    assert told["state"] == "done", told
    result = client.get(told["result"]).content
    assert_as_predicted(result, table, asked, tmp_path, suffix)


@pytest.mark.slow
def test_every_quantity_is_answered_and_what_is_derived(client, asked, tmp_path):
    table = catalogue(6).append_column("AUTO_iSDSS", pa.array(np.full(6, 50.0)))
    body = written(table, tmp_path / "given.csv")
    came = client.post("/predict_table", content=body, headers={"Content-Type": "text/csv"})
    assert came.status_code == 200, came.text
    everything = replace(asked, queries=None)
    assert_as_predicted(came.content, table, everything, tmp_path, ".csv")
