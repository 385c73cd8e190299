"""A store that was moved, copied, locked or away: mended, or told of in one sentence, in time."""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from toy_heads import toy_bundle
from toy_registry import stored_version, toy_registered_head

from ojala.model import bundle
from pipelines.registry import promote, rollback, store, tracking, versions
from serving.registered import served

ROOT = Path(__file__).parents[3]
SETTINGS = ("OJALA_BUNDLE", "OJALA_ALIAS", "OJALA_HEADS", "PORT", "RAY_ADDRESS")


def opened(monkeypatch, place):
    """Work with the database of a project from now on."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place}/mlflow.db")
    tracking.client()


def every_text(database):
    """All texts that a database holds, by table and column."""
    with closing(sqlite3.connect(database)) as found:
        for (table,) in found.execute(
            "select name from sqlite_master where type = 'table'"
        ).fetchall():
            for row in found.execute(f"select * from {table}").fetchall():
                yield from ((table, value) for value in row if isinstance(value, str))


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with a run, its file, and a version whose bundle is below mlartifacts."""
    place = tmp_path / "was here"
    place.mkdir()
    opened(monkeypatch, place)
    with tracking.run("train", {}, {}) as run_id:
        (tmp_path / "curve.txt").write_text("1\n")
        tracking.log_files(run_id, tmp_path / "curve.txt", "reports")
    files = place / "mlartifacts" / "models" / "m-1"
    toy_bundle(files / "artifacts" / "ojala")
    stored_version(files, bundle.digest(files / "artifacts" / "ojala"))
    return place, run_id


WRITES = """
import sys
from pipelines.registry import tracking
run_id, path = sys.argv[1:]
tracking.log_files(run_id, path, "later")
with tracking.run("evaluate", {}, {}) as another:
    tracking.log_files(another, path, "reports")
"""


def writes(place, run_id, path):
    """Another process, as MLflow remembers where it wrote, writes to the old run and a new one."""
    environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{place}/mlflow.db"}
    command = [sys.executable, "-W", "ignore", "-c", WRITES, run_id, str(path)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    assert {file.parent.name for file in place.rglob("curve.txt")} == {"later", "reports"}
    assert len(list(place.rglob("curve.txt"))) == 3


def files_below(place):
    return {path: path.stat().st_mtime_ns for path in sorted(place.rglob("*"))}


def bundle_is_served(place):
    found = served()
    assert found.version == "1"
    fetched = versions.fetch(versions.find("candidate"))
    assert fetched.is_relative_to(place)
    assert bundle.load(fetched).digest == found.bundle.digest


def test_a_project_that_was_moved_serves_and_writes_where_it_is(project, tmp_path, monkeypatch):
    was, run_id = project
    now = tmp_path / "moved" / "to a new place"
    now.parent.mkdir()
    was.rename(now)
    opened(monkeypatch, now)
    bundle_is_served(now)
    writes(now, run_id, tmp_path / "curve.txt")
    assert not was.exists(), "MLflow made the old place again"
    left = {table for table, text in every_text(now / "mlflow.db") if str(was) in text}
    assert left <= {"tags"}, "the name of a script is no place for files"


def test_a_copy_is_on_its_own_and_never_writes_into_the_original(project, tmp_path, monkeypatch):
    was, run_id = project
    now = tmp_path / "copy"
    shutil.copytree(was, now)
    before = files_below(was)
    opened(monkeypatch, now)
    bundle_is_served(now)
    writes(now, run_id, tmp_path / "curve.txt")
    assert files_below(was) == before
    opened(monkeypatch, was)
    bundle_is_served(was)


def test_a_database_that_was_copied_alone_says_that_its_files_are_not_here(
    project, tmp_path, monkeypatch
):
    was, _ = project
    (tmp_path / "kept").mkdir()
    shutil.copy(was / "mlflow.db", tmp_path / "kept")
    before = files_below(was)
    opened(monkeypatch, tmp_path / "kept")
    with pytest.raises(ValueError, match="its files cannot be fetched"):
        versions.fetch(versions.find("candidate"))
    assert files_below(was) == before


def test_what_stood_elsewhere_stays_there(project, tmp_path, monkeypatch):
    was, _ = project
    elsewhere = tmp_path / "mlartifacts" / "m-2"
    toy_bundle(elsewhere / "artifacts" / "ojala")
    stored_version(elsewhere, bundle.digest(elsewhere / "artifacts" / "ojala"))
    toy_registered_head("head", versions.find("2"))
    was.rename(tmp_path / "now")
    opened(monkeypatch, tmp_path / "now")
    assert versions.fetch(versions.find("2")).is_relative_to(elsewhere)
    server = tracking.client()
    assert server.get_model_version("ojala-head-head", "1").source == "file:///nowhere"
    server.create_experiment("theirs", artifact_location="s3://bucket/mlartifacts")
    (tmp_path / "now").rename(tmp_path / "later")
    opened(monkeypatch, tmp_path / "later")
    theirs = tracking.client().get_experiment_by_name("theirs")
    assert theirs.artifact_location == "s3://bucket/mlartifacts"


def test_who_comes_at_the_same_moment_finds_it_mended(project, tmp_path):
    was, _ = project
    now = tmp_path / "now"
    was.rename(now)
    mending = [
        threading.Thread(target=store._mend, args=[(now / "mlflow.db").resolve()]) for _ in range(4)
    ]
    for one in mending:
        one.start()
    for one in mending:
        one.join()
    assert not any(
        str(was) in text for table, text in every_text(now / "mlflow.db") if table != "tags"
    )


def test_a_short_lock_is_waited_for_and_a_long_one_is_told(project, monkeypatch):
    place, _ = project
    holder = sqlite3.connect(place / "mlflow.db", isolation_level=None, check_same_thread=False)
    holder.execute("begin exclusive")
    freed = threading.Timer(1.0, holder.execute, ["rollback"])
    freed.start()
    store.check.cache_clear()
    assert versions.named("candidate").version == "1"
    freed.join()
    holder.execute("begin exclusive")
    monkeypatch.setattr(store, "LOCK_PATIENCE", 0.2)
    for entry in (versions.models, served, lambda: promote._put_right()):
        store.check.cache_clear()
        with pytest.raises(ValueError, match=r"mlflow\.db is locked by another process"):
            entry()
    holder.close()


@contextmanager
def silent():
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@contextmanager
def away():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
    yield address


@pytest.mark.parametrize("server", [silent, away])
@pytest.mark.parametrize(
    "entry",
    [
        tracking.client,
        versions.models,
        served,
        promote._put_right,
        lambda: rollback.main(None),
    ],
)
def test_a_server_that_is_away_is_told_soon(monkeypatch, server, entry):
    monkeypatch.setattr(store, "SERVER_PATIENCE", 0.3)
    monkeypatch.delenv("OJALA_BUNDLE", raising=False)
    began = time.monotonic()
    with server() as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{address}")
        with pytest.raises(ValueError, match=f"tracking server http://{address} does not answer"):
            entry()
    assert time.monotonic() - began < 10


def test_a_password_is_not_shown(monkeypatch):
    with away() as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"postgresql+psycopg2://me:secret@{address}/db")
        with pytest.raises(ValueError, match="does not answer") as told:
            tracking.client()
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    "command",
    [
        ["ojala.cli", "lineage", "ojala@champion"],
        ["ojala.cli", "heads", "--registered"],
        ["serving"],
        ["pipelines.registry.store"],
    ],
)
def test_every_command_ends_within_twenty_seconds_in_one_sentence(command, tmp_path):
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    with away() as address:
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", *command],
            cwd=ROOT,
            env=environment | {"MLFLOW_TRACKING_URI": f"http://{address}", "PORT": "39871"},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert time.monotonic() - began < 60  # of which imports take most on a busy machine
    assert done.returncode == 1 and done.stdout == ""
    (told,) = done.stderr.splitlines()
    assert f"http://{address} does not answer" in told
