"""`make serve` begins, or says in one sentence why it does not; no server starts before that."""

import os
import socket
import subprocess
import sys

import pytest
from toy_heads import toy_bundle

from ojala.model import bundle
from serving import __main__ as serve

SETTINGS = ("PORT", "BENTOML_HOST", "OJALA_ALIAS", "OJALA_BUNDLE", "OJALA_HEADS")


@pytest.fixture(scope="module")
def bundle_path(tmp_path_factory):
    return toy_bundle(tmp_path_factory.mktemp("models") / "ojala")


@pytest.fixture
def begun(monkeypatch, bundle_path):
    """The servers that were started, by their command lines; there is a bundle to serve."""
    commands = []
    monkeypatch.setattr(os, "execv", lambda _, command: commands.append(command))
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OJALA_BUNDLE", str(bundle_path))
    return commands


@pytest.fixture
def taken_port():
    with socket.create_server(("0.0.0.0", 0)) as listening:
        yield listening.getsockname()[1]


def free_port():
    with socket.create_server(("0.0.0.0", 0)) as listening:
        return listening.getsockname()[1]


def refused(monkeypatch, begun, **environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("PORT", environment.get("PORT", str(free_port())))
    with pytest.raises(SystemExit) as stopped:
        serve.main()
    assert not begun
    told = stopped.value.code  # text: printed to stderr, and exit code 1
    assert isinstance(told, str) and "\n" not in told
    return told


def test_it_begins_with_what_it_serves(monkeypatch, begun, bundle_path, capsys):
    port = str(free_port())
    monkeypatch.setenv("PORT", port)
    serve.main()
    (command,) = begun
    assert command[-2:] == ["--port", port]
    assert bundle.digest(bundle_path) in capsys.readouterr().out


def test_a_taken_port_is_named_and_how_to_choose_another(monkeypatch, begun, taken_port):
    told = refused(monkeypatch, begun, PORT=str(taken_port))
    assert f"port {taken_port} is taken" in told and "PORT=" in told


@pytest.mark.parametrize("port", ["http", "0", "65536", "-1"])
def test_a_port_that_is_none_is_refused(monkeypatch, begun, port):
    assert f"PORT is '{port}', expected" in refused(monkeypatch, begun, PORT=port)


def test_an_address_of_another_machine_is_refused(monkeypatch, begun):
    told = refused(monkeypatch, begun, BENTOML_HOST="192.0.2.1")
    assert "of 192.0.2.1 cannot be had" in told
    assert "'nowhere' does not appear" in refused(monkeypatch, begun, BENTOML_HOST="nowhere")


def test_a_bundle_that_cannot_be_opened_is_named(monkeypatch, begun, tmp_path):
    place = toy_bundle(tmp_path / "cut")
    weights = place / bundle.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:100])
    assert f"{weights}: not readable" in refused(monkeypatch, begun, OJALA_BUNDLE=place)


def test_a_database_that_is_none_is_refused(monkeypatch, begun, tmp_path):
    (tmp_path / "mlflow.db").write_text("not a database " * 100)
    registry = f"sqlite:///{tmp_path}/mlflow.db"
    told = refused(monkeypatch, begun, OJALA_BUNDLE="", MLFLOW_TRACKING_URI=registry)
    assert "not a database" in told


def test_without_a_registered_model_one_sentence_says_what_to_run(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    environment |= {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}
    environment |= {"PORT": str(free_port())}
    ended = subprocess.run(
        [sys.executable, "-m", "serving"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 1 and ended.stdout == ""
    (told,) = ended.stderr.splitlines()
    assert "no version of the model ojala is registered: run `make repro`" in told
    assert not list(tmp_path.iterdir())
