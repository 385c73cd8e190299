"""What most tests of the service ask: a bundle and a head on it, and a server of a project."""

import pytest
from few_bands import few_bands
from server import server
from toy_heads import toy_bundle, toy_head
from toy_registry import toy_project


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A directory with the bundle ``ojala`` and the heads ``heads``."""
    place = tmp_path_factory.mktemp("models")
    toy_head(place / "heads" / "bh-mass", toy_bundle(place / "ojala"))
    return place


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project whose registry is empty."""
    with toy_project(tmp_path_factory.mktemp("project")) as place:
        yield place


@pytest.fixture(scope="module")
def address(project, made):
    """The address of a server of two processes that follows a project's versions, made before."""
    settings = {"OJALA_WORKERS": 2, "OJALA_FOLLOW_SECONDS": 0.1, "OJALA_APART": "yes"}
    with server(project / "log", **settings) as address:
        yield address


@pytest.fixture(scope="session")
def sources():
    return few_bands(3)
