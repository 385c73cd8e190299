"""The service in this process, asked over HTTP; several may be started, one after another."""

from contextlib import contextmanager

import pytest
from prometheus_client import REGISTRY
from starlette.testclient import TestClient


@contextmanager
def asked_service(**environment):
    """A client of the service that starts with these environment variables."""
    from serving.service import OjalaService

    with pytest.MonkeyPatch.context() as patch:
        for name, value in ({"OJALA_APART": "no"} | environment).items():
            patch.setenv(name, str(value))
        before = set(REGISTRY._collector_to_names)
        try:
            with TestClient(OjalaService.to_asgi()) as client:
                yield client
        finally:
            # BentoML's own metrics of a service may be registered but once in a process.
            for collector in set(REGISTRY._collector_to_names) - before:
                REGISTRY.unregister(collector)
