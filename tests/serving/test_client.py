"""``ojala.client`` beside the real service: same answers in chunks, patience, one model."""

import asyncio

import httpx
import numpy as np
import pytest
from asked_service import asked_service
from astropy.table import MaskedColumn, QTable, Table

from ojala import client as clients
from ojala.client import AsyncClient, Client, ServiceError
from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.model.shown import NO_I

NUM = 23


@pytest.fixture(scope="module")
def service(place):
    with asked_service(OJALA_BUNDLE=place / "ojala", OJALA_HEADS=place / "heads") as service:
        yield service


@pytest.fixture
def pauses(monkeypatch):
    """The seconds that a client would have waited, without the wait."""
    found = []

    async def sleep(seconds):
        found.append(seconds)

    monkeypatch.setattr(clients.time, "sleep", found.append)
    monkeypatch.setattr(clients.asyncio, "sleep", sleep)
    return found


def sources():
    rng = np.random.default_rng(2)
    mag = MaskedColumn(rng.uniform(18, 21, NUM), mask=np.arange(NUM) == 4)
    band = np.where(np.arange(NUM) % 3 == 0, np.nan, rng.uniform(0.5, 1.5, NUM))
    kind = MaskedColumn(rng.choice(["PSF", "DEV"], NUM), mask=np.arange(NUM) % 5 == 0)
    return Table({"id": np.arange(NUM), "MAG_i": mag, "J0500": band, "MORPHTYPE": kind})


def through(service, before=lambda number: None):
    """A transport to the service; ``before`` may answer a request in its place, or raise."""
    seen = []

    def handle(request):
        seen.append(request)
        instead = before(len(seen))
        if instead is not None:
            return instead
        got = service.request(request.method, request.url.path, content=request.content)
        return httpx.Response(got.status_code, content=got.content, headers=dict(got.headers))

    return httpx.MockTransport(handle), seen


def synchronous(transport, *asked, **settings):
    with Client("http://service", transport=transport, **settings) as ojala:
        return ojala.predict(*asked)


def asynchronous(transport, *asked, **settings):
    async def ask():
        async with AsyncClient("http://service", transport=transport, **settings) as ojala:
            return await ojala.predict(*asked)

    return asyncio.run(ask())


both = pytest.mark.parametrize("predict", [synchronous, asynchronous])


@both
@pytest.mark.parametrize("chunk", [1, 7, NUM, 1000])
def test_answers_are_those_of_the_predictor_in_chunks_of_any_size(service, place, predict, chunk):
    transport, seen = through(service)
    answers = predict(transport, sources(), ["Z_GAL", "SPECTYPE", "bh-mass"], chunk=chunk)
    assert len(seen) == -(-NUM // chunk) and len(answers) == NUM
    table = sources()
    catalogue = {
        "MAG_i": table["MAG_i"].filled(np.nan),
        "J0500": np.asarray(table["J0500"]),
        "MORPHTYPE": np.array(table["MORPHTYPE"].filled(""), dtype=object),
    }
    from ojala.heads import head

    heads = [head.load(place / "heads" / "bh-mass", bundle.digest(place / "ojala"))]
    predictor = Predictor(bundle.load(place / "ojala"), heads=heads)
    parts = [
        predictor.predict(
            {name: values[start : start + chunk] for name, values in catalogue.items()},
            ["Z_GAL", "SPECTYPE", "bh-mass"],
        )
        for start in range(0, NUM, chunk)
    ]
    expected = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    assert answers.colnames == list(expected) and answers.colnames[-1] == "REASON"
    for name, values in expected.items():
        if values.dtype.kind == "O":
            assert answers[name].filled("").tolist() == list(values), name
        else:
            given = np.asarray(answers[name].filled(np.nan), dtype=values.dtype)
            np.testing.assert_array_equal(given, values, err_msg=name)
    assert answers["REASON"][4] == NO_I and answers["Z_GAL"].mask.tolist() == [
        row == 4 for row in range(NUM)
    ]
    assert answers.meta["model"]["digest"] == bundle.digest(place / "ojala")
    assert [one["name"] for one in answers.meta["heads"]] == ["bh-mass"]
    assert answers.meta["left_out"] == ["id"]


@both
def test_a_request_that_fails_is_sent_again(service, pauses, predict):
    def trouble(number):
        if number == 1:
            return httpx.Response(503, json={"error": "busy"})
        if number == 2:
            raise httpx.ConnectError("nobody there")
        if number == 3:
            return httpx.Response(429, json={"error": "slowly"}, headers={"Retry-After": "17"})
        return None

    transport, seen = through(service, trouble)
    answers = predict(transport, sources(), ["Z_GAL"])
    assert len(answers) == NUM and len(seen) == 4
    assert len(pauses) == 3 and 0.25 <= pauses[0] <= 0.5 <= pauses[1] <= 1.0 and pauses[2] == 17


@both
@pytest.mark.parametrize(("status", "sent"), [(503, 3), (429, 3), (400, 1), (401, 1), (500, 1)])
def test_who_goes_on_refusing_is_heard(pauses, predict, status, sent):
    told = httpx.Response(status, json={"error": f"no, {status}"})
    transport, seen = through(None, lambda _: told)
    with pytest.raises(ServiceError) as raised:
        predict(transport, sources(), tries=3)
    assert str(raised.value) == f"no, {status}" and raised.value.status == status
    assert len(seen) == sent


@both
def test_nobody_who_answers_is_told(pauses, predict):
    def away(_):
        raise httpx.ConnectError("connection refused")

    transport, seen = through(None, away)
    with pytest.raises(ServiceError, match="cannot be asked: connection refused") as raised:
        predict(transport, sources(), tries=2)
    assert raised.value.status == 0 and len(seen) == 2


@both
def test_one_model_answers_all_chunks(service, predict):
    def promoted(number):
        if number != 1:
            return None
        old = service.post("/predict", json={"sources": [{"MAG_i": 19.0}] * 10}).json()
        old["model"]["version"] = "of old"
        return httpx.Response(200, json=old)

    transport, seen = through(service, promoted)
    answers = predict(transport, sources(), None, chunk=10)
    assert answers.meta["model"]["version"] == "unregistered" and len(seen) == 6


@both
def test_the_key_is_shown(service, predict):
    transport, seen = through(service)
    predict(transport, sources(), ["Z_GAL"], key="secret")
    assert seen[0].headers["Authorization"] == "Bearer secret"


@both
@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"J0500": [1.0]}, "no column MAG_i"),
        ({"MAG_i": []}, "no sources"),
        ({"MAG_i": [1.0], "J0500": [1.0, 2.0]}, "differ in length"),
        ({"MAG_i": [[1.0, 2.0]]}, "several values"),
        ({"MAG_i": ["19.0"]}, "MAG_i of row 1 is '19.0'"),
        ({"MAG_i": [19.0, True]}, None),
    ],
)
def test_tables_that_cannot_be_asked_about(predict, wrong, told):
    transport, seen = through(None, lambda _: httpx.Response(400, json={"error": "refused"}))
    with pytest.raises((ValueError, ServiceError), match=told):
        predict(transport, wrong)
    assert not seen or told is None


def test_tables_with_units_are_taken(service):
    import astropy.units as u

    transport, _ = through(service)
    table = QTable({"MAG_i": [19.0, 20.0] * u.mag, "J0500": [1.0, 0.8]})
    answers = synchronous(transport, table, ["Z_GAL"])
    plain = synchronous(transport, {"MAG_i": [19.0, 20.0], "J0500": [1.0, 0.8]}, ["Z_GAL"])
    assert answers["Z_GAL"].tolist() == plain["Z_GAL"].tolist()


@pytest.mark.parametrize("wrong", [{"chunk": 0}, {"tries": 0}])
def test_settings_that_ask_nothing_are_refused(wrong):
    for kind in (Client, AsyncClient):
        with pytest.raises(ValueError, match="expected 1 or more"):
            kind("http://service", **wrong)


def test_the_card_comes_too(service, place):
    with Client("http://service", transport=through(service)[0]) as ojala:
        assert ojala.model()["digest"] == bundle.digest(place / "ojala")
