"""The service as a Bento: built of the champion, run from there, without registry and training."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from few_bands import few_bands, in_columns
from server import ROOT, asked, server
from test_promotion_under_load import with_golden
from test_requirements import BEGUN, TRAINING, hidden, listed, plain
from toy_heads import toy_bundle, toy_head
from toy_registry import toy_project, toy_version

from ojala.gate.signature import make_keys
from ojala.heads import head
from ojala.model import bundle
from ojala.model.predictor import Predictor
from pipelines.registry import signing, tracking, versions
from serving import bento, packed, registered


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    place = tmp_path_factory.mktemp("project")
    with toy_project(place, BENTOML_HOME=str(place / "bentos"), BENTOML_DO_NOT_TRACK="true"):
        for name in ("OJALA_BUNDLE", "OJALA_ALIAS", "OJALA_HEADS"):
            os.environ.pop(name, None)
        make_keys(place / "key.pem", place / "trusted.pem")
        yield place


@pytest.fixture(scope="module")
def champion(project):
    """Version 1 is champion, signed, with a head; version 2 is the candidate."""
    version = with_golden(toy_version(project / "versions", seed=1))
    tracking.client().set_registered_model_alias("ojala", "champion", version.version)
    signing.sign_version("ojala@champion", project / "key.pem")
    place = toy_head(project / "heads" / "age", versions.fetch(version), "age", "LOGAGE")
    tracking.client().create_registered_model("ojala-head-age")
    notes = {"base_digest": version.digest, "digest": head.digest(place)}
    made = tracking.client().create_model_version(
        "ojala-head-age", source=place.resolve().as_uri(), tags=notes
    )
    signing.sign_version(f"ojala-head-age/{made.version}", project / "key.pem")
    toy_version(project / "versions", seed=2)
    return version


def run_bento(**changes):
    known = {name: value for name, value in os.environ.items() if name != "OJALA_BUNDLE"}
    return subprocess.run(
        [sys.executable, "-m", "serving.bento"],
        env=known | {"PYTHONPATH": str(ROOT)} | changes,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def built(project, champion):
    """The Bento's tag, and where it lies."""
    done = run_bento()
    assert done.returncode == 0, done.stderr
    (line,) = [one for one in done.stdout.splitlines() if one.startswith("bento: ")]
    assert f"ojala, version 1, digest {champion.digest}; heads: age 1 (ready)" in line
    tag = line.split()[1].removesuffix(":")
    assert tag.startswith("ojala-service:")  # not a module that can be imported
    return tag, project / "bentos" / "bentos" / tag.replace(":", "/")


@pytest.fixture(scope="module")
def address(project, built):
    """A server that runs from the Bento, where there is no registry to look at."""
    elsewhere = project / "elsewhere"
    elsewhere.mkdir()
    settings = {"PYTHONPATH": "", "OJALA_TRUSTED_KEY": project / "trusted.pem"}
    settings |= {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "OJALA_FOLLOW_SECONDS": 0.1}
    command = ("-m", "bentoml", "serve", built[0], "--port", "{port}")
    with server(project / "log", command, elsewhere, **settings) as address:
        yield address


@pytest.fixture(scope="module")
def sources():
    return few_bands(7)


@pytest.mark.slow
def test_it_answers_as_the_predictor_to_the_last_bit(address, champion, sources):
    place = versions.fetch(champion)
    age = head.load(Path("heads/age"), champion.digest)
    catalogue = in_columns(sources)
    expected = Predictor(bundle.load(place), heads=[age]).predict(catalogue)
    status, answer = asked(f"{address}/predict", {"sources": sources})
    assert status == 200 and answer["model"]["digest"] == champion.digest
    assert answer["model"]["version"] == "1"
    assert [(one["name"], one["version"]) for one in answer["heads"]] == [("age", "1")]
    assert {"LOGAGE", "Z_GAL", "CLASS"} <= expected.keys()
    for name, column in expected.items():
        given = [row[name] for row in answer["predictions"]]
        if column.dtype.kind == "O":
            assert given == [value or None for value in column]
        else:
            np.testing.assert_array_equal(np.array(given, dtype=np.float32), column)


@pytest.mark.slow
def test_it_says_that_it_follows_no_alias(address, champion):
    status, health = asked(f"{address}/health")
    assert status == 200 and health["version"] == "1" and health["digest"] == champion.digest
    assert health["following"] == "what is packed in this Bento is served, no alias is followed"


@pytest.mark.slow
def test_it_names_what_is_in_it_and_asks_for_no_package_of_training(built, champion):
    _, place = built
    from ruamel.yaml import YAML

    labels = YAML(typ="safe").load(place / "bento.yaml")["labels"]
    assert labels["version"] == "1" and labels["digest"] == champion.digest
    assert labels["head-age"] == "1"
    asked_for = (place / "env" / "python" / "requirements.txt").read_text().split()
    locked = {*(ROOT / "requirements" / "lock.txt").read_text().split()}
    locked |= {*(ROOT / "requirements" / "torch.txt").read_text().split()}
    assert set(asked_for) <= locked and all("==" in one for one in asked_for)
    named = {plain(one.partition("==")[0]) for one in asked_for}
    assert named == set(listed("serve")) | {"torch"} and not TRAINING & named
    held = {path.name for path in (place / "src" / "pipelines").rglob("*.py")}
    assert held == {"__init__.py", "store.py"}


@pytest.mark.slow
def test_its_code_begins_with_its_packages_alone(built):
    done = subprocess.run(
        [sys.executable, "-c", hidden() + BEGUN],
        cwd=built[1] / "src",
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "begun\n", done.stderr[-2000:]


@pytest.fixture
def packed_here(place, tmp_path, monkeypatch):
    """This process as a Bento: what a directory and its heads were packed to."""
    monkeypatch.setenv("OJALA_BUNDLE", str(place / "ojala"))
    monkeypatch.setenv("OJALA_HEADS", str(place / "heads"))
    bento.pack(registered.served(), tmp_path / "packed")
    monkeypatch.setattr(packed, "PLACE", tmp_path / "packed")
    for name in ("OJALA_BUNDLE", "OJALA_HEADS"):
        monkeypatch.delenv(name)
    return tmp_path / "packed"


def test_what_was_packed_is_served_again(packed_here, place):
    found = registered.served()
    assert found.version == "unregistered"
    assert found.bundle.digest == bundle.digest(place / "ojala")
    assert [(one.name, one.state) for one in found.heads] == [("bh-mass", "ready")]


@pytest.mark.parametrize("name", ["OJALA_BUNDLE", "OJALA_HEADS", "OJALA_ALIAS"])
def test_a_setting_that_names_another_model_is_refused(packed_here, monkeypatch, name):
    monkeypatch.setenv(name, "models/ojala")
    with pytest.raises(ValueError, match=f"what is packed in it alone: unset {name}"):
        registered.served()


@pytest.mark.parametrize("changed", ["scaling.json", "weights.safetensors", "bands.ecsv"])
def test_a_bundle_that_was_changed_in_it_is_refused(packed_here, changed):
    file = packed.bundle_in(packed_here) / changed
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(ValueError, match="holds another bundle than was packed"):
        registered.served()


def test_a_bento_makes_no_bento(packed_here):
    with pytest.raises(ValueError, match="a Bento itself"):
        bento.built()


@pytest.mark.slow
def test_what_fails_its_check_is_not_packed(project, champion):
    wrong = with_golden(toy_version(project / "versions", seed=3), wrong=True)
    before = sorted((project / "bentos" / "bentos").rglob("bento.yaml"))
    done = run_bento(OJALA_ALIAS="candidate")
    assert done.returncode == 1 and not done.stdout
    assert f"bento: version {wrong.version} of ojala: " in done.stderr
    assert "at registration" in done.stderr and "Traceback" not in done.stderr
    assert sorted((project / "bentos" / "bentos").rglob("bento.yaml")) == before


@pytest.mark.parametrize(
    ("lists", "told"),
    [
        ({"lock": "six==1.17\n# x\n", "serve": "six\ntyping_extensions\n"}, "of typing_extensions"),
        ({"lock": "", "serve": "# nothing\nsix\n"}, "of six"),
    ],
)
def test_a_package_that_is_not_locked_is_named(tmp_path, lists, told):
    for name, text in ({"torch": "torch==2.13.0\n"} | lists).items():
        (tmp_path / f"{name}.txt").write_text(text)
    with pytest.raises(ValueError, match=told):
        list(bento.locked(tmp_path))


def test_names_are_found_in_the_lock_however_they_are_spelt(tmp_path):
    lists = {"torch": "torch==2.13.0", "lock": "Typing.Extensions==4\nsix==1\nray==2"}
    for name, text in (lists | {"serve": "typing_extensions\nsix"}).items():
        (tmp_path / f"{name}.txt").write_text(text + "\n")
    assert list(bento.locked(tmp_path)) == ["torch==2.13.0", "Typing.Extensions==4", "six==1"]


def test_a_head_that_does_not_answer_is_told_and_not_packed(place, tmp_path, monkeypatch):
    toy_head(tmp_path / "heads" / "own", place / "ojala", name="own")
    toy_head(tmp_path / "heads" / "other", toy_bundle(tmp_path / "another", seed=1), name="other")
    monkeypatch.setenv("OJALA_BUNDLE", str(place / "ojala"))
    monkeypatch.setenv("OJALA_HEADS", str(tmp_path / "heads"))
    found = registered.served()
    assert [one.name for one in found.heads if one.opened is None] == ["other"]
    bento.pack(found, tmp_path / "packed")
    assert [path.name for path in packed.heads_in(tmp_path / "packed").iterdir()] == ["own"]
