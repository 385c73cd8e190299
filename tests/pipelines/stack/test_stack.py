"""The stack as processes is that of compose.yaml, ports and order, and nothing outlives it."""

import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from pipelines.stack import composed, programs
from pipelines.stack.on_loopback import PROCESSES, Stack

ROOT = Path(__file__).parents[3]
NOT_BEGUN = {"proxy", "grafana", "pipeline"}
PORTS = {name: str(41000 + at) for at, name in enumerate(composed.written_settings())}
SETTINGS = {name: port for name, port in PORTS.items() if name.endswith("_PORT")}


@pytest.fixture
def stack(tmp_path, monkeypatch):
    """A stack with other ports than stack.env's, where every program is."""
    monkeypatch.setattr(programs, "found", lambda name: name)
    (tmp_path / "secrets").mkdir()
    for name in ("mlflow_user", "mlflow_password", "s3_key", "s3_secret", "ray_token"):
        (tmp_path / "secrets" / name).write_text(f"the {name}")
    for name in ("flask_key", "postgres_password", "alert_webhook"):
        (tmp_path / "secrets" / name).write_text(f"the {name}")
    return Stack(tmp_path, composed.settings({**SETTINGS, "RAY_WORKERS": "3"}))


def texts(stack):
    """All that the stack's processes and their clients are told."""
    for process in stack.processes():
        yield from (*process.command, *process.check, *process.environment.values())
    yield from stack.client().values()
    yield from (path.read_text() for path in (stack.place / "settings").iterdir())


def test_each_service_of_compose_is_begun_or_left_out_by_name(stack):
    assert set(composed.services(stack.values)) == set(PROCESSES) | NOT_BEGUN
    begun = [process.name for process in stack.processes()]
    assert begun.count("ray-worker-3") == 1 and len(begun) == len(PROCESSES) + 2


def test_every_port_is_one_of_the_settings_and_all_are_used(stack):
    found = {port for text in texts(stack) for port in re.findall(r"\b\d{4,5}\b", text)}
    metrics = {str(int(PORTS["RAY_METRICS_PORT"]) + worker) for worker in (1, 2, 3)}
    assert found - {PORTS["TLS_PORT"]} == set(SETTINGS.values()) - {PORTS["TLS_PORT"]} | metrics


def test_nothing_is_told_of_a_container(stack):
    hosts = "|".join(composed.services(stack.values))
    for text in texts(stack):
        assert not re.search(rf"(//|@|=|\[)({hosts}):", text), text
        assert "0.0.0.0" not in text and "/run/secrets" not in text and "/etc/" not in text, text


def test_clients_have_the_passwords_and_the_order_is_that_of_compose(stack):
    client = stack.client()
    assert client["MLFLOW_TRACKING_PASSWORD"] == "the mlflow_password"
    assert client["AWS_SECRET_ACCESS_KEY"] == "the s3_secret"
    assert client["RAY_ADDRESS"] == f"127.0.0.1:{PORTS['RAY_PORT']}"
    processes = {process.name: process for process in stack.processes()}
    assert processes["mlflow"].after == ("postgres", "buckets")
    assert processes["mlflow"].environment["PGPASSWORD"] == "the postgres_password"
    assert processes["ray-worker-2"].environment["RAY_AUTH_TOKEN"] == "the ray_token"
    assert processes["postgres"].stops_by == signal.SIGINT
    first = [process.name.rstrip("-123") for process in stack.processes()]
    for process in processes.values():
        name = process.name.rstrip("-123")
        assert all(first.index(other) < first.index(name) for other in process.after)


@pytest.mark.parametrize(
    ("file", "was", "becomes", "told"),
    [
        ("prometheus.yaml", "service:3000", "service:3001", "service:3001 is named below infra/"),
        (
            "compose.yaml",
            "mlflow:${MLFLOW_PORT}",
            "mlflow:5001",
            "mlflow:5001 is named below infra/",
        ),
        ("compose.yaml", "${S3_MASTER_PORT}", "${S3_MAIN_PORT}", "asks for S3_MAIN_PORT"),
    ],
)
def test_a_port_that_does_not_agree_is_told(stack, tmp_path, monkeypatch, file, was, becomes, told):
    copy = shutil.copytree(ROOT / "infra", tmp_path / "infra") / "compose"
    text = (copy / file).read_text()
    assert was in text
    (copy / file).write_text(text.replace(was, becomes))
    monkeypatch.setattr(composed, "COMPOSE", copy / "compose.yaml")
    with pytest.raises(ValueError, match=told):
        stack.processes(), stack.client()


@pytest.mark.parametrize("port", ["many", "0", "-1", "60000", "3000.5"])
def test_a_port_that_is_none_is_told(port):
    with pytest.raises(ValueError, match=r"SERVICE_PORT is .*expected a port from 1 to 55535"):
        composed.settings({"SERVICE_PORT": port})


@pytest.mark.parametrize("absent", programs.PACKAGES)
def test_an_absent_program_is_told_with_what_has_it(tmp_path, monkeypatch, absent):
    for name in programs.PACKAGES:
        if name != absent:
            (tmp_path / name).write_text("#!/bin/sh\n")
            (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(programs, "OWN", tmp_path)
    monkeypatch.setattr(programs, "DEBIAN", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    told = f"^the stack needs {absent}: install {programs.PACKAGES[absent]}$"
    with pytest.raises(ValueError, match=told):
        programs.all_found()


def test_mlflow_has_the_versions_of_its_image():
    def pinned(path):
        lines = (ROOT / path).read_text().splitlines()
        return {line for line in lines if "==" in line and line[0] != "#"}

    image = pinned("requirements/registry.txt")
    assert image == {
        line for line in pinned("pipelines/stack/requirements.txt") if "seaweedfs" not in line
    }
    tag = "docker.io/chrislusf/seaweedfs:"
    assert {
        line.partition("==")[2]
        for line in pinned("pipelines/stack/requirements.txt")
        if "seaweedfs" in line
    } == set(re.findall(rf"{tag}(\S+)", composed.COMPOSE.read_text()))


LEAVES_ORPHANS = """
import signal, sys, time
from pathlib import Path
from pipelines.stack.on_loopback import Process
from pipelines.stack.running import Running

def process(name, command, after=(), check=(), restarts=True):
    return Process(name=name, command=("sh", "-c", command), environment={"MARK": "of a test"},
                   after=after, check=check, restarts=restarts, stops_by=signal.SIGTERM)

place = Path(sys.argv[1])
deaf = "trap '' TERM; while true; do sleep 0.1; done"
running = Running([
    process("once", f"echo made > {place}/made", restarts=False),
    process("parent", "setsid setsid sleep 1000 & sleep 1000", after=("once",),
            check=("test", "-e", f"{place}/made")),
    process("deaf", deaf, after=("parent",)),
], place, {"PATH": "/usr/bin:/bin"})
running.begin_all()
print(running.alive["parent"].pid, flush=True)
sys.stdin.readline()
if sys.argv[2] == "ends":
    running.stop_all()
"""


def with_mark():
    def marked(process):
        try:
            return process.environ().get("MARK") == "of a test"
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False

    return [process for process in psutil.process_iter() if marked(process)]


def test_nothing_outlives_the_stack(tmp_path):
    """Not what left its parent and its session, and not what does not listen."""
    impatient = "from pipelines.stack import running\nrunning.GRACE = 1.0\n"
    short = impatient + LEAVES_ORPHANS
    begun = subprocess.Popen(
        [sys.executable, "-c", short, str(tmp_path), "ends"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert int(begun.stdout.readline()) > 0
    assert len(with_mark()) >= 3
    begun.communicate(b"\n", timeout=60)
    assert begun.returncode == 0 and not with_mark()


def test_a_stack_that_is_killed_takes_its_processes_along(tmp_path):
    begun = subprocess.Popen(
        [sys.executable, "-c", LEAVES_ORPHANS, str(tmp_path), "is killed"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    parent = psutil.Process(int(begun.stdout.readline()))
    begun.kill()
    begun.wait()
    gone, _ = psutil.wait_procs([parent], timeout=10)
    assert gone
    for left in with_mark():  # what is deaf, and what left its parent
        with suppress(psutil.NoSuchProcess):  # the deaf one's sleep of a tenth of a second
            left.kill()
