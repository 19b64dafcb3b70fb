"""Adds to the OpenAPI document what FastAPI does not see: bodies that routes read themselves, and problems."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema

from shared.http.inputs.body import Reads, reads_of
from shared.http.inputs.model import Input
from shared.http.inputs.parsing import NDJSON
from shared.http.introspection import methods_of
from shared.http.problems import MEDIA_TYPE

Document = dict[str, Any]

_REF: Final = "#/components/schemas/{model}"
_ALWAYS: Final = (401, 403, 404, 422, 500, 503)
_WITH_BODY: Final = (400, 409, 413, 415)
_ON_CHANGE: Final = (412, 428)

_TEXT: Final = {"type": "string"}
_PROBLEM: Final[Document] = {
    "type": "object",
    "description": "RFC 9457. `code` is stable; `errors` names fields and rules, never values.",
    "required": ["type", "title", "status", "code", "detail", "trace_id", "errors"],
    "properties": {
        **dict.fromkeys(("type", "title", "code", "detail", "trace_id"), _TEXT),
        "status": {"type": "integer"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "code", "message"],
                "properties": dict.fromkeys(("field", "code", "message"), _TEXT),
            },
        },
    },
}


def complete(document: Document, routes: Sequence[APIRoute]) -> Document:
    """The document with request bodies and problems in it."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    references, models = _models_of(routes)
    schemas.update(_without_clash(schemas, models), Problem=_PROBLEM)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for route in routes:
        body = reads_of(route)
        operations = document["paths"].get(route.path_format, {})
        for method in methods_of(route):
            operation = operations.get(method.lower())
            if operation is None:
                continue
            if body is not None:
                operation["requestBody"] = _request_body(body, references[body.model])
            operation["responses"].update(_problems(method))
    return document


def _models_of(routes: Sequence[APIRoute]) -> tuple[dict[type[Input], Document], Document]:
    """A reference to each model that routes read, and the definitions these need."""
    models = dict.fromkeys(body.model for route in routes if (body := reads_of(route)) is not None)
    references, definitions = models_json_schema([(model, "validation") for model in models], ref_template=_REF)
    return {model: references[model, "validation"] for model in models}, definitions.get("$defs", {})


def _without_clash(schemas: Document, models: Document) -> Document:
    clashing = [name for name in models.keys() & schemas.keys() if models[name] != schemas[name]]
    if clashing:
        raise TypeError(f"models of requests and answers share a name: {', '.join(sorted(clashing))}")
    return models


def _request_body(body: Reads, model: Document) -> Document:
    array = {"type": "array", "items": model}
    content = {
        media_type: {"schema": model if media_type in NDJSON or not body.bulk else array}
        for media_type in body.media_types
    }
    return {"required": True, "content": content}


def _problems(method: str) -> Document:
    statuses = (*_ALWAYS, *(_WITH_BODY if method in ("POST", "PUT", "PATCH") else ()))
    statuses += _ON_CHANGE if method == "PATCH" else ()
    content = {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}}
    return {str(status): {"description": HTTPStatus(status).phrase, "content": content} for status in sorted(statuses)}
