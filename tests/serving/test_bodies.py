"""Bodies are limited before they are read, unpacked within a limit, and queries asked once."""

import asyncio
import gzip
import io
import json
import random
import threading
import zlib

import pytest
from asked_service import asked_service
from toy_heads import toy_bundle

from ojala.model.predictor import Predictor
from ojala.vocabulary.quantities import queries
from serving import bodies, service

JSON = {"Content-Type": "application/json"}
ASKED = {"sources": [{"MAG_i": 18.9, "MAG_G": 20.4}], "queries": ["Z_GAL"]}
BODY = json.dumps(ASKED).encode()


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with asked_service(OJALA_BUNDLE=toy_bundle(tmp_path_factory.mktemp("m") / "ojala")) as client:
        yield client


def post(client, body, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/predict", content=body, headers=JSON | named)


def refused(answer, status, words):
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"] and words in answer.json()["error"]


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
def test_a_packed_body_is_answered_as_the_plain_one(client, encoding):
    plain = post(client, BODY)
    assert plain.status_code == 200 and "Z_GAL" in plain.json()["predictions"][0]
    assert post(client, gzip.compress(BODY), Content_Encoding=encoding).json() == plain.json()
    members = gzip.compress(BODY[:20]) + gzip.compress(BODY[20:])
    assert post(client, members, Content_Encoding=encoding).json() == plain.json()
    assert post(client, BODY, Content_Encoding="identity").json() == plain.json()


@pytest.mark.parametrize("encoding", ["deflate", "br", "zstd", "gzip, gzip", "rot13"])
def test_another_encoding_is_refused_by_name(client, encoding):
    refused(post(client, zlib.compress(BODY), Content_Encoding=encoding), 415, f"is {encoding},")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (gzip.compress(BODY, mtime=0)[:-9], "cut off"),
        (BODY, "not what gzip writes"),
        (gzip.compress(BODY, mtime=0) + b"more", "not what gzip writes"),
        (b"", "sources"),
    ],
    ids=["cut", "plain", "and_more", "empty"],
)
def test_a_packed_body_that_is_none_is_refused(client, body, words):
    refused(post(client, body, Content_Encoding="gzip"), 400, words)


def test_a_bomb_is_refused_before_it_is_unpacked(client):
    bomb = gzip.compress(b" " * (bodies.MAX_BYTES + 1))
    assert len(bomb) < 100_000
    refused(post(client, bomb, Content_Encoding="gzip"), 413, "unpacked, the body is larger than")
    refused(post(client, bomb * 50, Content_Encoding="gzip"), 413, "unpacked")


def test_a_large_body_is_refused_by_its_length_and_by_what_comes(client, monkeypatch):
    monkeypatch.setattr(bodies, "MAX_BYTES", 1000)
    assert post(client, BODY).status_code == 200
    refused(post(client, b" " * 1001), 413, "the body is larger than")
    refused(post(client, iter([b" " * 600] * 2)), 413, "the body is larger than")  # no length


def test_a_length_alone_is_enough_to_refuse():
    async def never():
        raise AssertionError("it was read")

    headers = [(b"content-length", str(bodies.MAX_BYTES + 1).encode())]
    with pytest.raises(bodies.RefusedBody) as told:
        asyncio.run(bodies.unpacked({"headers": headers}, never))
    assert told.value.status == 413


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["Z_GAL"] * 100_000, "at most 1000"),
        (["Z_GAL", "LOGM", "Z_GAL"], "'Z_GAL' is asked for twice"),
        ([f"Z{n}" for n in range(service.MAX_QUERIES)], "Z0"),
    ],
)
def test_queries_are_few_and_each_is_asked_once(client, asked, words):
    refused(post(client, json.dumps(ASKED | {"queries": asked})), 400, words)


def test_all_queries_may_be_asked_at_once(client):
    assert post(client, json.dumps(ASKED | {"queries": list(queries())})).status_code == 200


def test_health_answers_at_once_while_a_large_request_runs(client, monkeypatch):
    began, done = threading.Event(), threading.Event()

    def slow(*_, **__):
        began.set()
        assert done.wait(30)
        return {}

    monkeypatch.setattr(Predictor, "predict", slow)
    asked = threading.Thread(target=post, args=[client, BODY])
    asked.start()
    assert began.wait(30)
    for _ in range(3):
        assert client.get("/health").status_code == 200
    assert asked.is_alive()  # the large request still runs
    done.set()
    asked.join()
    asked.join()


def stored(body, most=2**22, pieces=7, **headers):
    """What of a body is written to a file, when it comes in some pieces."""
    step = max(1, len(body) // pieces)
    messages = [
        {"type": "http.request", "body": body[at : at + step], "more_body": at + step < len(body)}
        for at in range(0, max(len(body), 1), step)
    ]
    scope = {"headers": [(name.encode(), value.encode()) for name, value in headers.items()]}
    file = io.BytesIO()

    async def receive():
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    asyncio.run(bodies.stored(scope, receive, file, most))
    return file.getvalue()


@pytest.mark.parametrize("num_bytes", [0, 1, 1000, 2**20 - 1, 2**20, 2**20 + 1, 2**22])
@pytest.mark.parametrize("kind", ["zeros", "noise"])
def test_a_body_is_stored_as_it_was_whether_packed_or_not(num_bytes, kind):
    whole = bytes(num_bytes) if kind == "zeros" else random.Random(1).randbytes(num_bytes)
    packed = gzip.compress(whole)
    twice = gzip.compress(whole[: num_bytes // 3]) + gzip.compress(whole[num_bytes // 3 :])
    named = {"content-encoding": "gzip"}
    assert stored(whole) == whole
    assert stored(packed, **named) == stored(twice, **named) == whole
    if num_bytes:
        for body, how in ((whole, {}), (packed, named)):
            with pytest.raises(bodies.RefusedBody, match="the table is larger than"):
                stored(body, most=num_bytes - 1, **how)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_what_is_cut_off_or_not_gzip_is_not_stored(share):
    packed = gzip.compress(random.Random(1).randbytes(5000))
    named = {"content-encoding": "gzip"}
    with pytest.raises(bodies.RefusedBody, match="cut off"):
        stored(packed[: int(share * len(packed))], **named)
    with pytest.raises(bodies.RefusedBody, match="not what gzip writes"):
        stored(b"plain text", **named)
    with pytest.raises(bodies.RefusedBody, match="expected gzip or none"):
        stored(packed, **{"content-encoding": "br"})


def test_a_body_whose_sender_goes_away_is_not_stored():
    async def receive():
        return {"type": "http.disconnect"}

    with pytest.raises(bodies.RefusedBody, match="cut off"):
        asyncio.run(bodies.stored({"headers": []}, receive, io.BytesIO(), 10))
