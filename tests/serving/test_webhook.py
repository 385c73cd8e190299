"""MLflow's server tells the service that an alias moved, and nobody else can."""

import base64
import hashlib
import hmac
import json
import re
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

import pytest
from asked_service import asked_service
from cryptography.fernet import Fernet
from server import ROOT, asked, free_port, server, wait_until
from test_promotion_under_load import promote, with_golden
from toy_registry import toy_project, toy_version

from pipelines.registry import tracking

SECRET, BODY = "a secret of both", json.dumps({"entity": "model_version_alias"}).encode()


def headers(secret=SECRET, at=None, body=BODY, number="c0ffee"):
    """As the documentation of MLflow says that it signs."""
    sent = str(int(time.time()) if at is None else at)
    digest = hmac.new(secret.encode(), f"{number}.{sent}.".encode() + body, hashlib.sha256).digest()
    return {
        "Content-Type": "application/json",
        "X-MLflow-Delivery-Id": number,
        "X-MLflow-Timestamp": sent,
        "X-MLflow-Signature": f"v1,{base64.b64encode(digest).decode()}",
    }


@pytest.fixture(scope="module")
def client(place):
    with asked_service(OJALA_BUNDLE=place / "ojala", OJALA_WEBHOOK_SECRET=SECRET) as client:
        yield client


def test_what_is_signed_is_heard_and_needs_no_key(place, tmp_path):
    keys = tmp_path / "keys.toml"
    keys.write_text(f'[team]\nsha256 = "{hashlib.sha256(b"another").hexdigest()}"\n')
    known = {"OJALA_BUNDLE": place / "ojala", "OJALA_KEYS": keys}
    with asked_service(**known, OJALA_WEBHOOK_SECRET=SECRET) as client:
        assert client.post("/model", json={}).status_code == 401
        answer = client.post("/registry_changed", content=BODY, headers=headers())
        assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (headers(secret="of nobody"), "is not signed with OJALA_WEBHOOK_SECRET"),
        (headers(body=BODY + b" "), "is not signed"),
        (headers() | {"X-MLflow-Delivery-Id": "c0ffee0"}, "is not signed"),
        (headers() | {"X-MLflow-Signature": "v1,\u00fc".encode()}, "is not signed"),
        ({"Content-Type": "application/json"}, "is not signed"),
        (headers(at=int(time.time()) - 3600), "was signed at .* of now"),
        (headers(at="soon"), "was signed at 'soon', expected seconds since 1970"),
    ],
)
def test_what_is_signed_otherwise_is_refused(client, wrong, told):
    refused = client.post("/registry_changed", content=BODY, headers=wrong)
    assert refused.status_code == 401
    assert re.search(told, refused.json()["error"])


def test_too_much_another_method_and_no_secret_are_refused(client, monkeypatch):
    large = b" " * 100_000
    refused = client.post("/registry_changed", content=large, headers=headers(body=large))
    assert refused.status_code == 413
    assert client.get("/registry_changed").status_code == 405
    monkeypatch.delenv("OJALA_WEBHOOK_SECRET")
    refused = client.post("/registry_changed", content=BODY, headers=headers())
    assert refused.status_code == 404
    assert "OJALA_WEBHOOK_SECRET is not set" in refused.json()["error"]


@contextmanager
def mlflow_server(place):
    """The address of MLflow's server on a project's database; it may send to the loopback."""
    address = f"http://127.0.0.1:{(port := free_port())}"
    own = {"MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http", "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true"}
    own["MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"] = Fernet.generate_key().decode()
    with pytest.MonkeyPatch.context() as patch, (place / "mlflow.log").open("w") as log:
        for name, value in own.items():
            patch.setenv(name, value)
        command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
        command += ["--backend-store-uri", f"sqlite:///{place}/mlflow.db"]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=place)
    try:
        wait_until(lambda: process.poll() is not None or is_there(f"{address}/health"), 300)
        assert process.poll() is None, (place / "mlflow.log").read_text()
        yield address
    finally:
        process.terminate()
        process.wait()


def is_there(address):
    try:
        return urllib.request.urlopen(address, timeout=5).status == 200
    except OSError:
        return False


def registered_as_told(address):
    """Run the code of the page of the service, with another address."""
    blocks = (ROOT / "docs" / "service.md").read_text().split("```")
    (code,) = [one.removeprefix("python") for one in blocks if "create_webhook" in one]
    there = "https://ojala.example.org"
    assert code.count(there) == 1
    exec(code.replace(there, address), {})


@pytest.mark.slow
def test_a_promotion_is_followed_at_once_however_seldom_the_registry_is_asked(
    tmp_path, monkeypatch
):
    with toy_project(tmp_path):
        first, second = (with_golden(toy_version(tmp_path / "v", seed)) for seed in range(2))
        promote(first)
        settings = {"OJALA_WORKERS": 2, "OJALA_FOLLOW_SECONDS": 100_000}
        settings |= {"OJALA_WEBHOOK_SECRET": SECRET}
        with mlflow_server(tmp_path) as registry, server(tmp_path / "log", **settings) as address:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", registry)
            monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOWED_SCHEMES", "http")  # its client asks as well
            monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS", "true")
            monkeypatch.setenv("OJALA_WEBHOOK_SECRET", SECRET)
            tracking.client()  # MLflow's own asks the same registry from here on
            registered_as_told(address)
            for version in (second, first, second):
                promote(version)
                wait_until(lambda to=version: served(address) == str(to.version), 60)


def served(address):
    return str(asked(f"{address}/health", {})[1]["version"])
