"""What every module of tests leaves as it found it."""

import os
import sys

import pytest

REGISTRY = "MLFLOW_TRACKING_URI"


@pytest.fixture(scope="module", autouse=True)
def registry_of_the_module():
    """MLflow hands its tracking URI on by the environment: a module's ends with the module."""
    given = os.environ.get(REGISTRY)
    yield
    if "mlflow" in sys.modules:
        sys.modules["mlflow"].set_tracking_uri(given)
    if given is None:
        os.environ.pop(REGISTRY, None)
