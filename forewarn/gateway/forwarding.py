"""Sends one request on to a service and its answer back, both as they come; knows nothing of what is in them.

What it adds are the trace id, under which both processes log, and a problem where there is no answer.
"""

from collections.abc import AsyncGenerator, Iterable
from http import HTTPStatus
from typing import Final, NoReturn

import httpx
import structlog
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from shared.errors import ForewarnError, Unavailable
from shared.http.edge import TRACE_ID
from shared.http.event_stream import CONNECTION, Connection, EventStream

CONNECT_SECONDS: Final = 2.0
SILENT_SECONDS: Final = 60.0
"""A service that answers, or streams (it beats every 15 s), is never silent for so long."""

IDLE_SECONDS: Final = 2.0
"""How long a connection without requests is kept: less than the 5 s after which a service ends it, so that no request
meets a connection that is just being closed."""

_HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# Our own server answers an expectation before the body is read; `host` and `date` are each hop's own.
_NOT_ONWARD: Final = _HOP_BY_HOP | {b"host", b"expect", b"x-request-id"}
_NOT_BACK: Final = _HOP_BY_HOP | {b"date", b"x-request-id"}

Headers = list[tuple[bytes, bytes]]

log = structlog.get_logger(__name__)


class AnswerLost(ForewarnError):
    """The service ended the connection instead of answering: whether it did what was asked is not known."""

    status = HTTPStatus.BAD_GATEWAY


class AnswerLate(ForewarnError):
    """The service holds the connection and says nothing: whether it did what was asked is not known."""

    status = HTTPStatus.GATEWAY_TIMEOUT


def new_client() -> httpx.AsyncClient:
    """A client for all services; streams hold a connection each, so there is no limit to them."""
    return httpx.AsyncClient(
        timeout=httpx.Timeout(SILENT_SECONDS, connect=CONNECT_SECONDS),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=IDLE_SECONDS),
        trust_env=False,
    )


class Forward:
    """ASGI application that is the routes of one service. Raises what the app it stands in answers as problems."""

    def __init__(self, service: str, url: str) -> None:
        self._service = service
        self._url = httpx.URL(url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request; the client is the one of the app's state."""
        client: httpx.AsyncClient = scope["app"].state.client
        answer = await self._asked(client, _onward(self._url, scope, receive))
        try:
            if answer.headers.get("content-type", "").startswith(EventStream.media_type):
                await EventStream(_passed(answer), allowed=lambda: True, beat=None)(scope, receive, send)
            else:
                await self._send_back(answer, scope, send)
        finally:
            await answer.aclose()

    async def _asked(self, client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
        try:
            return await client.send(request, stream=True)
        except httpx.TransportError as error:
            log.warning("service_did_not_answer", service=self._service, error=repr(error))
            self._refuse(error)

    def _refuse(self, error: httpx.TransportError) -> NoReturn:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            message = f"The service {self._service} is away; nothing was done, try again."
            raise Unavailable("service_away", message, retry_after=1) from error
        unknown = "whether it did what was asked is not known, look or send it again."
        if isinstance(error, httpx.TimeoutException):
            raise AnswerLate("service_silent", f"The service {self._service} says nothing; {unknown}") from error
        raise AnswerLost("answer_lost", f"The service {self._service} ended without an answer; {unknown}") from error

    async def _send_back(self, answer: httpx.Response, scope: Scope, send: Send) -> None:
        headers = _without(answer.headers.raw, _NOT_BACK)
        await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
        try:
            async for chunk in answer.aiter_raw():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except httpx.TransportError as error:
            log.warning("answer_cut_off", service=self._service, error=repr(error), trace_id=scope[TRACE_ID])
            connection: Connection = scope[CONNECTION]
            # An answer that simply ended here would pass for a whole one.
            connection.abort()
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _passed(answer: httpx.Response) -> AsyncGenerator[bytes, None]:
    """The stream of a service; when it is cut off it ends, and the client resumes where he was."""
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    except httpx.TransportError as error:
        log.info("stream_cut_off", error=repr(error))


def _onward(url: httpx.URL, scope: Scope, receive: Receive) -> httpx.Request:
    headers = _without(scope["headers"], _NOT_ONWARD)
    headers.append((b"x-request-id", scope[TRACE_ID].encode()))
    has_body = any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])
    query = b"?" + scope["query_string"] if scope["query_string"] else b""
    return httpx.Request(
        scope["method"],
        url,
        headers=headers,
        content=Request(scope, receive).stream() if has_body else None,
        # As it came: parsing and writing it again would change what a service gets to refuse.
        extensions={"target": scope["raw_path"] + query},
    )


def _without(headers: Iterable[tuple[bytes, bytes]], left_out: frozenset[bytes]) -> Headers:
    """The headers that are meant for who gets the message at the end; `Connection` may name more that are not."""
    listed = list(headers)
    named = b",".join(value for name, value in listed if name.lower() == b"connection")
    unwanted = left_out | {name.strip().lower() for name in named.split(b",")}
    return [(name, value) for name, value in listed if name.lower() not in unwanted]
