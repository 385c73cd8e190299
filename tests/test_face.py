"""The public face: what a user imports from ojala, and what that costs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import ojala
from ojala import Predictor, load
from ojala.model.bundle import load as load_bundle
from ojala.model.predictor import Predictor as ThePredictor

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_face_names_what_stands_in_the_rooms():
    assert Predictor is ThePredictor and load is load_bundle
    assert ojala.Predictor is ThePredictor and ojala.load is load_bundle


def test_the_face_is_sorted_whole_and_seen():
    assert ojala.__all__ == sorted(ojala.__all__)
    assert set(ojala.__all__) <= set(dir(ojala))
    for name in ojala.__all__:
        assert getattr(ojala, name) is not None
    taken = {}
    exec("from ojala import *", taken)
    assert set(ojala.__all__) <= taken.keys()


@pytest.mark.parametrize("name", ["Bundle", "predictor", "_load", "torch"])
def test_what_is_not_there_is_an_attribute_error(name):
    with pytest.raises(AttributeError, match=f"module 'ojala' has no attribute '{name}'"):
        getattr(ojala, name)
    with pytest.raises(ImportError):
        exec(f"from ojala import {name}")


def test_to_import_ojala_brings_in_nothing_else():
    script = "import sys, ojala; ojala.__version__; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    heavy = {"torch", "numpy", "astropy", "pyarrow", "ojala.model.predictor", "ojala.model.bundle"}
    assert not heavy & set(done.stdout.split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_open_a_model_by_the_face_alone(page):
    inner = r"^\s*(from ojala\.model\.(predictor|bundle) import|from ojala import .*\bbundle\b).*"
    assert not re.findall(inner, page.read_text(), re.MULTILINE)
