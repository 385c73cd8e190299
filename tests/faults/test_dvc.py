"""Two `dvc repro` at once, one that is killed, a spoilt cache: the same command mends it."""

import os
import signal
import subprocess
import sys
import time

import pytest

STAGE = """stages:
  double:
    cmd: python double.py
    deps: [double.py, number]
    outs: [doubled]
"""
WORK = """import os, pathlib, time
pathlib.Path("begun").write_text(str(os.getpid()))
time.sleep(float(os.environ.get("LENGTH", "0")))
pathlib.Path("doubled").write_text(str(2 * int(pathlib.Path("number").read_text())))
"""


@pytest.fixture
def project(tmp_path):
    """A project of one stage, with the settings of ours."""
    (tmp_path / "dvc.yaml").write_text(STAGE)
    (tmp_path / "double.py").write_text(WORK)
    (tmp_path / "number").write_text("21")
    (tmp_path / ".dvc").mkdir()
    links = "[core]\n    no_scm = true\n    analytics = false\n[cache]\n"
    (tmp_path / ".dvc" / "config").write_text(links + '    type = "reflink,hardlink,symlink"\n')
    return tmp_path


def repro(project, **environment):
    own = os.environ | {"DVC_SITE_CACHE_DIR": str(project / "site")} | environment
    return subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro"],
        cwd=project,
        env=own,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def begun(project, patience=120):
    """The process of the stage, as soon as it works."""
    end = time.monotonic() + patience
    while not (project / "begun").exists() or not (project / "begun").read_text():
        assert time.monotonic() < end
        time.sleep(0.1)
    return int((project / "begun").read_text())


def finished(project):
    said = repro(project).communicate(timeout=120)[0]
    assert (project / "doubled").read_text() == "42", said
    return said


def test_of_two_at_once_one_works_and_the_other_says_why_not(project):
    first = repro(project, LENGTH="15")
    begun(project)
    second = repro(project)
    said = second.communicate(timeout=120)[0]
    assert second.returncode != 0
    assert "lock" in said.lower() and str(first.pid) in said, said
    assert first.wait(120) == 0
    assert "up to date" in finished(project)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_one_that_was_killed_is_finished_by_the_same_command(project, number):
    first = repro(project, LENGTH="60")
    stage = begun(project)
    os.killpg(first.pid, number)
    first.wait(60)
    assert not (project / "doubled").exists()
    end = time.monotonic() + 30
    while os.path.exists(f"/proc/{stage}"):  # no orphan goes on
        assert time.monotonic() < end
        time.sleep(0.1)
    finished(project)
    assert "up to date" in finished(project)


def test_a_spoilt_object_of_the_cache_is_made_anew(project):
    finished(project)
    (cached,) = [
        path for path in (project / ".dvc" / "cache" / "files").rglob("*") if path.is_file()
    ]
    cached.chmod(0o644)
    cached.write_text("41")
    finished(project)
    assert "up to date" in finished(project)
