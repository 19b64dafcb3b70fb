"""What every route refuses before it runs: parameters it does not know, bodies of another kind or beyond its size."""

from collections.abc import Iterable
from typing import Any, Final, get_args, get_origin
from urllib.parse import parse_qsl

from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import FieldError, ForewarnError, InvalidInput, TooLarge, Unreadable
from shared.http.inputs.body import MAX_BYTES, reads_of
from shared.http.introspection import dependants_of, methods_of
from shared.http.problems import UnsupportedMediaType

MAX_QUERY_BYTES: Final = 8192
MAX_PARAMETERS: Final = 100

_BODILESS: Final = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
_BODY_HEADERS: Final = frozenset({b"content-length", b"content-type", b"content-encoding", b"transfer-encoding"})
_SECRETS: Final = frozenset({"access_token", "api_key", "apikey", "token"})


class Guard:
    """Stands before the handler of one route."""

    def __init__(self, app: ASGIApp, route: APIRoute) -> None:
        reads = reads_of(route)
        self._app = app
        self._parameters = _parameters(route)
        self._max_bytes = MAX_BYTES if reads is None else reads.max_bytes
        self._media_types = ("application/json",) if reads is None else reads.media_types
        self._has_body = not methods_of(route) <= _BODILESS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or raise what is wrong with it."""
        if scope["query_string"]:
            check_query(scope["query_string"], self._parameters)
        if self._has_body:
            receive = self._checked_body(scope["headers"], receive)
        await self._app(scope, receive, send)

    def _checked_body(self, headers: Iterable[tuple[bytes, bytes]], receive: Receive) -> Receive:
        given = {name: value for name, value in headers if name in _BODY_HEADERS}
        length = given.get(b"content-length")
        if length == b"0" or (length is None and b"transfer-encoding" not in given):
            return receive
        _check_media_type(given.get(b"content-type"), self._media_types)
        if given.get(b"content-encoding", b"identity") != b"identity":
            raise UnsupportedMediaType("content_encoding", "Send the body uncompressed.")
        if length is None:
            return _limited(receive, self._max_bytes)
        if not length.isdigit():
            raise Unreadable("content_length", "Content-Length is a number of bytes.")
        if len(length) > 18 or int(length) > self._max_bytes:
            raise _too_large(self._max_bytes)
        # The server cuts a body at its declared length.
        return receive


def check_query(query: bytes, parameters: dict[str, bool]) -> None:
    """Refuse unknown parameters, and repeated ones unless `parameters` says that they may be."""
    if len(query) > MAX_QUERY_BYTES:
        raise Unreadable("query_too_long", f"A query has at most {MAX_QUERY_BYTES} bytes.")
    try:
        pairs = parse_qsl(query.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except UnicodeDecodeError:
        raise InvalidInput("encoding", "Percent-encode the query as UTF-8.") from None
    except ValueError:
        raise Unreadable("query_too_long", f"A query has at most {MAX_PARAMETERS} parameters.") from None
    seen: set[str] = set()
    for name, value in pairs:
        if name not in parameters:
            raise _unknown_parameter(name, parameters)
        if name in seen and not parameters[name]:
            raise _refused_parameter(name, "repeated_parameter", "Send this parameter once.")
        if "\0" in value:
            raise _refused_parameter(name, "char_not_allowed", "Character U+0000 is not allowed.")
        seen.add(name)


def _parameters(route: APIRoute) -> dict[str, bool]:
    """The query parameters of a route, and whether each may be repeated."""
    parameters: dict[str, bool] = {}
    for field in (field for dependant in dependants_of(route) for field in dependant.query_params):
        annotation = field.field_info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            for name, inner in annotation.model_fields.items():
                parameters[inner.alias or name] = _is_list(inner.annotation)
        else:
            parameters[field.alias] = _is_list(annotation)
    return parameters


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) in (list, set, tuple, frozenset) or any(map(_is_list, get_args(annotation)))


def _check_media_type(header: bytes | None, allowed: tuple[str, ...]) -> None:
    if header == b"application/json":
        return
    media_type, *parameters = (part.strip().lower() for part in (header or b"").decode("latin-1").split(";"))
    if media_type not in allowed:
        raise UnsupportedMediaType("content_type", f"Send the body as {' or '.join(allowed)}.")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip(' "') not in ("utf-8", "utf8"):
            raise UnsupportedMediaType("charset", "Send the body in UTF-8.")


def _limited(receive: Receive, max_bytes: int) -> Receive:
    received = 0

    async def receive_limited() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > max_bytes:
            raise _too_large(max_bytes)
        return message

    return receive_limited


def _unknown_parameter(name: str, parameters: dict[str, bool]) -> ForewarnError:
    if name.lower() in _SECRETS:
        return Unreadable("credentials_in_url", "Send credentials in the Authorization header, and replace these.")
    known = ", ".join(sorted(parameters)) or "none"
    return _refused_parameter(name, "unknown_parameter", f"Parameters of this path: {known}.")


def _refused_parameter(name: str, code: str, message: str) -> ForewarnError:
    shown = name if len(name) <= 64 and name.isascii() and name.isprintable() else "?"
    return InvalidInput(code, message, fields=(FieldError(shown, code, message),))


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge("body_too_large", f"A body has at most {max_bytes} bytes here.")
