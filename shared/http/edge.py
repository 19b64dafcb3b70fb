"""The one middleware: trace id, duration, access line, security headers, and the answer to errors nobody foresaw.

Plain ASGI, because it is paid for by every request.
"""

import logging
import os
import re
import time
from typing import Final

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import ForewarnError
from shared.http.metrics import observe_request
from shared.http.problems import problem

TRACE_ID: Final = "forewarn.trace_id"
"""Key of the request's scope under which its trace id is found."""

CLIENT_LEFT: Final = 499
"""Status under which requests are counted that were never answered."""

SLOW_SECONDS: Final = 1.0

_GIVEN_TRACE_ID: Final = re.compile(rb"[A-Za-z0-9-]{8,64}")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_SECURITY_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)

log = structlog.get_logger(__name__)
_standard = logging.getLogger(__name__)


class Edge:
    """Wraps everything else of the app."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0
        trace_id = _trace_id(scope)
        scope[TRACE_ID] = trace_id
        structlog.contextvars.bind_contextvars(trace_id=trace_id)

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _complete(message, trace_id)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except ClientDisconnect:
            log.info("client_left", trace_id=trace_id, route=_route(scope))
        except Exception:
            log.exception("unexpected_error", trace_id=trace_id, route=_route(scope))
            if status:
                # Half an answer is on its way; only a cut connection tells that the rest is missing.
                raise
            await _unexpected(trace_id)(scope, receive, send_with_headers)
        finally:
            _record(scope, status or CLIENT_LEFT, time.perf_counter() - started)


def _trace_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _GIVEN_TRACE_ID.fullmatch(value):
            return str(value, "ascii")
    return os.urandom(16).hex()


def _complete(message: Message, trace_id: str) -> None:
    headers = message["headers"]
    given = {name for name, _ in headers}
    headers.extend(header for header in _SECURITY_HEADERS if header[0] not in given)
    headers.append((b"x-request-id", trace_id.encode()))


def _unexpected(trace_id: str) -> ASGIApp:
    return problem(ForewarnError("internal_error", "This is our fault; tell us the trace id."), trace_id)


def _route(scope: Scope) -> str:
    """The template, not the path: paths hold ids and would make a metric of every customer."""
    return getattr(scope.get("route"), "path", "unknown")


def _record(scope: Scope, status: int, seconds: float) -> None:
    method, route = scope["method"] if scope["method"] in _METHODS else "OTHER", _route(scope)
    observe_request(method, route, status, seconds)
    level = _level(status, seconds)
    # Asked here, because structlog takes 5 us to find out that a line is not wanted.
    if _standard.isEnabledFor(level):
        ms = round(seconds * 1000, 1)
        log.log(level, "request", method=method, route=route, status=status, ms=ms, trace_id=scope[TRACE_ID])


def _level(status: int, seconds: float) -> int:
    """A line costs 25 us, a third of a hot request: what went well and fast is counted, and logged at DEBUG only."""
    if status >= 500:
        return logging.ERROR
    return logging.INFO if status >= 400 or seconds > SLOW_SECONDS else logging.DEBUG
