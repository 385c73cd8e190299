"""A real Prometheus scrapes the real service, and a drift of its sky arrives at a webhook."""

import json
import queue
import shutil
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML
from server import asked, free_port, server, wait_until
from toy_heads import toy_bundle
from toy_sky import toy_table

from ojala.tables.shards import columns_of
from ojala.vocabulary.bands import bands, narrow_bands

RULES = Path(__file__).parents[2] / "infra" / "prometheus" / "ojala_rules.yaml"
PROGRAMS = {name: shutil.which(name) for name in ("prometheus", "prometheus-alertmanager")}
WINDOW = 500

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        None in PROGRAMS.values(),
        reason="needs Debian's packages prometheus and prometheus-alertmanager",
    ),
]


@contextmanager
def webhook():
    """An address that alerts may be sent to, and the queue of those that came."""
    came = queue.Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            for alert in body["alerts"]:
                came.put((alert["status"], alert["labels"], alert["annotations"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}/", came
    finally:
        listening.shutdown()
        listening.server_close()


@contextmanager
def running(log, *command):
    """A program that runs meanwhile."""
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def alertmanager(place, address):
    """Alertmanager, which sends what it hears to an address at once; its own address."""
    config = {
        "route": {"receiver": "webhook", "group_by": ["alertname"], "group_wait": "0s"},
        "receivers": [{"name": "webhook", "webhook_configs": [{"url": address}]}],
    }
    config["route"] |= {"group_interval": "1s", "repeat_interval": "1h"}
    YAML().dump(config, place / "alertmanager.yaml")
    listens = f"127.0.0.1:{free_port()}"
    with running(
        place / "alertmanager.log",
        PROGRAMS["prometheus-alertmanager"],
        f"--config.file={place / 'alertmanager.yaml'}",
        f"--storage.path={place / 'alertmanager'}",
        f"--web.listen-address={listens}",
        "--cluster.listen-address=",
    ):
        yield listens


@contextmanager
def prometheus(place, service, alerts):
    """Prometheus with the rules of infra, each second; its address."""
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alerts]}]}]},
        "scrape_configs": [
            {"job_name": "ojala-service", "static_configs": [{"targets": [service]}]}
        ],
    }
    YAML().dump(config, place / "prometheus.yaml")
    listens = f"127.0.0.1:{free_port()}"
    with running(
        place / "prometheus.log",
        PROGRAMS["prometheus"],
        f"--config.file={place / 'prometheus.yaml'}",
        f"--storage.tsdb.path={place / 'prometheus'}",
        f"--web.listen-address={listens}",
    ):
        yield f"http://{listens}"


def value(address, expression):
    """What Prometheus says of an expression, as soon as it says something: rules follow scrapes."""
    found = []

    def is_known():
        try:
            _, said = asked(f"{address}/api/v1/query?query={quote(expression)}", timeout=10)
        except OSError:
            return False
        found.extend(float(one["value"][1]) for one in said["data"]["result"][:1])
        return bool(found)

    wait_until(is_known, 120)
    return found[0]


def send_sky(service, seed, factor=1.0):
    """Ask about the sources of a window; their narrow bands are off by a factor."""
    columns = columns_of(toy_table(WINDOW, seed=seed))
    narrow = {band.token for band in narrow_bands()}
    names = [band.token for band in bands()]
    values = np.stack([columns[n] * (factor if n in narrow else 1.0) for n in names], axis=1)
    sources = [dict(zip(names, row, strict=True)) for row in values.tolist()]
    assert asked(f"{service}/predict", {"sources": sources, "queries": ["Z_GAL"]})[0] == 200


def test_an_alert_of_drift_arrives_and_none_before(tmp_path):
    pq.write_table(toy_table(1500, seed=40), tmp_path / "reference.parquet")
    settings = {
        "OJALA_BUNDLE": toy_bundle(tmp_path / "ojala"),
        "OJALA_REFERENCE": tmp_path / "reference.parquet",
        "OJALA_DRIFT_WINDOW": WINDOW,
    }
    with (
        webhook() as (address, came),
        alertmanager(tmp_path, address) as alerts,
        server(tmp_path / "service.log", **settings) as service,
        prometheus(tmp_path, service.removeprefix("http://"), alerts) as watching,
    ):
        send_sky(service, seed=1)
        assert value(watching, "ojala:drift_of_embeddings:ratio") < 1
        assert value(watching, "max(ojala:drift_of_band:ratio)") < 1
        assert value(watching, 'up{job="ojala-service"}') == 1
        assert came.empty()
        send_sky(service, seed=2, factor=1.1)
        status, labels, about = came.get(timeout=120)
        assert status == "firing" and labels["alertname"] in {
            "OjalaBandsDrift",
            "OjalaEmbeddingsDrift",
        }
        assert "reference" in about["summary"] and labels["severity"] == "ticket"
        assert value(watching, "max(ojala:drift_of_band:ratio)") > 1
