"""The service says whether what it is asked about drifts from OJALA_REFERENCE."""

import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from asked_service import asked_service
from toy_heads import toy_bundle
from toy_sky import toy_table

from ojala.cli import main
from ojala.tables.shards import columns_of
from ojala.vocabulary.bands import bands, narrow_bands
from serving import drift, metrics

WINDOW = 600


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("models")
    toy_bundle(place / "ojala")
    pq.write_table(toy_table(6000, seed=50), place / "training.parquet")
    drawn = ["reference", str(place / "training.parquet"), "--num-sources", "1000"]
    assert main([*drawn, "--out", str(place / "reference.parquet")]) == 0
    return place


@pytest.fixture
def client(place, monkeypatch):
    monkeypatch.setattr(drift, "PAUSE", 0.0)
    settings = {"OJALA_REFERENCE": place / "reference.parquet", "OJALA_DRIFT_WINDOW": WINDOW}
    with asked_service(OJALA_BUNDLE=place / "ojala", **settings) as client:
        yield client


def sky(seed, factor=1.0):
    """Sources as JSON, under zero points of narrow bands that are off by a factor."""
    columns = columns_of(toy_table(WINDOW, seed=seed))
    narrow = {band.token for band in narrow_bands()}
    names = [band.token for band in bands()]
    values = {name: columns[name] * (factor if name in narrow else 1.0) for name in names}
    rows = zip(*(values[name].tolist() for name in names), strict=True)
    return [dict(zip(names, row, strict=True)) for row in rows]


def value(metric, **labels):
    (family,) = metric.collect()
    (found,) = [
        one.value
        for one in family.samples
        if one.labels == labels and not one.name.endswith("_created")
    ]
    return found


def asked(client, sources, queries=("Z_GAL",)):
    answer = client.post("/predict", json={"sources": sources, "queries": list(queries)})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_sky_that_moved_is_told_and_one_that_did_not_is_not(client):
    asked(client, sky(1)[: WINDOW - 1])
    assert value(metrics.drift_window) == WINDOW - 1
    assert math.isnan(value(metrics.drift_mmd)) and math.isnan(value(metrics.drift_mmd_limit))
    asked(client, sky(1)[-1:])
    assert value(metrics.drift_window) == WINDOW
    assert value(metrics.drift_mmd) < value(metrics.drift_mmd_limit)
    for band in bands():
        assert value(metrics.drift_stability, band=band.token) < value(
            metrics.drift_stability_limit, band=band.token
        )
    outside = value(metrics.sources_outside)
    asked(client, sky(2, factor=1.1))
    assert value(metrics.drift_stability, band="J0740") > value(
        metrics.drift_stability_limit, band="J0740"
    )
    assert value(metrics.drift_stability, band="MAG_G") < value(
        metrics.drift_stability_limit, band="MAG_G"
    )
    far = [{"MAG_i": 29.9, "MAG_G": 10.1, "J0500": 40.0}] * 7
    asked(client, far)
    assert value(metrics.sources_outside) >= outside + 7
    asked(client, [{"MAG_i": None}])


def test_answers_are_those_without_a_reference(place):
    given = []
    for settings in ({}, {"OJALA_REFERENCE": place / "reference.parquet"}):
        with asked_service(OJALA_BUNDLE=place / "ojala", **settings) as client:
            given.append(client.post("/predict", json={"sources": sky(3)[:20]}).json())
    assert given[0] == given[1] and "EMBEDDING" not in given[0]["predictions"][0]


def test_a_reference_is_drawn_from_the_held_out_with_its_weights(place):
    table, training = (
        pq.read_table(place / name) for name in ("reference.parquet", "training.parquet")
    )
    held_out = training.filter(np.array(training["split"].to_pylist()) == "val")
    assert len(table) == 1000 and len(held_out) == 1200
    known = set(zip(held_out["MAG_i"].to_pylist(), held_out["weight"].to_pylist(), strict=True))
    pairs = set(zip(table["MAG_i"].to_pylist(), table["weight"].to_pylist(), strict=True))
    assert len(pairs) == 1000 and pairs <= known


def told(capsys, *words):
    assert main(["reference", *map(str, words)]) == 1
    return capsys.readouterr().err


def test_what_makes_no_reference_is_refused(place, tmp_path, capsys):
    training, out = place / "training.parquet", tmp_path / "r.parquet"
    few = tmp_path / "few.parquet"
    pq.write_table(toy_table(100), few)
    assert "few.parquet: 20 sources, expected 400" in told(capsys, few, "--out", out)
    assert "expected 400 or more" in told(capsys, training, "--out", out, "--num-sources", 3)
    assert ".parquet" in told(capsys, training, "--out", tmp_path / "r.csv")
    assert "no such catalogue" in told(capsys, tmp_path / "none.fits", "--out", out)
    assert not out.exists()


@pytest.mark.parametrize("wrong", ["absent", "few", "no bands", "many"])
def test_a_service_does_not_begin_with_what_is_no_reference(place, tmp_path, monkeypatch, wrong):
    from ojala.model import bundle
    from ojala.model.predictor import Predictor

    path = tmp_path / "reference.parquet"
    tables = {
        "few": toy_table(300),
        "no bands": pa.table({"a": [1.0] * 500}),
        "many": toy_table(30).take([0] * (drift.MOST_SOURCES + 1)),
    }
    if wrong in tables:
        pq.write_table(tables[wrong], path)
    monkeypatch.setenv("OJALA_REFERENCE", str(path))
    with pytest.raises(ValueError, match=r"reference\.parquet: .*(such|worth|column|at most)"):
        drift.watch(Predictor(bundle.load(place / "ojala")))


def test_a_window_that_tells_nothing_is_refused(monkeypatch):
    from serving import settings

    monkeypatch.setenv("OJALA_DRIFT_WINDOW", "30")
    with pytest.raises(ValueError, match="OJALA_DRIFT_WINDOW is 30, expected 400"):
        settings.drift_window()
