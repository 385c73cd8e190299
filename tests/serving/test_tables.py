"""Tables in, tables of the same format out: what ``ojala predict`` writes; bombs are refused."""

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from asked_service import asked_service
from toy_sky import toy_table

from ojala.catalogue.answers import Asked, predict
from ojala.heads.head import load_all
from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.tables.files import read_table_file, write_table_file
from ojala.vocabulary.quantities import observations
from serving import tables
from serving.tables import SUFFIXES

PARQUET = "application/vnd.apache.parquet"
QUERIES = "SPECTYPE,Z_GAL,bh-mass"


@pytest.fixture(scope="module")
def client(place):
    with asked_service(OJALA_BUNDLE=place / "ojala", OJALA_HEADS=place / "heads") as client:
        yield client


@pytest.fixture(scope="module")
def asked(place):
    opened = bundle.load(place / "ojala")
    heads = load_all(place / "heads", opened.digest)
    predictor = Predictor(opened, heads=heads)
    return Asked(predictor=predictor, queries=tuple(QUERIES.split(",")), heads=heads)


@pytest.fixture(scope="module")
def catalogue():
    sky = toy_table(12, seed=4, labelled=False, missing=0.1)
    names = [name for name in observations() if name in sky.column_names and name != "MORPHTYPE"]
    own = pa.table({"ID": pa.array(2**53 + np.arange(12)), "note": ["a b"] * 12})
    for name in names:
        own = own.append_column(name, sky[name])
    return own


def posted(client, body, media_type=PARQUET, **more):
    headers = {"Content-Type": media_type} | more.pop("headers", {})
    return client.post("/predict_table", content=body, headers=headers, **more)


@pytest.mark.parametrize("media_type", SUFFIXES)
@pytest.mark.parametrize("packed", [False, True])
def test_a_table_comes_back_as_ojala_predict_writes_it(
    client, asked, catalogue, tmp_path, media_type, packed
):
    given, out, came = (tmp_path / f"{n}{SUFFIXES[media_type]}" for n in ("in", "out", "came"))
    write_table_file(catalogue, given)
    predict(given, out, asked)
    body, headers = given.read_bytes(), {}
    if packed:
        body, headers = gzip.compress(body), {"Content-Encoding": "gzip"}
    answered = posted(client, body, media_type, headers=headers, params={"queries": QUERIES})
    assert answered.status_code == 200, answered.text
    assert answered.headers["content-type"].startswith(media_type)
    came.write_bytes(answered.content)
    told, expected = read_table_file(came), read_table_file(out)
    assert told.schema.equals(expected.schema)
    assert told.to_pandas().equals(expected.to_pandas())  # NaN is NaN
    assert {"ID", "note", "Z_GAL_ERR"} <= set(told.column_names)


def in_parquet(**columns):
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, compression="zstd")
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("body", "media_type", "status", "told"),
    [
        (b"MAG_i,J0500\n19,0.5\n", "text/plain", 415, "Content-Type is text/plain, expected text/"),
        (b"MAG_i,J0500\n19,0.5\n", "application/fits", 400, "it does not begin as a table of FITS"),
        (b"", "text/csv", 400, "the file is empty"),
        (b"MAG_i,J0500\n", "text/csv", 400, "the table: 0 sources, expected 1 to 10000"),
        (b"MAG_i\n" + b"19\n" * 10_001, "text/csv", 400, "10001 sources, expected 1 to 10000"),
        (b"J0500\n0.5\n", "text/csv", 400, "the table: "),
        (b"MAG_i,MAG_i\n19,19\n", "text/csv", 400, "column 'MAG_i' is there twice"),
        (b"MAG_i,Z_GAL\n19,1\n", "text/csv", 400, "column Z_GAL is there already"),
        (b"MAG_i,J0500\n19,x\n", "text/csv", 400, "J0500"),
        (b"\x00\xff" * 100, "text/csv", 400, "the table: "),
        (b"SIMPLE  =" + b"\x00" * 300, "application/fits", 400, "the table: not a readable table"),
        (b"<VOTABLE", "application/x-votable+xml", 400, "the table: not a readable table"),
        (
            b"PAR1" + b"\x00" * 30,
            "application/vnd.apache.parquet",
            400,
            "the table: not a readable",
        ),
    ],
)
def test_what_is_no_table_is_refused_in_a_sentence(client, body, media_type, status, told):
    refused = posted(client, body, media_type)
    assert refused.status_code == status, refused.text
    assert told in refused.json()["error"] and "/tmp" not in refused.text


def test_parquet_that_is_cut_off_is_refused_wherever(client, catalogue, tmp_path):
    write_table_file(catalogue, tmp_path / "whole.parquet")
    whole = (tmp_path / "whole.parquet").read_bytes()
    for share in (0.1, 0.5, 0.9, 0.999):
        refused = posted(client, whole[: int(share * len(whole))])
        assert refused.status_code == 400 and "not a readable table" in refused.json()["error"]
    assert posted(client, whole).status_code == 200


@pytest.mark.parametrize(
    ("what", "values", "num_rows"),
    [
        ("a" * 100_000, pa.string(), 3_000),
        ("a" * 100_000, pa.large_string(), 3_000),
        ([1.0] * 4_000_000, pa.list_(pa.float64()), 10),
    ],
    ids=["text", "large text", "lists"],
)
def test_what_unpacks_to_far_more_is_refused_before_it_is_read(client, what, values, num_rows):
    body = in_parquet(MAG_i=[19.0] * num_rows, many=pa.array([what] * num_rows, values))
    assert len(body) < 2**20
    refused = posted(client, body)
    assert refused.status_code == 400
    assert "unpacked it is larger than 256 MiB" in refused.json()["error"]


def test_entities_of_a_votable_are_not_multiplied(client):
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    head = f'<?xml version="1.0"?><!DOCTYPE VOTABLE [<!ENTITY e0 "ha">{levels}]>'
    body = f"{head}<VOTABLE><DESCRIPTION>&e9;</DESCRIPTION></VOTABLE>".encode()
    assert posted(client, body, "application/x-votable+xml").status_code == 400


def test_unknown_parameters_queries_and_methods_are_refused(client):
    body = b"MAG_i,J0500\n19,0.5\n"
    for params, told in (({"query": "Z_GAL"}, "query"), ({"queries": "Z_GLA"}, "'Z_GLA'")):
        refused = posted(client, body, "text/csv", params=params)
        assert refused.status_code == 400 and told in refused.json()["error"]
    assert client.get("/predict_table").status_code == 405


def test_one_table_at_a_time(client):
    body = b"MAG_i,J0500\n19,0.5\n"
    with tables.one_at_a_time:
        refused = posted(client, body, "text/csv")
    assert refused.status_code == 429 and refused.headers["Retry-After"] == "5"
    assert posted(client, body, "text/csv").status_code == 200
