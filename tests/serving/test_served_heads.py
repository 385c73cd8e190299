"""The service answers with the heads of its bundle, and says of any other why it does not."""

import json
import re
import shutil
from pathlib import Path

import mlflow
import numpy as np
import pytest
from asked_service import asked_service
from toy_heads import toy_bundle, toy_head
from toy_sky import toy_table

from ojala.heads import head
from ojala.model import bundle
from ojala.model.predictor import Predictor

PAGE = (Path(__file__).parents[2] / "docs" / "service.md").read_text()
COMMANDS = re.findall(
    r"^curl -s localhost:3000(/\w+)(?: -H '(.+?): (.+?)' -d '(.+?)')?", PAGE, re.M | re.S
)


def registered(registry, model, files, tags):
    """A version of a model made of files, as the stage register leaves it."""
    if not registry.search_registered_models(f"name = '{model}'"):
        registry.create_registered_model(model)
    return registry.create_model_version(model, source=files.as_uri(), tags=tags).version


def registered_head(registry, place, base, digest=None):
    made = head.read_config(place).name
    tags = {"digest": digest or head.digest(place), "base_digest": bundle.digest(base)}
    return registered(registry, f"ojala-head-{made}", place, tags)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A registry: two heads on the served bundle, and one each gone old, forged and doubled."""
    place = tmp_path_factory.mktemp("registry")
    mlflow.set_tracking_uri(f"sqlite:///{place}/mlflow.db")
    registry = mlflow.MlflowClient()
    base = toy_bundle(place / "version/artifacts/ojala")
    other = toy_bundle(place / "other", seed=1)
    version = registered(registry, "ojala", place / "version", {"digest": bundle.digest(base)})
    registry.set_registered_model_alias("ojala", "candidate", version)
    registered_head(registry, toy_head(place / "old", other), other)
    registered_head(registry, toy_head(place / "bh-mass", base, seed=2), base)
    metals = {"name": "metals", "quantity": "LOGZ"}
    registered_head(registry, toy_head(place / "metals", base, **metals, seed=3), base)
    registered_head(registry, toy_head(place / "metals-old", other, **metals), other)
    dust = {"name": "dust", "quantity": "EBV"}
    registered_head(registry, toy_head(place / "dust", other, **dust), other)
    forged = toy_head(place / "forged", base, name="forged", quantity="AGE")
    registered_head(registry, forged, base, digest="0" * 64)
    twin = toy_head(place / "twin", base, name="twin", quantity="LOGZ")
    registered_head(registry, twin, base)
    return place


@pytest.fixture(scope="module")
def client(project):
    database = f"sqlite:///{project}/mlflow.db"
    with asked_service(MLFLOW_TRACKING_URI=database, OJALA_ALIAS="candidate") as client:
        yield client


@pytest.fixture(scope="module")
def sources():
    bands = ("MAG_i", "J0378", "J0500", "J0660", "J0820")
    table = toy_table(8, seed=4)
    return [{name: table[name][row].as_py() for name in bands} for row in range(8)]


def expected(project, sources, queries=None):
    opened = bundle.load(project / "version/artifacts/ojala")
    heads = [head.load(project / name, opened.digest) for name in ("bh-mass", "metals")]
    catalogue = {name: np.array([row[name] for row in sources]) for name in sources[0]}
    return Predictor(opened, heads=heads).predict(catalogue, queries)


def test_a_head_answers_by_name_as_in_the_predictor(project, client, sources):
    asked = {"sources": sources, "queries": ["bh-mass", "Z_QSO"]}
    answer = client.post("/predict", json=asked).json()
    for name, column in expected(project, sources, asked["queries"]).items():
        given = [row[name] for row in answer["predictions"]]
        if name == "REASON":
            assert given == [reason or None for reason in column]
        else:
            np.testing.assert_array_equal(np.array(given, dtype=np.float32), column)
    (said,) = answer["heads"]
    assert said["name"] == "bh-mass" and said["version"] == "2"
    assert said["digest"] == head.digest(project / "bh-mass")


def test_every_head_answers_where_nothing_is_asked_for(project, client, sources):
    answer = client.post("/predict", json={"sources": sources}).json()
    assert set(answer["predictions"][0]) == set(expected(project, sources))
    assert [one["name"] for one in answer["heads"]] == ["bh-mass", "metals"]


def test_health_tells_the_state_of_every_head(project, client):
    heads = {one["name"]: one for one in client.post("/health").json()["heads"]}
    state = {name: one["state"] for name, one in heads.items()}
    assert state["bh-mass"] == state["metals"] == "ready"
    assert state["dust"].startswith("retrain needed: head dust was trained on bundle")
    assert "another head than its digest says" in state["forged"]
    assert state["twin"] == "heads metals and twin both answer LOGZ"
    # The newest version belongs to another bundle: the one before it still answers on this one.
    assert heads["metals"]["version"] == "1"


@pytest.mark.parametrize(("path", "header", "value", "asked"), COMMANDS)
def test_a_command_of_the_page_is_answered(client, path, header, value, asked):
    if path == "/metrics":
        pytest.skip("only the processes of a server share their counts")
    if path == "/predict_table":
        pytest.skip("a file of a table: test_tables.py asks with each format")
    if not asked:
        assert client.get(path).status_code == 200
        return
    response = client.post(path, content=asked, headers={header: value})
    if response.status_code == 200:
        answers = {"/redshifts": "probabilities", "/embed": "embeddings"}.get(path, "predictions")
        if path == "/predict_columns":
            given = json.loads(asked)["columns"]
            found = response.json()["columns"]
            assert found and {len(values) for values in found.values()} == {len(given["MAG_i"])}
            return
        assert len(response.json()[answers]) == len(json.loads(asked)["sources"])
    else:
        assert response.json()["error"] in PAGE


def test_the_page_asks_for_all_that_there_is():
    assert {path for path, *_ in COMMANDS} == {
        "/predict",
        "/predict_columns",
        "/predict_table",
        "/redshifts",
        "/embed",
        "/similar",
        "/jobs",
        "/model",
        "/health",
        "/livez",
        "/readyz",
        "/metrics",
    }
    assert len(COMMANDS) == 18


@pytest.mark.parametrize("name", ["dust", "forged", "twin", "nobody"])
def test_a_head_that_is_not_loaded_does_not_answer(client, sources, name):
    response = client.post("/predict", json={"sources": sources, "queries": [name]})
    assert response.status_code == 400 and name in response.text


def test_a_promoted_base_leaves_its_former_heads_out(project, sources, tmp_path, monkeypatch):
    from serving.registered import served

    registry = mlflow.MlflowClient(f"sqlite:///{project}/mlflow.db")
    shutil.copytree(project / "other", tmp_path / "artifacts/ojala")
    version = registered(registry, "ojala", tmp_path, {"digest": bundle.digest(project / "other")})
    registry.set_registered_model_alias("ojala", "renewed", version)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project}/mlflow.db")
    monkeypatch.setenv("OJALA_ALIAS", "renewed")
    found = {one.name: one for one in served().heads}
    ready = {name: one.version for name, one in found.items() if one.opened}
    assert ready == {"bh-mass": "1", "dust": "1", "metals": "2"}
    assert "retrain needed" in found["forged"].state


def test_heads_of_a_directory_answer_beside_a_bundle_of_one(project, tmp_path, monkeypatch):
    from serving.registered import served

    for name in ("bh-mass", "dust"):
        shutil.copytree(project / name, tmp_path / name)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/config.json").write_text(json.dumps({}))
    monkeypatch.setenv("OJALA_BUNDLE", str(project / "version/artifacts/ojala"))
    assert served().heads == []
    monkeypatch.setenv("OJALA_HEADS", str(tmp_path))
    state = {one.name: one.state for one in served().heads}
    assert state["bh-mass"] == "ready" and "retrain needed" in state["dust"]
    assert state["broken"] == "not a head, weights.safetensors is missing"
