"""Requests that wait are answered together, each with the bits that it would have alone."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest
from asked_service import asked_service
from toy_sky import toy_table

from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.tables.shards import columns_of
from ojala.vocabulary.quantities import observations
from serving import gathering
from serving.answering import Answering
from serving.edition import Edition
from serving.gathering import MOST_TOGETHER, Asked, Busy, Gathering, answer
from serving.schemas import Model

QUERIES = ("Z_GAL", "SPECTYPE")


@pytest.fixture(scope="module")
def client(place):
    gathering.here.cache_clear()
    with asked_service(OJALA_BUNDLE=place / "ojala", OJALA_HEADS=place / "heads") as client:
        yield client


@pytest.fixture(scope="module")
def sky():
    columns = columns_of(toy_table(60, seed=2, labelled=False, missing=0.1))
    return {name: values for name, values in columns.items() if name in observations()}


@pytest.fixture(scope="module")
def predictor(place):
    return Predictor(bundle.load(place / "ojala"))


class Slow:
    """A Predictor that waits to be let go, and remembers how many sources it was asked about."""

    def __init__(self, predictor):
        self.predictor, self.go, self.asked = predictor, threading.Event(), []

    def shown(self, sources):
        return self.predictor.shown(sources)

    def predict(self, seen, queries, embeddings):
        self.asked.append(len(seen.reason))
        self.go.wait(30)
        return self.predictor.predict(seen, queries, embeddings=embeddings)


@dataclass
class Standing:
    slow: Slow
    answering: Answering


@pytest.fixture
def standing(predictor, monkeypatch):
    monkeypatch.setenv("OJALA_APART", "no")
    slow = Slow(predictor)
    model = Model(name="ojala", version="1", digest="d", run_id="")
    edition = Edition(version="1")
    return Standing(
        slow, Answering(edition=edition, predictor=slow, model=model, heads=[], watch=None)
    )


def asked_about(standing, sky, rows, queries=QUERIES):
    sources = {name: values[rows] for name, values in sky.items() if name != "MORPHTYPE"}
    return Asked(answering=standing.answering, sources=sources, queries=queries)


def test_what_waits_is_answered_together_and_bit_for_bit_as_alone(standing, sky, predictor):
    gathered = Gathering()
    rows = [np.arange(n, n + size) for n, size in enumerate((1, 3, 2, 16, 5, 1))]
    requests = [asked_about(standing, sky, one) for one in rows]
    first = gathered.ask(requests[0])
    while not standing.slow.asked:
        time.sleep(0.01)
    others = [gathered.ask(one) for one in requests[1:]]
    standing.slow.go.set()
    for request, said in zip(requests, [first, *others], strict=True):
        columns, notes = said.result(30)
        expected = predictor.predict(request.sources, QUERIES)
        assert list(columns) == list(expected) and notes == ()
        for name, values in expected.items():
            np.testing.assert_array_equal(columns[name], values, err_msg=name)
    assert standing.slow.asked == [1, 27]


def test_other_queries_and_more_than_a_batch_wait_for_the_next_one(standing, sky):
    gathered = Gathering()
    rows = np.arange(40)
    requests = [asked_about(standing, sky, rows) for _ in range(1 + 2 * MOST_TOGETHER // 40)]
    requests.insert(3, asked_about(standing, sky, rows, ("Z_QSO",)))
    said = [gathered.ask(one) for one in requests]
    standing.slow.go.set()
    for request, one in zip(requests, said, strict=True):
        columns, _ = one.result(60)
        assert len(columns["REASON"]) == 40 and f"{request.queries[0]}_ERR" in columns
    assert max(standing.slow.asked) <= MOST_TOGETHER
    assert sum(standing.slow.asked) == 40 * len(requests)


def test_of_much_that_waits_half_is_answered_together_and_of_little_what_is_preferred(
    standing, sky
):
    gathered = Gathering()
    first = gathered.ask(asked_about(standing, sky, np.arange(1)))
    while not standing.slow.asked:
        time.sleep(0.01)
    said = [gathered.ask(asked_about(standing, sky, np.arange(40))) for _ in range(30)]
    standing.slow.go.set()
    for one in (first, *said):
        one.result(60)
    # Of 1200 at most 512, of 720 half, then twice what is preferred at least, and what is left.
    assert standing.slow.asked == [1, 480, 360, 240, 120]


def test_notes_are_told_to_whose_sources_they_are_about(standing, sky):
    plain, odd = (asked_about(standing, sky, np.arange(3)) for _ in range(2))
    odd.sources["J0500"] = np.array([-999.0, 1.0, 1.0])
    standing.slow.go.set()
    answer([plain, odd])
    assert plain.said.result()[1] == ()
    (note,) = odd.said.result()[1]
    assert note.startswith("narrow bands: J0500 of 1 source no ratio")


def test_one_that_cannot_be_answered_spoils_no_other(standing, sky):
    good, bad = (asked_about(standing, sky, np.arange(2)) for _ in range(2))
    bad.sources["MORPHTYPE"] = np.array(["PSF", "PSX"], dtype=object)
    standing.slow.go.set()
    answer([good, bad])
    assert len(good.said.result()[0]["REASON"]) == 2
    with pytest.raises(ValueError, match=r"MORPHTYPE, row 2: 'PSX'"):
        bad.said.result()


def test_who_went_away_is_not_answered_and_who_would_wait_for_long_is_refused(
    standing, sky, monkeypatch
):
    monkeypatch.setenv("OJALA_WAIT_SECONDS", "0.05")
    gathered = Gathering()
    first = gathered.ask(asked_about(standing, sky, np.arange(60)))
    while not standing.slow.asked:
        time.sleep(0.01)
    with pytest.raises(Busy, match="60 sources are waiting to be answered, ask again in 1 seconds"):
        gathered.ask(asked_about(standing, sky, np.arange(1)))
    gathered.most_seconds = 10.0
    gone, last = (gathered.ask(asked_about(standing, sky, np.arange(n))) for n in (7, 5))
    gone.cancel()
    standing.slow.go.set()
    first.result(30), last.result(30)
    assert standing.slow.asked == [60, 5]
    gathered.most_seconds = 1e-9
    time.sleep(0.1)
    gathered.check_soon()  # nobody waits any more


def test_many_clients_of_the_service_have_the_bits_of_the_predictor(client, sky, predictor):
    rows = [{n: float(v[i]) for n, v in sky.items() if n != "MORPHTYPE"} for i in range(60)]
    rows = [{n: None if np.isnan(v) else v for n, v in row.items()} for row in rows]
    plain = {name: values for name, values in sky.items() if name != "MORPHTYPE"}
    expected = predictor.predict(plain)

    def ask(number):
        start, size = (number * 7) % 50, 1 + number % 6
        answered = client.post("/predict", json={"sources": rows[start : start + size]})
        return start, answered

    with ThreadPoolExecutor(12) as clients:
        for start, answered in clients.map(ask, range(60)):
            assert answered.status_code == 200, answered.text
            for place, row in enumerate(answered.json()["predictions"], start):
                for name in ("Z_GAL", "Z_GAL_ERR", "LOGM", "P_STAR", "CLASS"):
                    assert row[name] == expected[name][place]


def test_columns_are_answered_as_rows_are(client):
    sources = [
        {"MAG_i": 18.0, "J0500": 0.9, "MORPHTYPE": "PSF"},
        {"MAG_i": None, "J0500": 0.7, "MORPHTYPE": "EXP"},
        {"MAG_i": 21.0, "J0500": None, "MORPHTYPE": None},
    ]
    columns = {name: [one[name] for one in sources] for name in sources[0]}
    for more in ({}, {"queries": ["Z_GAL", "bh-mass", "SPECTYPE"]}):
        by_row = client.post("/predict", json={"sources": sources} | more).json()
        by_column = client.post("/predict_columns", json={"columns": columns} | more).json()
        rows = by_row.pop("predictions")
        assert by_column.pop("columns") == {name: [row[name] for row in rows] for name in rows[0]}
        assert by_row == by_column


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        ({"MAG_i": [19.0], "J0500": [1.0, 2.0]}, "J0500 has 2 values and MAG_i 1"),
        ({"MAG_i": []}, "columns.MAG_i"),
        ({"J0500": [1.0]}, "columns.MAG_i"),
        ({"MAG_i": [19.0], "J0501": [1.0]}, "columns.J0501"),
        ({"MAG_i": 19.0}, "columns.MAG_i"),
        ({"MAG_i": ["19"]}, "columns.MAG_i[0]"),
        ({"MAG_i": [19.0], "MORPHTYPE": ["PSX"]}, "'PSX'"),
        ({"MAG_i": [19.0] * 10_001}, "columns.MAG_i"),
    ],
)
def test_columns_that_cannot_be_read_are_refused_by_name(client, columns, named):
    refused = client.post("/predict_columns", json={"columns": columns})
    assert refused.status_code == 400
    assert named in refused.json()["error"]


def test_an_error_that_one_source_has_changes_no_other(client):
    """Left out it is unknown; null it makes its value useless, as in a table."""
    bare = {"MAG_i": 19.0, "J0500": 0.6, "J0660": 1.2}
    told, useless = bare | {"J0500_ERR": 0.02}, bare | {"J0500_ERR": None}
    without = {"MAG_i": 19.0, "J0660": 1.2}
    answered = client.post("/predict", json={"sources": [bare, told, useless, without]}).json()
    first, second, third, fourth = answered["predictions"]
    assert first == second and third == fourth and first != third
    for source, row in ((bare, first), (useless, third)):
        assert client.post("/predict", json={"sources": [source]}).json()["predictions"] == [row]


def test_beyond_what_can_be_answered_soon_it_is_refused_at_once(client, monkeypatch):
    here = gathering.here()
    monkeypatch.setattr(here, "most_seconds", -1.0)
    began = time.monotonic()
    refused = client.post("/predict", json={"sources": [{"MAG_i": 19.0}]})
    assert refused.status_code == 429 and time.monotonic() - began < 1
    assert "ask again in" in refused.json()["error"] and "Retry-After" in refused.headers
    assert client.get("/health").status_code == 200
    monkeypatch.undo()
    assert client.post("/predict", json={"sources": [{"MAG_i": 19.0}]}).status_code == 200
