"""Two runs side by side in the MLflow UI, as a browser renders it."""

import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from matplotlib.figure import Figure

from pipelines.registry import store, tracking

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: chromium"),
]


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    figure = Figure()
    figure.subplots().plot([0, 1], [1, 0])
    (tmp_path / "figures").mkdir()
    figure.savefig(tmp_path / "figures" / "sampling.png")
    run_ids = []
    for rate in (0.001, 0.002):
        with tracking.run("train", {"train": {"learning_rate": rate}}, {}) as run_id:
            for epoch in range(3):
                tracking.log_metrics(run_id, {"val/loss": rate * 1000 + 1 / (epoch + 1)}, epoch)
            tracking.log_figures(run_id, tmp_path / "figures")
        run_ids.append(run_id)
    return run_ids


@pytest.fixture
def address(runs, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "ui", "--port", str(port), "--workers", "1"]
    log = (tmp_path / "ui.log").open("w")
    server = subprocess.Popen(
        [*command, "--backend-store-uri", store.uri()], stdout=log, stderr=log
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address)
        yield address
    finally:
        server.terminate()
        server.wait()


def _wait_for(address):
    for _ in range(120):
        try:
            urllib.request.urlopen(f"{address}/health")
            return
        except OSError:
            time.sleep(0.5)
    raise AssertionError("the MLflow UI did not start")


def rendered(url, tmp_path):
    """The page's document after its scripts have run."""
    options = [
        "--headless",
        "--no-sandbox",
        "--window-size=1600,1600",
        f"--user-data-dir={tmp_path}/b",
    ]
    return subprocess.run(
        [CHROMIUM, *options, "--virtual-time-budget=60000", "--dump-dom", url],
        capture_output=True,
        text=True,
        timeout=300,
    ).stdout


def test_two_runs_are_compared(address, runs, tmp_path):
    experiment = tracking.experiment()
    both = f'["{runs[0]}","{runs[1]}"]'.replace('"', "%22")
    page = rendered(
        f"{address}/#/compare-runs?runs={both}&experiments=[%22{experiment}%22]", tmp_path
    )
    for text in ("learning_rate", "0.001", "0.002", "val/loss", "1.333", "2.333"):
        assert text in page, text
    charts = rendered(f"{address}/#/experiments/{experiment}/runs?compareRunsMode=CHART", tmp_path)
    for text in ("val/loss", "sampling"):
        assert text in charts, text
