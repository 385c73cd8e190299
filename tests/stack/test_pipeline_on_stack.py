"""`make test-stack`: the whole of OJALA on PostgreSQL, S3, two nodes of Ray and a service."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import psutil
import pytest
import s3fs
from one_cluster import one_cluster
from running_stack import directory_open_to_all, free_ports, needs_stack, skip_without_programs
from tiny_project import ROOT, STAGES, change, command, ran, tiny_project

from pipelines.registry import tracking

pytestmark = needs_stack
PATIENCE = 300


@pytest.fixture(scope="module")
def open_directory():
    with directory_open_to_all() as place:
        yield place


@pytest.fixture(scope="module")
def stack(open_directory):
    """`make stack` itself in a tiny project: its settings, and the variables it says to use."""
    skip_without_programs()
    place = tiny_project(open_directory)
    change(place, "cluster", num_workers=2, poll_interval=0.2)
    ports = free_ports() | {"RAY_WORKERS": "2", "RAY_CPUS": "1"}
    with one_cluster(), (place / "said").open("w") as said:
        own = os.environ | ports | {"OJALA_PROJECT": str(place), "OJALA_FOLLOW_SECONDS": "1"}
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.stack"],
            env=own | {"PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        until(lambda: "to use it" in (place / "said").read_text() or process.poll() is not None)
        assert process.poll() is None, (place / "said").read_text()
        lines = (place / ".ojala/stack/environment").read_text().splitlines()
        client = dict(line.removeprefix("export ").split("=", 1) for line in lines)
        yield place, ports, client, process
        process.kill() if process.poll() is None else None


def until(holds, patience=PATIENCE):
    end = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < end, "it did not come to hold"
        time.sleep(0.5)


def fetched(address, key="", body=None):
    """JSON of an address, None where nobody answers yet."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(address, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())
    except OSError:
        return None


def query(ports, expression):
    """What Prometheus answers: values by what the service calls them."""
    where = f"http://127.0.0.1:{ports['PROMETHEUS_PORT']}/api/v1/query?"
    found = fetched(where + urllib.parse.urlencode({"query": expression}))
    return {
        one["metric"].get("version", one["metric"].get("instance")): float(one["value"][1])
        for one in found["data"]["result"]
    }


def test_the_whole_pipeline_on_the_stack(stack, monkeypatch):
    place, ports, client, process = stack
    for name, value in client.items():
        monkeypatch.setenv(name, value)
    begun = time.monotonic()
    command(place, "dvc", "remote", "add", "--local", "--default", "shared", "s3://ojala-dvc")
    assert sorted(ran(place)) == sorted(STAGES)
    print(f"dvc repro: {time.monotonic() - begun:.0f} s")
    check_nodes(ports, client)
    version = check_registry(place, ports)
    check_caches(place)
    check_promotion(place, ports, version)
    check_end(place, process)


def check_nodes(ports, client):
    """The two workers of each training were on two nodes."""
    where = f"http://127.0.0.1:{ports['RAY_DASHBOARD_PORT']}/api/v0/actors?detail=true&limit=999"
    actors = fetched(where, client["RAY_AUTH_TOKEN"])["data"]["result"]["result"]
    trained = [one for one in actors if one["class_name"] == "RayTrainWorker"]
    nodes = {one["job_id"]: set() for one in trained}
    for one in trained:
        nodes[one["job_id"]].add(one["node_id"])
    assert len(nodes) >= 2 and {len(each) for each in nodes.values()} == {2}  # of noise, and train


def check_registry(place, ports):
    """Runs are in PostgreSQL, artifacts in S3, each training once."""
    password = (place / ".ojala/stack/secrets/postgres_password").read_text()
    asked = "select run_uuid, name, status, artifact_uri from runs order by start_time"
    where = ["-h", "127.0.0.1", "-p", ports["POSTGRES_PORT"], "-U", "mlflow", "-d", "mlflow"]
    rows = subprocess.check_output(
        ["psql", *where, "-Atc", asked], env=os.environ | {"PGPASSWORD": password}, text=True
    ).splitlines()
    runs = [row.split("|") for row in rows]
    print("runs in PostgreSQL:", [(name, status) for _, name, status, _ in runs])
    assert [name for _, name, status, _ in runs if status == "FINISHED"].count("train") == 1
    assert all(status == "FINISHED" for _, _, status, _ in runs)
    made = json.loads((place / "models/ojala/provenance.json").read_text())
    (uri,) = [uri for run, _, _, uri in runs if run == made["run_id"]]
    assert uri.startswith("mlflow-artifacts:/")
    held = [one for one in s3fs.S3FileSystem().find("ojala-mlflow") if made["run_id"] in one]
    assert any(one.endswith("weights.safetensors") for one in held), held
    (version,) = tracking.client().search_model_versions("name = 'ojala'")
    assert version.run_id == made["run_id"]
    return version


def check_caches(place):
    """What is pushed to S3 and wiped here comes back, and then there is nothing to compute.

    What is registered DVC does not keep: the registry is asked again, and has it.
    """
    command(place, "dvc", "push")
    print("objects in S3:", len(s3fs.S3FileSystem().find("ojala-dvc")))
    for gone in (".dvc/cache", "data", "models"):
        shutil.rmtree(place / gone)
    assert not (place / "models").exists()
    command(place, "dvc", "pull")
    assert ran(place) == ["register"]
    assert len(tracking.client().search_model_versions("name = 'ojala'")) == 1
    assert ran(place) == []
    assert "up to date" in command(place, "dvc", "status")


def check_promotion(place, ports, first):
    """The service follows a promotion, and Prometheus sees which version answers."""
    key = (place / ".ojala/stack/secrets/service_key").read_text()
    address = f"http://127.0.0.1:{ports['SERVICE_PORT']}/health"

    def served():
        answer = fetched(address, key, b"{}")
        return answer and str(answer["version"])

    until(lambda: served() == str(first.version))
    so_small = ["--force", "--reason", "its sky is too small for the gate"]
    command(place, "ojala.cli", "promote", str(first.version), *so_small)
    change(place, "train", seed=7)
    assert "train" in ran(place)
    second = str(tracking.client().get_model_version_by_alias("ojala", "candidate").version)
    assert second != str(first.version) and served() == str(first.version)
    command(place, "ojala.cli", "promote", second, *so_small)
    moved = time.monotonic()
    until(lambda: served() == second)
    print(f"the service switched {time.monotonic() - moved:.1f} s after the promotion")
    until(lambda: query(ports, "ojala_version_served == 1").keys() == {second}, 60)
    assert list(query(ports, 'up{job="ojala-service"}').values()) == [1.0]
    assert list(query(ports, 'up{job="ray"}').values()) == [1.0, 1.0, 1.0]
    alerts = fetched(f"http://127.0.0.1:{ports['ALERTMANAGER_PORT']}/api/v2/status")
    assert alerts["config"]["original"]


def check_end(place, process):
    """After Ctrl-C nothing that the stack began is left."""
    mark = str(place / ".ojala" / "stack")
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0
    print(f"ended in {time.monotonic() - asked:.0f} s")
    sockets = f"ojala-stack-{os.getuid()}"
    left = [
        one.info["cmdline"]
        for one in psutil.process_iter(["cmdline"])
        if any(mark in word or sockets in word for word in one.info["cmdline"] or ())
    ]
    assert not left
