"""What Prometheus sees of a job while it runs: reports of a training, sources of a catalogue.

A job is asked at the address in OJALA_METRICS, a port or host:port, and says nothing where that is
not set. What GPUs and memory do is told by Ray's nodes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

ADDRESS = "OJALA_METRICS"

METRICS = CollectorRegistry()

epochs = Gauge("ojala_training_epochs", "Epochs that the training is to have", registry=METRICS)
epochs_done = Gauge("ojala_training_epochs_done", "Epochs that are done", registry=METRICS)
last_report = Gauge(
    "ojala_training_report",
    "Numbers of the last report: losses, rates and scores by their names in MLflow",
    ["measure"],
    registry=METRICS,
)
sources = Gauge("ojala_catalogue_sources", "Sources of the catalogue", registry=METRICS)
sources_done = Gauge(
    "ojala_catalogue_sources_done", "Sources in shards that are finished", registry=METRICS
)
answered = Counter(
    "ojala_catalogue_answered", "Sources that this run of the job answered about", registry=METRICS
)


@contextmanager
def exported() -> Iterator[None]:
    """Tell METRICS to whoever asks at the address, as long as the block lasts.

    Raises ValueError where the address is none, or cannot be listened on.
    """
    address = os.environ.get(ADDRESS, "")
    if not address:
        yield
        return
    host, _, port = address.rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{ADDRESS} is {address!r}, expected a port, or host:port")
    try:
        server, thread = start_http_server(int(port), host or "127.0.0.1", METRICS)
    except OSError as error:
        raise ValueError(f"{ADDRESS}={address} cannot be listened on ({error.strerror})") from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def training(reports: Iterator[Mapping[str, Any]], num_epochs: int) -> Iterator[Mapping[str, Any]]:
    """The reports of a training, each told as it comes. Raises ValueError as ``exported`` does."""
    epochs.set(num_epochs)
    with exported():
        for report in reports:
            epochs_done.set(report["epoch"])
            for name, value in report.items():
                if isinstance(value, int | float) and name != "epoch":
                    last_report.labels(name).set(value)
            yield report


@contextmanager
def catalogue(num_sources: int, num_done: int) -> Iterator[Callable[[int], None]]:
    """Tell how far a catalogue is; gives what counts more sources.

    num_done: sources in shards that were finished before
    Raises ValueError as ``exported`` does.
    """
    sources.set(num_sources)
    sources_done.set(num_done)

    def count(number: int) -> None:
        sources_done.inc(number)
        answered.inc(number)

    with exported():
        yield count
