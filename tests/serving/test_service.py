"""The service says what the Predictor says, says who said it, and refuses what it cannot read."""

import logging

import numpy as np
import pytest
import torch
from asked_service import asked_service
from toy_sky import toy_table

from ojala.model import bundle
from ojala.model.network import Ojala
from ojala.model.predictor import Predictor
from ojala.model.presets import preset
from ojala.model.redshift_columns import SUFFIXES
from ojala.model.shown import NO_RATIOS
from ojala.tables.shards import columns_of
from ojala.training.resident import measured_scaling
from ojala.vocabulary.quantities import MORPHTYPES, observations


@pytest.fixture(scope="module")
def bundle_path(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("models") / "ojala"
    scaling = measured_scaling(toy_table(200))
    bundle.save(path, Ojala(preset("demo")), scaling, {"run_id": "a run"})
    return path


@pytest.fixture(scope="module")
def client(bundle_path):
    with asked_service(OJALA_BUNDLE=bundle_path) as client:
        yield client


@pytest.fixture(scope="module")
def catalogue():
    table = toy_table(30, seed=2, labelled=False, missing=0.2)
    return {name: values for name, values in columns_of(table).items() if name in observations()}


def as_sources(catalogue):
    rows = []
    for i in range(len(catalogue["MAG_i"])):
        row = {name: float(column[i]) for name, column in catalogue.items() if name != "MORPHTYPE"}
        row = {name: None if np.isnan(value) else value for name, value in row.items()}
        code = catalogue["MORPHTYPE"][i]
        rows.append(row | {"MORPHTYPE": MORPHTYPES[code] if code >= 0 else None})
    return rows


def test_answers_are_those_of_the_predictor(client, bundle_path, catalogue):
    opened = bundle.load(bundle_path)
    expected = Predictor(opened).predict(catalogue)
    response = client.post("/predict", json={"sources": as_sources(catalogue)})
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["model"] == {
        "name": "ojala",
        "version": "unregistered",
        "digest": opened.digest,
        "run_id": "a run",
    }
    for name, column in expected.items():
        given = [row[name] for row in answer["predictions"]]
        if column.dtype.kind == "O":
            assert given == [value or None for value in column]
        else:
            np.testing.assert_array_equal(np.array(given, dtype=np.float32), column)


def test_only_what_is_asked_is_answered(client, catalogue):
    asked = {"sources": as_sources(catalogue)[:1], "queries": ["Z_GAL"]}
    (row,) = client.post("/predict", json=asked).json()["predictions"]
    assert set(row) == {"REASON", *(f"Z_GAL{suffix}" for suffix in SUFFIXES)}
    assert row["REASON"] is None


@pytest.mark.parametrize(
    ("request_body", "named"),
    [
        ({"sources": [{"MAG_i": 20.0, "J0379": 1.0}]}, "J0379"),
        ({"sources": [{"J0378": 1.0}]}, "MAG_i"),
        ({"sources": [{"MAG_i": "20"}]}, "MAG_i"),
        ({"sources": [{"MAG_i": 20.0, "MORPHTYPE": "PSX"}]}, "MORPHTYPE"),
        ({"sources": []}, "sources"),
        ({"sources": [{"MAG_i": 20.0}] * 10_001}, "sources"),
        ({"sources": [{"MAG_i": 20.0}], "queries": ["Z_GLA"]}, "'Z_GLA'"),
        ({"sources": [{"MAG_i": 20.0}], "queries": [3]}, "queries[0]"),
        ({"sources": [{"MAG_i": 20.0}], "queries": []}, "queries"),
        ({"source": [{"MAG_i": 20.0}]}, "sources"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(client, request_body, named):
    response = client.post("/predict", json=request_body)
    assert response.status_code == 400
    assert list(response.json()) == ["error"] and named in response.json()["error"]
    assert len(response.text) < 1000  # not the whole vocabulary


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/predict", 405), ("GET", "/nowhere", 404), ("PUT", "/health", 405)],
)
def test_whatever_is_refused_has_one_shape(client, method, path, status):
    response = client.request(method, path)
    assert response.status_code == status
    assert list(response.json()) == ["error"]


def test_json_that_is_sent_as_a_form_is_refused_as_such(client):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    response = client.post("/predict", content='{"sources": [{"MAG_i": 20.0}]}', headers=form)
    assert response.status_code == 415
    assert "expected application/json" in response.json()["error"]


@pytest.mark.parametrize(
    "request_body",
    [{"sources": [{"MAG_i": "20"}]}, {"sources": [{"J0378": 1.0}]}, {"sources": [{"a\nb": 1}]}],
)
def test_a_refusal_is_one_line_of_the_log(client, request_body, caplog):
    everything = logging.getLogger("bentoml")
    everything.addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.INFO, logger="bentoml"):
            client.post("/predict", json=request_body)
    finally:
        everything.removeHandler(caplog.handler)
    (line,) = {record.getMessage() for record in caplog.records}
    assert line.startswith("POST /predict refused, 400: ") and "\n" not in line
    assert "Traceback" not in caplog.text


def test_a_source_that_cannot_be_answered_says_why_and_the_others_have_answers(client, catalogue):
    """The same treatment as in the Predictor, whatever the company."""
    sources = as_sources(catalogue)[:6]
    sources[1] |= {"MAG_i": None}
    sources[2] |= {"MAG_i": 99.0}
    sources[3] |= {name: 900.0 for name in catalogue if name.startswith("J0") and "_" not in name}
    sources[4] |= {"J0500": -999.0, "J0500_ERR": 0.1, "MORPHTYPE": "GPSF"}
    answer = client.post("/predict", json={"sources": sources}).json()
    rows = answer["predictions"]
    reasons = [None, "no usable MAG_i", "no usable MAG_i", NO_RATIOS, None, None]
    assert [row["REASON"] for row in rows] == reasons
    for row, reason in zip(rows, reasons, strict=True):
        values = [value for name, value in row.items() if name != "REASON"]
        assert all((value is None) == (reason is not None) for value in values)
    assert any(
        note.startswith("narrow bands: J0500 of 1 source no ratio") for note in answer["notes"]
    )
    unobserved = sources[4] | {"J0500": None, "MORPHTYPE": "PSF"}
    for source in (sources[4], unobserved):
        (alone,) = client.post("/predict", json={"sources": [source]}).json()["predictions"]
        assert alone["Z_GAL"] == pytest.approx(rows[4]["Z_GAL"], rel=1e-4)
    order = [5, 3, 0, 2, 4, 1]
    asked = {"sources": [sources[place] for place in order]}
    shuffled = client.post("/predict", json=asked).json()["predictions"]
    for place, row in zip(order, shuffled, strict=True):
        assert row["REASON"] == reasons[place]
        z_gal = rows[place]["Z_GAL"]
        assert row["Z_GAL"] == (z_gal if z_gal is None else pytest.approx(z_gal, rel=1e-4))


@pytest.mark.parametrize("number", ["NaN", "Infinity"])
def test_a_number_that_is_none_is_refused(client, number):
    body = f'{{"sources": [{{"MAG_i": 20.0, "J0378": {number}}}]}}'
    response = client.post("/predict", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400


def test_health_tells_the_model_and_predicted_sources_are_counted(client, catalogue):
    from serving.metrics import sources_predicted

    def count():
        (family,) = sources_predicted.collect()
        return sum(sample.value for sample in family.samples if sample.name.endswith("_total"))

    assert client.get("/readyz").status_code == 200
    assert client.get("/health").json()["name"] == "ojala"
    assert client.get("/health").json() == client.post("/health").json()
    before = count()
    client.post("/predict", json={"sources": as_sources(catalogue)[:3]})
    assert count() == before + 3
