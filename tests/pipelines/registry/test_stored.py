"""What DVC keeps is found where its settings say: a cache on another disk, or its remote."""

import hashlib
import json
import shutil
import subprocess
import sys

import pytest
from ruamel.yaml import YAML

from pipelines.registry import dvc_bytes

TEXTS = {"one.txt": "1\n", "below/two.txt": "2\n"}


def dvc(place, *words):
    subprocess.run(
        [sys.executable, "-m", "dvc", "--quiet", *words], cwd=place, check=True, timeout=120
    )


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A project with a cache on another disk and a remote; the digest of a directory in both."""
    project = tmp_path / "project"
    for name, text in TEXTS.items():
        path = project / "d" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    dvc(project, "init", "--no-scm")
    dvc(project, "cache", "dir", str(tmp_path / "other disk"))
    dvc(project, "remote", "add", "--default", "far", str(tmp_path / "remote"))
    dvc(project, "add", "d")
    dvc(project, "push")
    monkeypatch.chdir(project)
    dvc_bytes._repo.cache_clear()
    return tmp_path, YAML(typ="safe").load(project / "d.dvc")["outs"][0]["md5"]


def md5s():
    return {name: hashlib.md5(text.encode()).hexdigest() for name, text in TEXTS.items()}


def test_a_cache_on_another_disk_and_a_remote(kept):
    place, digest = kept
    found = dvc_bytes.files("d", digest)
    assert {one.name: one.md5 for one in found} == md5s()
    assert all(one.place("d").is_relative_to(place / "other disk") for one in found)
    shutil.rmtree(place / "other disk")
    assert {one.name: one.md5 for one in dvc_bytes.files("d", digest)} == md5s(), "of the remote"
    assert found[0].place("d") == dvc_bytes.Path("d") / found[0].name
    (place / "project" / "d" / found[0].name).write_text("another\n")
    assert found[0].place("d") is None
    shutil.rmtree(place / "remote")
    with pytest.raises(ValueError, match=f"d: {digest} is not in the cache; dvc fetch brings it"):
        dvc_bytes.files("d", digest)


def test_a_listing_that_is_not_what_its_name_says_is_refused(kept):
    place, digest = kept
    (listing,) = (place / "other disk").rglob(f"{digest[2:]}")
    listing.chmod(0o644)
    listing.write_text(json.dumps([{"md5": "0" * 32, "relpath": "one.txt"}]))
    with pytest.raises(ValueError, match="another listing"):
        dvc_bytes.files("d", digest)


def test_without_dvc_there_is_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="not in the cache"):
        dvc_bytes.files("d", "0" * 32 + ".dir")
