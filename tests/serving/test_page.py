"""The page at /: it talks to this service alone, and shows in a browser what was answered."""

import json
import os
import re
import subprocess
from urllib.parse import quote

import pytest
from asked_service import asked_service
from browser import CHROMIUM
from server import asked, server, wait_until
from toy_catalogue import named, toy_catalogue
from toy_heads import toy_bundle

from ojala.vocabulary.bands import bands, narrow_bands
from serving import page


@pytest.fixture(scope="module")
def bundle_path(tmp_path_factory):
    return toy_bundle(tmp_path_factory.mktemp("m") / "ojala")


@pytest.fixture(scope="module")
def client(bundle_path):
    with asked_service(OJALA_BUNDLE=bundle_path) as client:
        yield client


@pytest.mark.parametrize("path", page.FILES)
def test_a_file_of_the_page_calls_nobody_else(client, path):
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(page.FILES[path])
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert not re.findall(r"https?://|[\"'(]//\w|@import|url\(|\beval\b", answer.text)
    assert client.head(path).status_code == 200
    assert client.post(path).status_code in (404, 405)


def test_what_the_page_loads_and_links_to_is_there(client):
    text = client.get("/").text
    loaded = set(re.findall(r'(?:src|href)="([^":#]+)"', text))
    assert loaded >= {"page.js", "plots.js", "page.css", "model", "health", "metrics"}
    for path in loaded - {"metrics"}:  # which BentoML has in processes of its own alone
        assert client.get(f"/{path}").status_code == 200, path
    assert not re.findall(r"<script(?! src)|\son\w+=|style=", text)  # the policy forbids them
    asked_for = set(re.findall(r'byId\("(\w+)"\)', client.get("/page.js").text))
    assert asked_for <= set(re.findall(r'id="(\w+)"', text))
    labelled = set(re.findall(r'for="(\w+)"', text))
    controls = set(re.findall(r'<(?:input|select|textarea) id="(\w+)"', text))
    assert controls == labelled


def test_bands_of_the_page_are_those_of_the_vocabulary(client):
    found = client.get("/bands.json").json()
    assert [(one["token"], one["wave"]) for one in found] == [(b.token, b.wave) for b in bands()]


def test_every_example_is_answered(client):
    examples = client.get("/examples.json").json()
    assert len(examples) >= 4
    asked = {"sources": [one["source"] for one in examples]}
    for row in client.post("/predict", json=asked).json()["predictions"]:
        assert row["REASON"] is None and row["CLASS"]


@pytest.fixture(scope="module")
def address(bundle_path, tmp_path_factory):
    place = tmp_path_factory.mktemp("log")
    catalogue = toy_catalogue(place / "ojala_vac.parquet")
    known = {"OJALA_BUNDLE": bundle_path, "OJALA_CATALOGUE": catalogue}
    with server(place / "log", **known) as address:
        ready = {"sources": [{"MAG_i": 19.0}]}
        wait_until(lambda: asked(f"{address}/similar", ready)[0] == 200)
        yield address


def browsed(address, sources, *options):
    """The document as Chromium has it once the page has asked."""
    own_server = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", *options]
    budget = "--virtual-time-budget=60000"
    asked = f"{address}/#{quote(json.dumps(sources))}"
    return subprocess.run(
        [*command, budget, asked], env=own_server, capture_output=True, text=True, timeout=240
    ).stdout


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: chromium")
def test_a_browser_shows_spectrum_classes_redshifts_and_the_model(address):
    sources = [{"MAG_i": 19.0, "J0500": 0.7, "J0500_ERR": 0.02, "J0660": 1.1}, {"MAG_i": None}]
    document = browsed(address, sources, "--dump-dom")
    assert "2 sources, answered by version unregistered" in document
    assert len(re.findall('class="dot"', document)) == 2
    assert len(re.findall('class="ring"', document)) == len(narrow_bands()) - 2
    assert len(re.findall('class="line (?:first|second)"', document)) == 2
    assert len(re.findall('class="bar"', document)) == 3
    assert "a directory is served" in document and "run0" in document
    assert re.search(r'href="blob:[^"]+"', document)
    near = re.search(r'id="neighbours".*?<tbody>(.*?)</tbody>', document, re.DOTALL)[1]
    status, told = asked(f"{address}/similar", {"sources": sources[:1]})
    expected = [one["source_id"] for one in told["neighbours"][0]]
    assert status == 200 and re.findall(r"<tr><td>([^<]+)</td>", near) == expected
    assert set(expected) <= {named(row) for row in range(60)}


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: chromium")
def test_a_browser_is_told_what_is_wrong(address):
    document = browsed(address, [{"MAG_i": 19.0, "J0501": 1.0}], "--dump-dom")
    assert re.search(r'id="told"[^>]*class="wrong"[^>]*>[^<]*J0501', document)
