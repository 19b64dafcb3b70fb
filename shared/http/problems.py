"""Turns errors into problem+json (RFC 9457), and the validator's findings into our stable codes.

Never shows a value a client sent, nor anything of the inside; which errors there are, `shared.errors` and services say.
"""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

import msgspec
from pydantic import BaseModel
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from shared.errors import FieldError, ForewarnError, InvalidInput

MAX_ERRORS: Final = 50
"""Field errors one answer shows."""

MEDIA_TYPE: Final = "application/problem+json"

_OURS: Final = "forewarn"
"""Kind of finding that carries a code and a message of our own."""

Finding = Mapping[str, Any]
"""What the validator reports: `type`, `loc`, `input` and perhaps `ctx`."""


class PreconditionRequired(ForewarnError):
    """An update must say which revision it changes."""

    status = 428


class UnsupportedMediaType(ForewarnError):
    """The body is of a kind this route does not read."""

    status = 415


class MethodNotAllowed(ForewarnError):
    """The path exists, but not with this method."""

    status = 405


def refuse(code: str, message: str) -> PydanticCustomError:
    """What a validator of a field raises: our code and how to put it right, never the value."""
    return PydanticCustomError(_OURS, "{message}", {"code": code, "message": message})


def problem(error: ForewarnError, trace_id: str, headers: Mapping[str, str] | None = None) -> Response:
    """The answer to a request that failed with `error`."""
    content = {
        "type": f"urn:forewarn:problem:{error.code}",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "code": error.code,
        "detail": error.message,
        "trace_id": trace_id,
        "errors": listed(error.fields),
    }
    own = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    if error.status == HTTPStatus.UNAUTHORIZED:
        own["WWW-Authenticate"] = "Bearer"
    return Response(
        msgspec.json.encode(content),
        status_code=error.status,
        media_type=MEDIA_TYPE,
        headers={**own, **(headers or {})},
    )


def refused_row(row: int, error: ForewarnError) -> dict[str, Any]:
    """What a bulk answer says of a row that was not taken."""
    return {
        "row": row,
        "status": "refused",
        "code": error.code,
        "message": error.message,
        "errors": listed(error.fields),
    }


def listed(fields: Sequence[FieldError]) -> list[dict[str, str]]:
    """The field errors as they are shown."""
    shown = fields[:MAX_ERRORS]
    return [{"field": error.field, "code": error.code, "message": error.message} for error in shown]


def invalid(findings: Sequence[Finding], model: type[BaseModel] | None = None, *, skip: int = 0) -> InvalidInput:
    """All findings of one validation as an error; `skip` parts of each location say where, not which field."""
    fields = [_field_error(finding, model, skip) for finding in findings[:MAX_ERRORS]]
    return invalid_fields(fields)


def invalid_fields(fields: Sequence[FieldError]) -> InvalidInput:
    """One error of several fields: its code is theirs if they agree."""
    first = fields[0]
    if all(field.code == first.code for field in fields):
        message = f"{first.field}: {first.message}" if first.field else first.message
        return InvalidInput(first.code, message, fields=tuple(fields))
    return InvalidInput("invalid_input", f"{len(fields)} fields break a rule.", fields=tuple(fields))


def _field_error(finding: Finding, model: type[BaseModel] | None, skip: int) -> FieldError:
    field = ".".join(_shown_name(part) for part in finding["loc"][skip:])
    kind, context = str(finding["type"]), finding.get("ctx") or {}
    if kind == "extra_forbidden":
        return FieldError(field, "unknown_field", _unknown_field(str(finding["loc"][-1]), model))
    if kind == _OURS:
        return FieldError(field, context["code"], context["message"])
    if kind not in _CATALOGUE:
        return FieldError(field, *_OTHER)
    if kind.endswith("_type") and finding.get("input") is None:
        return FieldError(field, "not_nullable", "This field cannot be null.")
    code, message = _CATALOGUE[kind]
    return FieldError(field, code, message(context) if callable(message) else message)


def _shown_name(part: str | int) -> str:
    """A name as a client wrote it, if it could be one."""
    text = str(part)
    return text if len(text) <= 64 and text.isascii() and text.isprintable() else "?"


def _unknown_field(name: str, model: type[BaseModel] | None) -> str:
    close = get_close_matches(name[:64], _field_names(model), n=1) if model is not None else []
    return f"There is no such field; did you mean {close[0]}?" if close else "There is no such field."


@lru_cache(maxsize=256)
def _field_names(model: type[BaseModel]) -> tuple[str, ...]:
    """Names of all fields of a model and the models in it."""
    schema = model.model_json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    return tuple({name for part in parts for name in part.get("properties", {})})


def _bound(context: Mapping[str, Any]) -> str:
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "multiple_of": "multiple of"}
    return "Must be " + " and ".join(f"{signs[name]} {value}" for name, value in context.items() if name in signs) + "."


_Message = str | Callable[[Mapping[str, Any]], str]

_NUMBER: Final = ("int_type", "Write a whole number without quotes, such as 7.")
_RANGE: Final[tuple[str, _Message]] = ("out_of_range", _bound)
_ID: Final = ("id_format", "Write an id such as 018f3c6e-7a4b-7c3d-8e9f-0a1b2c3d4e5f.")
_OBJECT: Final = ("object_expected", 'Write an object such as {"name": "value"}.')
_OTHER: Final = ("invalid_value", "This value is not allowed here.")

_CATALOGUE: Final[dict[str, tuple[str, _Message]]] = {
    "missing": ("required", "This field is required."),
    "string_type": ("string_type", 'Write a text in quotes, such as "A-1".'),
    "string_too_short": ("too_short", lambda context: f"At least {context['min_length']} characters."),
    "string_too_long": ("too_long", lambda context: f"At most {context['max_length']} characters."),
    "string_pattern_mismatch": ("pattern", "Some of the characters are not allowed here, or not in this order."),
    "int_type": _NUMBER,
    "int_parsing": _NUMBER,
    "int_from_float": _NUMBER,
    "int_parsing_size": ("out_of_range", "This number is too large."),
    "bool_type": ("bool_type", "Write true or false, without quotes."),
    "bool_parsing": ("bool_type", "Write true or false."),
    "greater_than": _RANGE,
    "greater_than_equal": _RANGE,
    "less_than": _RANGE,
    "less_than_equal": _RANGE,
    "multiple_of": _RANGE,
    "literal_error": ("enum", lambda context: f"Use one of: {context['expected']}."),
    "enum": ("enum", lambda context: f"Use one of: {context['expected']}."),
    "uuid_parsing": _ID,
    "uuid_type": _ID,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "dict_type": _OBJECT,
    "list_type": ("list_expected", "Write a list such as [1, 2]."),
    "tuple_type": ("list_expected", "Write a list such as [1, 2]."),
    "too_short": ("too_few_values", lambda context: f"At least {context['min_length']} values."),
    "too_long": ("too_many_values", lambda context: f"At most {context['max_length']} values."),
}
"""Code and message for each kind of finding of the validator; its own messages may show what the client sent."""
