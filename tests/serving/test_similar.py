"""The nearest sources of the served catalogue, by the embeddings of the bundle that answers."""

import threading
import time
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
from asked_service import asked_service
from server import asked, server, wait_until
from toy_catalogue import NUM, TOKENS, named, toy_catalogue
from toy_heads import toy_bundle

from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.model.shown import NO_I
from serving import neighbours
from serving.neighbours import Neighbourhood, NotReady
from serving.schemas import MAX_SIMILAR


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    return toy_catalogue(tmp_path_factory.mktemp("vac") / "ojala_vac.parquet")


def source(table, row):
    """A source of the catalogue as a request has it."""
    found = table.select(TOKENS).slice(row, 1).to_pylist()[0]
    return {name: None if value != value else value for name, value in found.items()}


@pytest.fixture(scope="module")
def table(catalogue):
    return pq.read_table(catalogue)


@pytest.fixture(scope="module")
def client(place, catalogue):
    with asked_service(OJALA_BUNDLE=place / "ojala", OJALA_CATALOGUE=catalogue) as client:
        ready = {"sources": [{"MAG_i": 19.0}]}
        wait_until(lambda: client.post("/similar", json=ready).status_code == 200)
        yield client


def test_neighbours_are_those_of_the_predictors_embeddings(client, place, table):
    rows = [0, 7, 59]
    wanted = {"sources": [source(table, row) for row in rows], "k": 6}
    answer = client.post("/similar", json=wanted).json()
    vectors = Predictor(bundle.load(place / "ojala")).embed(table)
    assert answer["reasons"] == [None] * 3 and answer["catalogue_bundle"] == "abc"
    assert answer["model"]["digest"] == bundle.digest(place / "ojala")
    for row, near in zip(rows, answer["neighbours"], strict=True):
        apart = np.linalg.norm(vectors.astype(float) - vectors[row].astype(float), axis=1)
        order = np.argsort(apart, kind="stable")[:6]  # NaN, of the source without i, is last
        assert [one["source_id"] for one in near] == [named(n) for n in order]
        assert near[0]["distance"] == 0 and near[0]["source_id"] == named(row)
        np.testing.assert_array_equal([one["distance"] for one in near], apart[order])
        np.testing.assert_array_equal([one["ra"] for one in near], table["ra"].to_numpy()[order])


def test_what_the_catalogue_does_not_say_is_null_and_who_has_no_answer_is_nobodys(client, table):
    wanted = {"sources": [source(table, 3), source(table, 2)], "k": 100}
    answer = client.post("/similar", json=wanted).json()
    (near, nobody), reasons = answer["neighbours"], answer["reasons"]
    assert nobody is None and reasons == [None, NO_I]
    assert len(near) == NUM - 1 and named(2) not in {one["source_id"] for one in near}
    assert near[0]["source_id"] == named(3)
    assert near[0]["CLASS"] is near[0]["Z_GAL"] is near[0]["Z_QSO"] is None
    assert near[1]["CLASS"] == "GALAXY" and near[1]["Z_GAL"] == 0.5


def test_sources_that_have_no_answer_alone_have_no_neighbours(client):
    answer = client.post("/similar", json={"sources": [{"MAG_i": None}]}).json()
    assert answer["neighbours"] == [None] and answer["reasons"] == [NO_I]
    ten = client.post("/similar", json={"sources": [{"MAG_i": 19.0}]}).json()["neighbours"][0]
    assert len(ten) == 10


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"k": 0}, "k: "),
        ({"k": MAX_SIMILAR + 1}, "k: "),
        ({"k": "3"}, "k: "),
        ({"k": 2.5}, "k: "),
        ({"k": True}, "k: "),
        ({"n": 3}, "n: "),
        ({"sources": []}, "sources: "),
        ({"sources": [{"MAG_i": 19.0}] * (MAX_SIMILAR + 1)}, f"at most {MAX_SIMILAR}"),
        ({"sources": [{"MAG_i": 19.0, "J0501": 1.0}]}, "J0501"),
        ({"sources": [{"J0500": 1.0}]}, "MAG_i"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(client, wrong, told):
    refused = client.post("/similar", json={"sources": [{"MAG_i": 19.0}]} | wrong)
    assert refused.status_code == 400, refused.text
    assert told in refused.json()["error"] and "\n" not in refused.json()["error"]


def test_before_the_catalogue_is_embedded_a_request_is_refused(client, monkeypatch):
    def nearest(*_):
        raise NotReady("version 7 has not embedded the catalogue yet, ask again in a while")

    monkeypatch.setattr(Neighbourhood, "nearest", nearest)
    refused = client.post("/similar", json={"sources": [{"MAG_i": 19.0}]})
    assert refused.status_code == 503 and refused.json()["error"].startswith("version 7 has not")


@dataclass
class Standing:
    """What answers, as a service would say; the predictor may be held up while it embeds."""

    predictor: Predictor
    version: str = "1"
    held_up: threading.Event = field(default_factory=threading.Event)

    @property
    def model(self):
        return SimpleNamespace(version=self.version)


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    """Three bundles of another digest each."""
    place = tmp_path_factory.mktemp("versions")
    return [
        Standing(Predictor(bundle.load(toy_bundle(place / str(n), seed=n))), str(n))
        for n in range(3)
    ]


def with_id(table):
    return table.add_column(0, "source_id", [[named(row) for row in range(NUM)]])


def is_ready(one, standing):
    try:
        one.nearest(standing, np.zeros((0, 1), np.float32), 1)
    except (NotReady, RuntimeError, ValueError) as error:
        return not isinstance(error, NotReady)
    return True


def test_after_a_switch_no_vectors_of_two_bundles_meet(versions, table, tmp_path, monkeypatch):
    monkeypatch.setattr(neighbours, "LOOK", 0.01)
    first, second, third = versions
    now = [first]
    one = Neighbourhood(with_id(table), tmp_path, lambda: now[0])
    try:
        wait_until(lambda: is_ready(one, first))
        vectors = {v.version: v.predictor.embed(table) for v in versions}
        near = one.nearest(first, vectors["0"][:1], 5)[0]
        assert near[0].source_id == named(0) and near[0].distance == 0
        with pytest.raises(NotReady, match="version 1 has not embedded the catalogue yet"):
            one.nearest(second, vectors["1"][:1], 5)
        now[0] = second
        wait_until(lambda: is_ready(one, second))
        for standing in (first, second):  # a request that began before is answered to its end
            own = vectors[standing.version]
            apart = np.linalg.norm(own.astype(float) - own[0].astype(float), axis=1)
            found = one.nearest(standing, own[:1], 5)[0]
            expected = np.argsort(apart, kind="stable")[:5]
            assert [n.source_id for n in found] == [named(row) for row in expected]
            np.testing.assert_array_equal([n.distance for n in found], apart[expected])
        now[0] = third
        wait_until(lambda: is_ready(one, third))
        assert is_ready(one, second) and not is_ready(one, first)  # memory is bounded
        now[0] = first
        wait_until(lambda: is_ready(one, first))
    finally:
        one.end()


def test_the_processes_of_a_server_embed_it_once(versions, table, tmp_path, monkeypatch):
    monkeypatch.setattr(neighbours, "LOOK", 0.01)
    asked_for, plain = [], versions[0].predictor.embed

    def counted(sources):
        asked_for.append(len(sources))
        time.sleep(0.05)
        return plain(sources)

    monkeypatch.setattr(versions[0].predictor, "embed", counted)
    both = [Neighbourhood(with_id(table), tmp_path, lambda: versions[0]) for _ in range(2)]
    try:
        wait_until(lambda: all(is_ready(one, versions[0]) for one in both))
        assert asked_for == [NUM]
    finally:
        for one in both:
            one.end()


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (["MAG_i", "J0500"], f"{NUM} sources, expected {NUM - 1} at most"),
        (["CLASS"], "no column MAG_i"),
    ],
)
def test_why_a_catalogue_cannot_be_embedded_is_told(
    versions, table, tmp_path, monkeypatch, columns, told
):
    monkeypatch.setattr(neighbours, "LOOK", 0.01)
    monkeypatch.setattr(neighbours, "MOST", NUM - ("J0500" in columns))
    one = Neighbourhood(with_id(table).select(columns), tmp_path, lambda: versions[0])
    try:
        wait_until(lambda: one._faults)
        with pytest.raises(NotReady, match=f"version 0 cannot embed the catalogue: .*{told}"):
            one.nearest(versions[0], np.zeros((1, 1), np.float32), 1)
    finally:
        one.end()


@pytest.mark.slow
def test_both_processes_of_a_server_answer_alike(place, catalogue, table, tmp_path):
    given = {"OJALA_BUNDLE": place / "ojala", "OJALA_CATALOGUE": catalogue, "OJALA_WORKERS": 2}
    wanted = {"sources": [source(table, 5)], "k": 3}
    with server(tmp_path / "log", **given) as address:
        ready = []

        def all_are_ready():
            ready.append(asked(f"{address}/similar", wanted)[0] == 200)
            return len(ready) > 20 and all(ready[-20:])

        wait_until(all_are_ready)
        answers = [asked(f"{address}/similar", wanted) for _ in range(10)]
    assert all(one == answers[0] for one in answers)
    assert answers[0][1]["neighbours"][0][0]["source_id"] == named(5)
