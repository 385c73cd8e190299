"""p(z), embeddings and the model's card: what the Predictor has, over HTTP."""

import numpy as np
import pytest
from asked_service import asked_service

from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.model.shown import NO_I
from ojala.vocabulary.quantities import quantities
from serving.schemas import MAX_EMBEDDINGS, MAX_PDFS

SOURCES = [
    {"MAG_i": 18.9, "J0500": 0.7, "J0660": 1.1},
    {"MAG_i": None, "J0500": 0.9, "J0660": 1.0},
    {"MAG_i": 21.2, "J0500": 1.4, "J0660": None},
]
CATALOGUE = {
    name: np.array([np.nan if row[name] is None else row[name] for row in SOURCES])
    for name in SOURCES[0]
}


@pytest.fixture(scope="module")
def client(place):
    with asked_service(OJALA_BUNDLE=place / "ojala", OJALA_HEADS=place / "heads") as client:
        yield client


def test_redshift_distributions_are_those_of_the_predictor(client, place):
    answer = client.post("/redshifts", json={"sources": SOURCES}).json()
    expected = Predictor(bundle.load(place / "ojala")).redshifts(CATALOGUE)
    assert answer["reasons"] == [None, NO_I, None] and answer["probabilities"][1] is None
    assert set(answer["edges"]) == set(expected) == {"Z_GAL", "Z_QSO"}
    for token, pdf in expected.items():
        edges = np.array(answer["edges"][token])
        np.testing.assert_allclose(np.log1p(edges), pdf.edges, atol=1e-12)
        for row in (0, 2):
            given = np.array(answer["probabilities"][row][token])
            np.testing.assert_allclose(given, pdf.probability[row], rtol=1e-6)
            assert given.sum() == pytest.approx(1, abs=1e-3) and len(given) == len(edges) - 1


def test_embeddings_are_those_of_the_predictor(client, place):
    answer = client.post("/embed", json={"sources": SOURCES}).json()
    expected = Predictor(bundle.load(place / "ojala")).embed(CATALOGUE)
    assert answer["embeddings"][1] is None and answer["reasons"] == [None, NO_I, None]
    for row in (0, 2):
        given = np.array(answer["embeddings"][row], dtype=np.float32)
        np.testing.assert_array_equal(given, expected[row])


@pytest.mark.parametrize(("path", "most"), [("redshifts", MAX_PDFS), ("embed", MAX_EMBEDDINGS)])
def test_more_sources_than_an_answer_can_hold_are_refused(client, path, most):
    refused = client.post(f"/{path}", json={"sources": [{"MAG_i": 19.0}] * (most + 1)})
    assert refused.status_code == 400 and f"at most {most}" in refused.json()["error"]
    wrong = client.post(f"/{path}", json={"sources": [{"MAG_i": 19.0, "J0501": 1.0}]})
    assert wrong.status_code == 400 and "J0501" in wrong.json()["error"]


def test_a_source_without_any_answer_has_reasons_alone(client):
    alone = {"sources": [{"MAG_i": None}]}
    assert client.post("/redshifts", json=alone).json()["probabilities"] == [None]
    assert client.post("/embed", json=alone).json()["embeddings"] == [None]


def test_every_answer_names_the_model(client, place):
    digest = bundle.digest(place / "ojala")
    for path in ("redshifts", "embed", "predict"):
        answer = client.post(f"/{path}", json={"sources": SOURCES}).json()
        assert answer["model"]["digest"] == digest and answer["model"]["run_id"] == "run0"


def test_the_card_tells_what_the_model_is(client, place):
    opened = bundle.load(place / "ojala")
    card = client.get("/model").json()
    assert card == client.post("/model").json()
    assert card["digest"] == opened.digest and card["provenance"] == opened.provenance
    assert card["num_parameters"] == sum(p.numel() for p in opened.model.parameters())
    assert [one["token"] for one in card["quantities"]] == [one.token for one in quantities()]
    assert [one["name"] for one in card["heads"]] == ["bh-mass"]


def test_without_a_catalogue_what_asks_it_says_how_to_have_one(client):
    for refused in (
        client.get("/scs", params={"RA": 0, "DEC": 0, "SR": 1}),
        client.post("/similar", json={"sources": [{"MAG_i": 19.0}]}),
    ):
        assert refused.status_code == 404 and "OJALA_CATALOGUE" in refused.json()["error"]
