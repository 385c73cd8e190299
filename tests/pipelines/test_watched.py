"""Jobs are asked by Prometheus while they run, where an address is set, and else listen nowhere."""

import socket
import urllib.error
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipelines import watched

REPORTS = [
    {"epoch": 1, "train/loss": 2.0, "train/samples_per_second": 900.0, "resumed": False},
    {"epoch": 2, "train/loss": 1.5, "train/samples_per_second": 950.0, "note": "text"},
]


@pytest.fixture
def port(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = free.getsockname()[1]
    monkeypatch.setenv(watched.ADDRESS, str(number))
    return number


def scraped(port):
    """Values by name and labels, as Prometheus reads them."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_training_tells_its_last_report_and_how_far_it_is(port):
    reports = watched.training(iter(REPORTS), 5)
    for said in REPORTS:
        assert next(reports) == said
        found = scraped(port)
        assert found[("ojala_training_epochs_done",)] == said["epoch"]
        assert found[("ojala_training_report", "train/loss")] == said["train/loss"]
    assert found[("ojala_training_epochs",)] == 5
    assert ("ojala_training_report", "note") not in found
    assert list(reports) == []
    with pytest.raises(urllib.error.URLError):
        scraped(port)


def test_a_catalogue_tells_its_sources_those_of_before_apart(port):
    before = watched.answered.collect()[0].samples[0].value
    with watched.catalogue(100, 30) as count:
        count(20)
        count(5)
        found = scraped(port)
    assert found[("ojala_catalogue_sources",)] == 100
    assert found[("ojala_catalogue_sources_done",)] == 55
    assert found[("ojala_catalogue_answered_total",)] == before + 25


def test_without_an_address_nothing_listens(monkeypatch):
    monkeypatch.delenv(watched.ADDRESS, raising=False)
    monkeypatch.setattr(watched, "start_http_server", None)
    assert list(watched.training(iter(REPORTS), 5)) == REPORTS


@pytest.mark.parametrize("address", ["many", "localhost:", "127.0.0.1:99999", ":http"])
def test_an_address_that_is_none_is_one_sentence(address, monkeypatch):
    monkeypatch.setenv(watched.ADDRESS, address)
    with pytest.raises(ValueError, match=f"OJALA_METRICS is '{address}', expected a port"):
        next(watched.training(iter(REPORTS), 5))


def test_a_port_that_is_taken_is_one_sentence(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv(watched.ADDRESS, f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(ValueError, match="cannot be listened on"):
            next(watched.training(iter(REPORTS), 5))
