"""Whatever a request holds: no 5xx, no hang, one sentence, and right answers afterwards."""

import gzip
import json
import time

import pytest
from asked_service import asked_service
from toy_heads import toy_bundle

GOOD = {"MAG_i": 19.0, "J0500": 0.8, "J0660": 1.1}
ROWS = ("/predict", "/redshifts", "/embed")
AT_ONCE = 20.0
"""Seconds that a refusal may take here, where other tests run beside."""


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    bundle = toy_bundle(tmp_path_factory.mktemp("models") / "ojala")
    with asked_service(OJALA_BUNDLE=bundle) as client:
        yield client


@pytest.fixture(scope="module")
def right(client):
    """What the service says of a plain source."""
    return asked(client, "/predict", {"sources": [GOOD]}).json()


def asked(client, path, body, **headers):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} | headers
    return client.post(path, content=content, headers=headers)


def source(**values):
    return {"sources": [GOOD, GOOD | values]}


def nested(depth, inside=b"1"):
    return b"[" * depth + inside + b"]" * depth


BAD = {
    "nothing": b"",
    "no JSON": b"MAG_i=19",
    "null": b"null",
    "a list": b"[]",
    "a text": b'"sources"',
    "cut off": b'{"sources": [{"MAG_i": 19.0',
    "more than one": b'{"sources": [{"MAG_i": 19}]} {}',
    "not UTF-8": b'{"sources": [{"MAG_i": 19, "\xff\xfe": 1}]}',
    "UTF-16": json.dumps({"sources": [GOOD]}).encode("utf-16"),
    "NUL": b'{"sources": [{"MAG_i": 19}]}\x00',
    "NaN": b'{"sources": [{"MAG_i": NaN}]}',
    "Infinity": b'{"sources": [{"MAG_i": 19, "J0500": -Infinity}]}',
    "beyond doubles": b'{"sources": [{"MAG_i": 1e400}]}',
    "many digits": b'{"sources": [{"MAG_i": ' + b"9" * 100_000 + b"}]}",
    "a text for a number": source(J0500="0.8"),
    "a list for a number": source(J0500=[0.8]),
    "true for a number": source(J0500=True),
    "an object for a number": source(J0500={"value": 0.8}),
    "an unknown band": source(J0501=0.8),
    "an unknown type": source(MORPHTYPE="PSX"),
    "a number for a type": source(MORPHTYPE=3),
    "half a character as a type": b'{"sources": [{"MAG_i": 19, "MORPHTYPE": "\\ud800"}]}',
    "half a character as a name": b'{"sources": [{"MAG_i": 19, "\\ud800": 1}]}',
    "a long name": source(**{"J" * 100_000: 1.0}),
    "a name in lines": source(**{"J\r\n0500": 1.0}),
    "no i": {"sources": [{"J0500": 1.0}]},
    "no sources": {"sources": []},
    "sources that are none": {"sources": [1, None, "x"]},
    "an object for sources": {"sources": GOOD},
    "an unknown entry": {"sources": [GOOD], "query": ["Z_GAL"]},
    "a million sources": b'{"sources": [' + b'{"MAG_i":19},' * 999_999 + b'{"MAG_i":19}]}',
    "deep lists": b'{"sources": ' + nested(100_000) + b"}",
    "deep objects": b'{"sources": [' + b'{"MAG_i":' * 50_000 + b"1" + b"}" * 50_000 + b"]}",
}


@pytest.mark.parametrize("path", ROWS)
@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_is_refused_in_a_sentence(client, right, path, name):
    began = time.monotonic()
    refused = asked(client, path, BAD[name])
    assert refused.status_code in (400, 413), refused.text[:300]
    assert list(refused.json()) == ["error"] and 0 < len(refused.text) < 1000
    assert time.monotonic() - began < AT_ONCE
    assert asked(client, "/predict", {"sources": [GOOD]}).json() == right


@pytest.mark.parametrize(
    "queries",
    [
        b'["\\ud800"]',
        b'["Z_GAL", "Z_GAL"]',
        b"[]",
        b"{}",
        b'"Z_GAL"',
        b"[null]",
        b'["' + b"Z" * 100_000 + b'"]',
        b"[" + b'"Z_GAL",' * 100_000 + b'"Z_QSO"]',
        b'["sources", "EMBEDDING", "REASON"]',
    ],
)
def test_bad_queries_are_refused_in_a_sentence(client, right, queries):
    for body in (b'{"sources": [{"MAG_i": 19}]', b'{"columns": {"MAG_i": [19]}'):
        path = "/predict" if b"sources" in body[:12] else "/predict_columns"
        refused = asked(client, path, body + b', "queries": ' + queries + b"}")
        assert refused.status_code == 400, refused.text[:300]
        assert list(refused.json()) == ["error"] and len(refused.text) < 1000
    assert asked(client, "/predict", {"sources": [GOOD]}).json() == right


@pytest.mark.parametrize(
    ("values", "same"),
    [
        ({"J0378": 1e30}, {}),
        ({"J0378": -1e308}, {}),
        ({"J0378": 0.9, "J0378_ERR": -0.1}, {}),
        ({"J0378": 0.9, "J0378_ERR": 0}, {}),
        ({"J0378": 0.9, "J0378_ERR": 99}, {}),
        ({"J0378": -999}, {}),
        ({"J0378": None, "MORPHTYPE": None}, {}),
        ({"MAG_G": 99.0}, {}),
        ({"MAG_i_ERR": 1e-300}, {}),
        ({"J0378": 5e-324}, {"J0378": 0.0}),
    ],
)
def test_odd_values_are_taken_as_documented(client, right, values, same):
    """Answered as if they were not there (or as what they round to), and never beyond doubles."""
    answered = asked(client, "/predict", source(**values))
    assert answered.status_code == 200, answered.text
    first, second = answered.json()["predictions"]
    assert first == right["predictions"][0]
    (expected,) = asked(client, "/predict", {"sources": [GOOD | same]}).json()["predictions"]
    assert second == expected


@pytest.mark.parametrize("name", ["a million zeros", "cut off", "not gzip", "gzip twice"])
def test_packed_bodies_that_are_bad_are_refused(client, right, name):
    packed = {
        "a million zeros": gzip.compress(b"0" * 200_000_000, 1),
        "cut off": gzip.compress(json.dumps({"sources": [GOOD]}).encode())[:-9],
        "not gzip": json.dumps({"sources": [GOOD]}).encode(),
        "gzip twice": gzip.compress(gzip.compress(json.dumps({"sources": [GOOD]}).encode())),
    }[name]
    refused = asked(client, "/predict", packed, **{"Content-Encoding": "gzip"})
    assert refused.status_code in (400, 413) and list(refused.json()) == ["error"]
    assert asked(client, "/predict", {"sources": [GOOD]}).json() == right


def test_many_bad_ones_beside_good_ones_change_no_answer(client, right):
    from concurrent.futures import ThreadPoolExecutor

    bad = [BAD[name] for name in ("NaN", "cut off", "an unknown type", "no sources")]
    with ThreadPoolExecutor(8) as clients:
        answers = list(
            clients.map(
                lambda n: asked(
                    client, "/predict", {"sources": [GOOD]} if n % 2 else bad[n // 2 % 4]
                ),
                range(40),
            )
        )
    for number, answer in enumerate(answers):
        assert answer.status_code == (200 if number % 2 else 400)
        if number % 2:
            assert answer.json() == right
