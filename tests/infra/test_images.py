"""`make test-images`: images are built with buildah and do their work, read-only, not as root."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from urllib.error import URLError

import pandas as pd
import pyarrow as pa
import pytest
from built_containers import build, container, megabytes
from toy_heads import toy_bundle
from toy_registry import toy_project

from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.tables.files import read_table_file, write_table_file
from pipelines.registry import registration
from serving.tables import SUFFIXES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "OJALA_TEST_IMAGES" not in os.environ, reason="make test-images builds them"
    ),
    pytest.mark.skipif(shutil.which("buildah") is None, reason="needs buildah"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount what buildah built"),
]
SERVE, TRAIN = "localhost/ojala-serve:test", "localhost/ojala-train-cpu:test"
PUBLIC_BASE = "docker.io/library/python:3.11-slim-bookworm"
ALIEN = ("ray", "dvc", "optuna", "sqlalchemy", "matplotlib", "pandas", "pip")
"""What the service does without."""
SOURCE = {"MAG_i": 18.9, "MAG_G": 20.4, "MAG_R": 19.4, "J0500": 0.45, "J0660": 0.93}
TABLE = pa.table({"ID": [2**53 + 1, 7]} | {name: [value] * 2 for name, value in SOURCE.items()})


def added(image):
    """Megabytes of an image that are not its base's."""
    size, base = megabytes(image), megabytes(os.environ.get("BASE") or PUBLIC_BASE)
    print(f"{image}: {size} MB, {base} of them its base")
    return size - base


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


@contextmanager
def running(command, log, **settings):
    """A process that ends with the block."""
    with open(log, "w") as told:
        process = subprocess.Popen(command, stdout=told, stderr=subprocess.STDOUT, **settings)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


def answer(url, body=None, media_type="application/json", patience=180):
    """What a server says as soon as it is there, in bytes."""
    asked = urllib.request.Request(url, body, {"Content-Type": media_type})
    end = time.monotonic() + patience
    while True:
        try:
            with urllib.request.urlopen(asked, timeout=60) as said:
                return said.read()
        except (URLError, ConnectionError) as error:
            assert time.monotonic() < end, f"{url}: {error}"
            time.sleep(1)


def answered_table(address, media_type, suffix, tmp_path):
    """The table of TABLE's sources as it comes back in a format."""
    path = tmp_path / f"sources{suffix}"
    write_table_file(TABLE, path)
    path.write_bytes(answer(f"{address}/predict_table", path.read_bytes(), media_type))
    return read_table_file(path)


def result_of_a_job(address, tmp_path):
    """The same as a job answers it."""
    path = tmp_path / "job.csv"
    write_table_file(TABLE, path)
    job = json.loads(answer(f"{address}/jobs", path.read_bytes(), "text/csv"))
    end = time.monotonic() + 300
    while job["state"] in ("waiting", "running"):
        assert time.monotonic() < end, job
        time.sleep(0.5)
        job = json.loads(answer(f"{address}/jobs/{job['job']}"))
    assert job["state"] == "done", job
    path.write_bytes(answer(f"{address}{job['result']}"))
    return read_table_file(path)


def test_a_service_answers_with_the_registered_bundle(tmp_path):
    build("serve", SERVE)
    assert added(SERVE) < 1180
    port, registry = free_port(), free_port()
    server = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port"]
    server += [str(registry), "--workers", "1", "--backend-store-uri"]
    server += [f"sqlite:///{tmp_path}/server.db", "--artifacts-destination", str(tmp_path / "kept")]
    address = f"http://127.0.0.1:{registry}"
    with running(server, tmp_path / "mlflow.log"):
        answer(f"{address}/health")
        place = toy_bundle(tmp_path / "ojala")
        opened = bundle.load(place)
        with toy_project(tmp_path, MLFLOW_TRACKING_URI=address):
            example = pd.DataFrame([SOURCE | {"J0820": 1.08}])
            said = Predictor(opened).predict({name: example[name].to_numpy() for name in example})
            made = registration.register(
                place, digest=opened.digest, run_id="", example=example, answer=said
            )
        with container(SERVE) as words:
            imported = f"import importlib.util as u; print(*filter(u.find_spec, {ALIEN}))"
            found = subprocess.check_output(words("python", "-c", imported), text=True)
            assert found.strip() == ""
            refused = subprocess.run(
                words("touch", "/opt/ojala/it"), capture_output=True, text=True
            )
            assert "Read-only file system" in refused.stderr
            begun = words(PORT=port, BENTOML_HOST="127.0.0.1", MLFLOW_TRACKING_URI=address)
            with running(begun, tmp_path / "serve.log"):
                asked = f"http://127.0.0.1:{port}"
                answer(f"{asked}/readyz")
                one = json.dumps({"sources": [SOURCE]}).encode()
                told = json.loads(answer(f"{asked}/predict", one))
                tables = [answered_table(asked, *kind, tmp_path) for kind in SUFFIXES.items()]
                tables.append(result_of_a_job(asked, tmp_path))
    assert told["model"]["version"] == made.version and told["model"]["digest"] == opened.digest
    expected = Predictor(opened).predict({name: [value] for name, value in SOURCE.items()})
    z = pytest.approx(float(expected["Z_GAL"][0]), rel=1e-5)
    assert told["predictions"][0]["Z_GAL"] == z
    for table in tables:
        assert table["ID"].to_pylist() == TABLE["ID"].to_pylist()
        assert table["Z_GAL"].to_pylist() == [z, z]


def test_stages_run_in_a_project_on_a_volume(tmp_path):
    build("train-cpu", TRAIN)
    assert added(TRAIN) < 2850
    project = tmp_path / "project"
    project.mkdir()
    shutil.chown(project, 1000, 1000)
    with container(TRAIN, project) as words:
        version = subprocess.check_output(words("ojala", "--version"), text=True)
        assert version.strip()
        subprocess.run(words("dvc", "repro", "jpas"), check=True)
        again = subprocess.check_output(words("dvc", "repro", "jpas"), text=True)
    assert "Data and pipelines are up to date" in again
    assert (project / "data" / "jpas").is_dir() and (project / "dvc.lock").is_file()
