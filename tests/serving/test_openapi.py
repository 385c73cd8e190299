"""The document of the service is true: its examples are answered, in the shape that it says."""

import itertools
import json

import jsonschema
import pytest
from asked_service import asked_service
from server import wait_until
from submitted_jobs import done_here, ended
from toy_catalogue import toy_catalogue

from serving import page, tables
from serving.service import OjalaService

ELSEWHERE = {"/metrics", "/registry_changed"}
"""What a request alone does not ask: test_watching.py has the one and test_webhook.py the other."""


@pytest.fixture(scope="module")
def client(place, tmp_path_factory):
    catalogue = toy_catalogue(tmp_path_factory.mktemp("vac") / "ojala_vac.parquet")
    known = {"OJALA_BUNDLE": place / "ojala", "OJALA_HEADS": place / "heads"}
    with done_here(), asked_service(**known, OJALA_CATALOGUE=catalogue) as client:
        wanted = {"sources": [{"MAG_i": 19.0}]}
        wait_until(lambda: client.post("/similar", json=wanted).status_code == 200)
        yield client


@pytest.fixture(scope="module")
def document(client):
    answer = client.get("/docs.json")
    assert answer.status_code == 200
    return answer.json()


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def requests(document):
    """Every example of the document: path, method, media type or None, and what is sent."""
    for path, method, operation in operations(document):
        asked = {
            one["name"]: one["example"]
            for one in operation.get("parameters", ())
            if one["in"] == "query"
        }
        content = operation.get("requestBody", {}).get("content", {})
        bodies = {kind: one["example"] for kind, one in content.items() if "example" in one}
        assert bodies or not content, f"{method} {path} has a body and no example of one"
        for kind, body in bodies.items() or [(None, None)]:
            yield path, method, asked, kind, body


def nullable(schema):
    """A schema of OpenAPI 3.0 as JSON Schema has it."""
    if isinstance(schema, list):
        return [nullable(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: nullable(one) for name, one in schema.items() if name != "nullable"}
    return {"anyOf": [found, {"type": "null"}]} if schema.get("nullable") is True else found


def check(document, schema, value):
    whole = nullable(schema) | {"components": nullable(document["components"])}
    jsonschema.Draft202012Validator(whole).validate(value)


def test_every_example_is_valid_and_answered_in_the_shape_that_is_told(client, document):
    known, num = {}, 0
    order = {"post": 0, "get": 1, "delete": 2}  # a job is submitted, asked for, and taken away
    for path, method, asked, kind, body in sorted(
        requests(document), key=lambda one: (order[one[1]], one[0])
    ):
        if path in ELSEWHERE:
            continue
        operation = document["paths"][path][method]
        if kind is not None:
            schema = operation["requestBody"]["content"][kind]["schema"]
            check(document, schema, body)
        if "{job}" in path and method == "get":
            ended(client, known["job"])
        sent = json.dumps(body).encode() if kind == "application/json" else (body or "").encode()
        headers = {} if kind is None else {"Content-Type": kind}
        address = path.format(**known)
        answer = client.request(method, address, params=asked, content=sent, headers=headers)
        told = operation["responses"].get(str(answer.status_code))
        assert answer.status_code < 300 and told, (method, path, answer.text)
        content = told.get("content", {})
        media_type = answer.headers.get("content-type", "").partition(";")[0]
        assert not content or media_type in content, (path, media_type)
        if media_type == "application/json":
            check(document, content[media_type]["schema"], answer.json())
        if (method, path) == ("post", "/jobs"):
            known["job"] = answer.json()["job"]
        if (method, path) == ("get", "/jobs"):
            assert [one["job"] for one in answer.json()] == [known["job"]]
        num += 1
    assert num >= 20


def test_every_endpoint_is_in_the_document(document):
    paths = set(document["paths"])
    assert {f"/{name}" for name in OjalaService.apis} <= paths
    assert {"/", "/scs", "/predict_table", "/jobs", "/jobs/{job}", "/jobs/{job}/result"} <= paths
    assert {"/livez", "/readyz", "/healthz", "/metrics", "/docs.json", "/registry_changed"} <= paths
    assert "/" in page.FILES


def test_names_of_operations_are_their_own_and_references_lead_somewhere(document):
    names = [one["operationId"] for _, _, one in operations(document) if "operationId" in one]
    assert len(set(names)) == len(names)
    text = json.dumps(document)
    for name in text.split('"#/components/schemas/')[1:]:
        assert name.partition('"')[0] in document["components"]["schemas"]
    tables_of = document["paths"]["/jobs"]["post"]["requestBody"]["content"]
    assert set(tables_of) == set(tables.SUFFIXES)


WRONG = {
    "/predict": {"sources": [{"MAG_i": "19"}]},
    "/predict_columns": {"columns": {"MAG_i": []}},
    "/redshifts": {"sources": []},
    "/embed": {"sources": [{"J0500": 1.0}]},
    "/similar": {"sources": [{"MAG_i": 19.0}], "k": 0},
    "/predict_table": {},
    "/jobs": {},
}


@pytest.mark.parametrize("path", WRONG)
def test_a_refusal_is_in_the_document_and_of_its_shape(client, document, path):
    responses = document["paths"][path]["post"]["responses"]
    refused = client.post(path, json=WRONG[path])
    told = responses[str(refused.status_code)]["content"]["application/json"]["schema"]
    check(document, told, refused.json())
    with pytest.raises(jsonschema.ValidationError):
        check(document, told, {"errors": "x"})


@pytest.mark.parametrize(
    ("path", "wrong"),
    itertools.product(["/predict", "/embed", "/similar"], [{"sources": 3}, {"k": "x"}, {}]),
)
def test_what_the_document_calls_wrong_is_refused(client, document, path, wrong):
    body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    if "sources" in wrong or not wrong:
        with pytest.raises(jsonschema.ValidationError):
            check(document, body["schema"], wrong)
    assert client.post(path, json=wrong).status_code == 400


@pytest.mark.parametrize("path", ["/jobs/" + "a" * 32, "/jobs/" + "a" * 32 + "/result"])
def test_refusals_of_jobs_are_in_the_document(client, document, path):
    named = path.replace("a" * 32, "{job}")
    refused = client.get(path)
    assert str(refused.status_code) in document["paths"][named]["get"]["responses"]
    assert list(refused.json()) == ["error"]
