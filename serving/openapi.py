"""The document of the service at /docs.json: BentoML's, and what BentoML does not know of.

It knows neither the paths that are answered before it, nor the one shape of refusals, nor what a
request looks like. tests/serving/test_openapi.py sends every example of it to a real service.
"""

from __future__ import annotations

from typing import Any

from ojala.vocabulary.bands import bands, reference_band
from serving import access, cone_search, page
from serving.schemas import JobStatus
from serving.tables import SUFFIXES

Document = dict[str, Any]

JSON, CSV = "application/json", "text/csv"

REFERENCE = reference_band().token
OTHERS = [one.token for one in bands() if one.token != REFERENCE][:2]
"""Bands of the examples beside it, of whatever survey this is."""

SOURCE = {REFERENCE: 18.9, f"{REFERENCE}_ERR": 0.01} | dict(zip(OTHERS, (0.45, 0.93), strict=False))
FAINT = {REFERENCE: 19.7} | dict.fromkeys(OTHERS)
TABLE = "\n".join(
    (
        ",".join(("ID", REFERENCE, *OTHERS)),
        ",".join(("1", "18.9", *["0.9" for _ in OTHERS])),
        ",".join(("2", "19.7", *["" for _ in OTHERS])),
        "",
    )
)

EXAMPLES: dict[str, Document] = {
    "/predict": {"sources": [SOURCE, FAINT], "queries": ["SPECTYPE", "Z_GAL"]},
    "/predict_columns": {
        "columns": {REFERENCE: [18.9, 19.7]} | {token: [0.9, None] for token in OTHERS},
        "queries": ["Z_GAL"],
    },
    "/redshifts": {"sources": [SOURCE]},
    "/embed": {"sources": [SOURCE, FAINT]},
    "/similar": {"sources": [SOURCE], "k": 3},
    "/model": {},
    "/health": {},
}
"""Bodies of requests that BentoML answers, by path."""

REFUSAL = "Refusal"

REFUSALS = {
    "400": "What is wrong with the request",
    "401": "No key, or none that is known",
    "404": "There is no such thing",
    "405": "Another method is expected",
    "408": "The body did not come in time",
    "409": "Not in the state that it is in",
    "413": "Too much at once",
    "415": "Another Content-Type or Content-Encoding is expected",
    "429": "Too much in a while: Retry-After says when to ask again",
    "500": "An error of the service",
    "503": "Not now",
    "504": "It took too long",
    "507": "There is no room for it",
}
"""Why a request is refused, by the status; the answer has one shape."""

EVERYWHERE = ("400", "401", "405", "408", "413", "415", "429", "500", "503", "504")

FURTHER = {
    "/similar": ("404",),
    "/predict": ("409",),
    "/predict_columns": ("409",),
    "/redshifts": ("409",),
}
"""Of one path: no catalogue, or no candidate that could be asked."""


def completed(document: Document) -> Document:
    """BentoML's document with what it lacks."""
    schemas = document["components"]["schemas"]
    for name in ("InvalidArgument", "NotFound", "InternalServerError", "TaskStatusResponse"):
        schemas.pop(name, None)
    schemas[REFUSAL] = _object({"error": {"type": "string"}})
    schemas["JobStatus"] = _inlined(JobStatus.model_json_schema(), schemas)
    paths = document["paths"]
    for path, example in EXAMPLES.items():
        operation = paths[path]["post"]
        operation["description"] = " ".join(operation.get("description", "").split())
        operation.setdefault("requestBody", {"content": {JSON: {"schema": {"type": "object"}}}})
        operation["requestBody"]["content"][JSON]["example"] = example
        _refuse(operation, *EVERYWHERE, *FURTHER.get(path, ()))
    _let_null(document)
    for path in ("/model", "/health"):  # a link that a browser opens
        asked = {name: told for name, told in paths[path]["post"].items() if name != "requestBody"}
        paths[path]["get"] = asked | {"operationId": f"get_{path.strip('/')}"}
    return document | {"paths": paths | _tables() | _jobs() | _others()}


def _tables() -> Document:
    asked = _operation(
        "A table with the answers beside its columns, in the format that it came in.",
        {"200": ("The table with answers", dict.fromkeys(SUFFIXES, _bytes()))},
        body=_table_body(),
        parameters=[_queries()],
    )
    _refuse(asked, *EVERYWHERE)
    return {"/predict_table": {"post": asked}}


def _jobs() -> Document:
    one = {JSON: {"schema": {"$ref": "#/components/schemas/JobStatus"}}}
    many = {
        JSON: {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/JobStatus"}}}
    }
    named = {
        "name": "job",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "description": "as POST /jobs answered it",
    }
    submit = _operation(
        "A large table, to be answered in the background by the version that answers now.",
        {"202": ("It is taken; Location says where to ask for it", one)},
        body=_table_body(),
        parameters=[_queries()],
    )
    _refuse(submit, *EVERYWHERE, "507")
    listed = _operation("Every job of this key.", {"200": ("The jobs", many)})
    status = _operation("How far it is.", {"200": ("Its state", one)}, parameters=[named])
    ended = _operation(
        "Cancel a job; take one away that has ended.",
        {"200": ("What it was until then", one)},
        parameters=[named],
    )
    result = _operation(
        "The table with answers.",
        {"200": ("As ojala predict writes it", dict.fromkeys(SUFFIXES, _bytes()))},
        parameters=[named],
    )
    _refuse(listed, "401", "429", "500")
    for asked in (status, ended, result):
        _refuse(asked, "401", "404", "405", "429", "500", *(["409"] if asked is result else []))
    return {
        "/jobs": {"post": submit, "get": listed},
        "/jobs/{job}": {"get": status, "delete": ended},
        "/jobs/{job}/result": {"get": result},
    }


def _others() -> Document:
    places = {"RA": (150.1, 0, 360), "DEC": (2.2, -90, 90), "SR": (0.1, 0, 180)}
    parameters: list[Document] = [
        {
            "name": name,
            "in": "query",
            "required": True,
            "schema": {"type": "number", "minimum": low, "maximum": high},
            "example": example,
            "description": "degrees",
        }
        for name, (example, low, high) in places.items()
    ]
    levels = {"type": "integer", "minimum": 1, "maximum": 3, "default": 2}
    parameters.append({"name": "VERB", "in": "query", "schema": levels, "example": 1})
    cone = _operation(
        "Simple Cone Search of the catalogue; what is wrong is told by an INFO called Error.",
        {"200": ("VOTable, the nearest source first", {cone_search.MEDIA_TYPE: _bytes()})},
        parameters=parameters,
    )
    _refuse(cone, "401", "404", "429", "500")
    event = {JSON: {"schema": {"type": "object"}, "example": {"entity": "model_version_alias"}}}
    hook = _operation(
        "MLflow's webhook: what it signed with OJALA_WEBHOOK_SECRET lets the registry be asked.",
        {"204": ("It is asked now", {})},
        body=event,
    )
    _refuse(hook, "400", "401", "404", "405", "408", "413", "415", "500")
    found = {"type": "object", "required": ["openapi", "paths"]}
    document = _operation("This document.", {"200": ("OpenAPI", {JSON: {"schema": found}})})
    shown = _operation("A page for people.", {"200": ("HTML", {page.FILES["/"]: _bytes()})})
    return {
        "/scs": {"get": cone},
        access.SIGNED: {"post": hook},
        "/docs.json": {"get": document},
        "/": {"get": shown},
    }


def _operation(
    told: str,
    answers: dict[str, tuple[str, Document]],
    *,
    body: Document | None = None,
    parameters: list[Document] | None = None,
) -> Document:
    found: Document = {
        "tags": ["Service APIs"],
        "description": told,
        "responses": {
            status: {"description": what, "content": content}
            for status, (what, content) in answers.items()
        },
    }
    if parameters:
        found["parameters"] = parameters
    if body:
        found["requestBody"] = {"required": True, "content": body}
    return found


def _refuse(operation: Document, *statuses: str) -> None:
    """Let an operation refuse, with these statuses and no others."""
    content = {JSON: {"schema": {"$ref": f"#/components/schemas/{REFUSAL}"}}}
    answers = {status: told for status, told in operation["responses"].items() if status < "400"}
    refused = {one: {"description": REFUSALS[one], "content": content} for one in statuses}
    operation["responses"] = answers | dict(sorted(refused.items()))


def _table_body() -> Document:
    return {kind: _bytes() for kind in SUFFIXES} | {CSV: _bytes() | {"example": TABLE}}


def _queries() -> Document:
    return {
        "name": "queries",
        "in": "query",
        "schema": {"type": "string"},
        "example": "SPECTYPE,Z_GAL",
        "description": "tokens and names of heads, with commas between them; all by default",
    }


def _bytes() -> Document:
    return {"schema": {"type": "string", "format": "binary"}}


def _object(properties: Document) -> Document:
    return {"type": "object", "required": [*properties], "properties": properties}


def _inlined(schema: Document, schemas: Document) -> Document:
    """A schema of pydantic whose parts are those of the document, which has them all."""
    assert schema.pop("$defs", {}).keys() <= schemas.keys()
    schema["properties"]["model"] = {"$ref": "#/components/schemas/Model"}
    return schema


def _let_null(part: Any) -> None:
    """Let what is null by default be null: BentoML drops that of lists and of objects.

    OpenAPI 3.0 calls it nullable.
    """
    if isinstance(part, list):
        for one in part:
            _let_null(one)
    elif isinstance(part, dict):
        if "default" in part and part["default"] is None and "anyOf" not in part:
            part["nullable"] = True
            if "$ref" in part:  # whatever stands beside a reference counts for nothing
                part["allOf"] = [{"$ref": part.pop("$ref")}]
        for one in part.values():
            _let_null(one)
