"""Who has no key is not let in; who has one may ask for so much; the log says who, never what."""

import hashlib
import json
import re
import subprocess
import sys

import pytest
from asked_service import asked_service
from toy_heads import toy_bundle

from serving import access
from serving.access import Guard, Refused, keys_required, made_key, read_keys

SOURCE = {"MAG_i": 18.9, "MAG_G": 20.4}
SHA = "ab" * 32


def scope(path="/predict", **headers):
    pairs = [(name.replace("_", "-").encode(), value) for name, value in headers.items()]
    return {"path": path, "method": "POST", "headers": pairs, "client": ("192.0.2.7", 5)}


@pytest.fixture
def file(tmp_path):
    def written(text):
        (tmp_path / "keys.toml").write_text(text)
        return tmp_path / "keys.toml"

    return written


def test_a_made_key_lets_in_and_the_file_does_not_hold_it(file):
    key, entry = made_key("team-a")
    other, _ = made_key("team-a")
    assert key != other and len(key) >= 40 and key not in entry
    keys = read_keys(file(entry))
    assert keys[hashlib.sha256(key.encode()).hexdigest()].name == "team-a"


def test_the_command_makes_one():
    done = subprocess.run(
        [sys.executable, "-m", "serving.access", "x1"], capture_output=True, text=True, check=True
    )
    key = re.search(r"shown this once: (\S+)", done.stdout)[1]
    assert hashlib.sha256(key.encode()).hexdigest() in done.stdout


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there is no key in it"),
        ("[a]\n", "[a] needs sha256"),
        (f'[a]\nsha256 = "{SHA[:-1]}"', "key a: sha256 is not 64 hexadecimal digits"),
        (f'[a]\nsha256 = "{SHA.upper()}"', "key a: sha256"),
        (f'[a]\nsha256 = "{SHA}"\nlimit = 3', "may have sha256, requests_per_minute, s"),
        (f'[a]\nsha256 = "{SHA}"\nsources_per_minute = -1', "sources_per_minute is -1"),
        (f'[a]\nsha256 = "{SHA}"\nsources_per_minute = true', "sources_per_minute is True"),
        (f'["a b"]\nsha256 = "{SHA}"', "key 'a b'"),
        (f'[a]\nsha256 = "{SHA}"\n[b]\nsha256 = "{SHA}"', "[b] and [a] are the same key"),
        ("a = 1", "[a] needs sha256"),
        ("[a", "cannot be read"),
    ],
)
def test_a_file_of_keys_that_is_wrong_is_refused_by_its_entry(file, text, words):
    place = file(text)
    with pytest.raises(ValueError) as told:
        read_keys(place)
    assert str(told.value).startswith(f"{place}: ") and words in str(told.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "127.8.0.1"])
def test_on_the_loopback_nobody_is_asked_unless_told_so(host, file, monkeypatch):
    assert keys_required(host) is None
    monkeypatch.setenv("OJALA_KEYS", str(file(made_key("a")[1])))
    assert len(keys_required(host)) == 1


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "2001:db8::1"])
def test_where_others_can_ask_a_key_is_needed_unless_told_so(host, file, monkeypatch):
    with pytest.raises(ValueError, match=r"make one with .*, or set OJALA_ACCESS=open"):
        keys_required(host)
    monkeypatch.setenv("OJALA_ACCESS", "open")
    assert keys_required(host) is None
    monkeypatch.setenv("OJALA_KEYS", str(file(made_key("a")[1])))
    with pytest.raises(ValueError, match="unset one"):
        keys_required(host)
    monkeypatch.setenv("OJALA_ACCESS", "opne")
    with pytest.raises(ValueError, match="'opne', expected 'open'"):
        keys_required(host)


def guards(tmp_path, number=1, **limits):
    """Guards of several processes, and a key that they let in."""
    key, entry = made_key("a")
    (tmp_path / "keys").write_text(entry + "".join(f"{n} = {v}\n" for n, v in limits.items()))
    keys = read_keys(tmp_path / "keys")
    return key.encode(), [Guard(keys, tmp_path, tmp_path / "audit") for _ in range(number)]


@pytest.mark.parametrize("header", ["authorization", "x-api-key", "Authorization"])
def test_a_key_is_shown_in_either_header(tmp_path, header):
    key, (guard,) = guards(tmp_path)
    shown = key if header.startswith("x") else b"Bearer " + key
    assert guard.admitted(scope(**{header.replace("-", "_"): shown})).key.name == "a"
    for wrong in (shown[:-1], shown + b"x", b"", b"Basic " + key, key[:3]):
        with pytest.raises(Refused) as told:
            guard.admitted(scope(**{header.replace("-", "_"): wrong}))
        assert told.value.status == 401 and key.decode() not in str(told.value)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/"])
def test_whether_it_lives_is_told_to_anyone(tmp_path, path):
    _, (guard,) = guards(tmp_path)
    assert guard.admitted(scope(path)).key is None
    for closed in ("/predict", "/metrics", "/health", "/livez/", "//"):
        with pytest.raises(Refused):
            guard.admitted(scope(closed))


def test_requests_of_a_minute_are_counted_over_all_processes(tmp_path, monkeypatch):
    now = [6000.0]
    monkeypatch.setattr(access.time, "time", lambda: now[0])
    key, several = guards(tmp_path, 3, requests_per_minute=6)
    asked = scope(x_api_key=key)
    for turn in range(6):
        several[turn % 3].admitted(asked)
    now[0] += 17
    for guard in several:
        with pytest.raises(Refused, match="6 requests in a minute; ask again in 43 s") as told:
            guard.admitted(asked)
        assert told.value.status == 429 and told.value.retry_after == 43
    now[0] += 43
    assert several[1].admitted(asked).key.name == "a"


def test_sources_are_counted_and_a_request_that_is_refused_takes_none(tmp_path, monkeypatch):
    monkeypatch.setattr(access.time, "time", lambda: 6000.0)
    key, (guard,) = guards(tmp_path, sources_per_minute=10, sources_per_request=8)
    for num, status in ((8, None), (9, 413), (3, 429), (2, None), (1, 429)):
        asking = guard.admitted(scope(x_api_key=key))
        if status is None:
            guard.take(asking, num)
            assert asking.sources == num
            continue
        with pytest.raises(Refused) as told:
            guard.take(asking, num)
        assert told.value.status == status and asking.sources == 0


@pytest.fixture
def limited(tmp_path):
    """A service with one key, its key, and its log."""
    key, entry = made_key("team")
    keys = tmp_path / "keys"
    keys.write_text(entry + "sources_per_request = 2\nrequests_per_minute = 8\n")
    settings = {
        "OJALA_BUNDLE": toy_bundle(tmp_path / "ojala"),
        "OJALA_KEYS": keys,
        "OJALA_AUDIT": tmp_path / "audit.jsonl",
    }
    with asked_service(**settings) as client:
        yield client, key, tmp_path / "audit.jsonl"


def test_the_service_asks_for_keys_counts_and_logs(limited):
    client, key, audit = limited
    bearer = {"Authorization": f"Bearer {key}"}

    def predict(num, headers):
        return client.post("/predict", json={"sources": [SOURCE] * num}, headers=headers)

    wrong = predict(1, {"Authorization": "Bearer no"})
    assert wrong.status_code == 401 and "no valid key" in wrong.json()["error"]
    assert client.get("/livez").status_code == 200
    assert predict(2, bearer).status_code == 200
    large = predict(3, bearer)
    assert large.status_code == 413 and "may ask for 2 at once" in large.json()["error"]
    assert client.get("/health", headers=bearer).status_code == 200
    statuses = [predict(1, bearer).status_code for _ in range(7)]
    assert set(statuses) == {200, 429}
    refused = predict(1, bearer)
    assert refused.status_code == 429 and 1 <= int(refused.headers["Retry-After"]) <= 60
    lines = [json.loads(line) for line in audit.read_text().splitlines()]
    assert [(one["key"], one["status"], one["sources"]) for one in lines[:4]] == [
        (None, 401, 0),
        ("team", 200, 2),
        ("team", 413, 0),
        ("team", 200, 0),
    ]
    said = audit.read_text()
    assert key not in said and "18.9" not in said and "MAG_G" not in said
    assert audit.stat().st_mode & 0o777 == 0o600
