"""Jobs as tests submit and await them, and the tables that they are of."""

from contextlib import contextmanager

import numpy as np
import psutil
import pyarrow as pa
import pytest
from server import wait_until
from toy_sky import toy_table

from ojala.catalogue.answers import Asked, predict
from ojala.heads.head import load_all
from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.tables.files import read_table_file, write_table_file
from ojala.vocabulary.quantities import observations
from serving import job_process
from serving.foreman import Foreman

PARQUET, CSV = "application/vnd.apache.parquet", "text/csv"
QUERIES = "SPECTYPE,Z_GAL,bh-mass"
PLAIN = b"MAG_i,J0500\n19,0.5\n"


def asked_of(place):
    """Who answers a job of QUERIES, as ``ojala predict`` has it."""
    opened = bundle.load(place / "ojala")
    heads = load_all(place / "heads", opened.digest)
    predictor = Predictor(opened, heads=heads)
    return Asked(predictor=predictor, queries=tuple(QUERIES.split(",")), heads=heads)


def catalogue(num):
    """A catalogue with columns of its own; some sources have no i."""
    sky = toy_table(num, seed=4, labelled=False, missing=0.1)
    own = pa.table({"ID": pa.array(2**53 + np.arange(num)), "note": ["a b"] * num})
    for name in observations():
        if name in sky.column_names and name not in ("MORPHTYPE", "MAG_i"):
            own = own.append_column(name, sky[name])
    i = np.where(np.arange(num) % 7 == 3, np.nan, sky["MAG_i"].to_numpy())
    return own.append_column("MAG_i", pa.array(i))


def submitted(client, body, media_type=PARQUET, **more):
    headers = {"Content-Type": media_type} | more.pop("headers", {})
    return client.post("/jobs", content=body, headers=headers, **more)


def ended(client, name, seconds=600, **headers):
    """The status of a job once it has ended."""
    told = []

    def has_ended():
        told.append(client.get(f"/jobs/{name}", headers=headers).json())
        return told[-1]["state"] not in ("waiting", "running")

    wait_until(has_ended, seconds)
    rows = [one["sources_done"] for one in told]
    assert rows == sorted(rows)
    return told[-1]


def written(table, path):
    write_table_file(table, path)
    return path.read_bytes()


def assert_as_predicted(came, table, asked, tmp_path, suffix):
    """The file that came is that of ``ojala predict``, to the last bit."""
    given, out, told = (tmp_path / f"{name}{suffix}" for name in ("in", "out", "came"))
    write_table_file(table, given)
    predict(given, out, asked)
    told.write_bytes(came)
    one, other = read_table_file(told), read_table_file(out)
    assert one.schema.equals(other.schema)
    assert one.to_pandas().equals(other.to_pandas())  # NaN is NaN


def begun(client, name):
    """Wait for some of a job to be answered."""
    wait_until(lambda: client.get(f"/jobs/{name}").json()["sources_done"] > 0, 300)


def process_of(parent):
    """The process of a job, somewhere below another."""
    (found,) = filter(is_job, parent.children(recursive=True))
    return found


def is_job(process):
    try:
        return "serving.job_process" in process.cmdline()
    except psutil.Error:
        return False


@contextmanager
def done_here():
    """Jobs are done in this process: each in one of its own takes seconds to begin."""

    def have_done(foreman, job):
        job_process.do(foreman.jobs, job)
        foreman.jobs.tidy(job)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Foreman, "_have_done", have_done)
        yield
