"""A stand-in for all five services: tells what reached it, streams, and misbehaves as it is told."""

import asyncio
import base64
from dataclasses import dataclass, field

import msgspec
from starlette.types import Receive, Scope, Send

from shared.http.event_stream import CONNECTION


class Reached(msgspec.Struct):
    """A request as it reached a service."""

    service: str
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def values(self, name: str) -> list[str]:
        """All values of a header."""
        return [value for given, value in self.headers if given == name]


@dataclass
class StandIn:
    """One service, as an ASGI application."""

    name: str
    status: int = 200
    answer: tuple[tuple[bytes, bytes], ...] = ()
    """Headers of its answers."""
    ready: int = 200
    misbehaviour: str = ""
    """`silent`: never answers; `cut`: ends in the middle of an answer; `gone`: ends before one."""
    pieces: "asyncio.Queue[bytes]" = field(default_factory=asyncio.Queue)
    """What it streams from `/v1/inbox/stream`."""
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Somebody left before his answer was whole."""
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    """Something of a request has come, perhaps not all of it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["path"] == "/readyz":
            await _answer(send, self.ready, (), b"{}")
        elif scope["path"] == "/v1/inbox/stream":
            await self._stream(receive, send)
        else:
            await self._tell(scope, receive, send)

    async def _tell(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left.set()
                return
            body += message.get("body", b"")
            self.reached.set()
            if not message.get("more_body"):
                break
        if self.misbehaviour == "silent":
            await asyncio.Event().wait()
        if self.misbehaviour == "gone":
            scope[CONNECTION].abort()
            return
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        reached = {
            "service": self.name,
            "method": scope["method"],
            "target": (scope["raw_path"] + query).decode("latin-1"),
            "headers": [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]],
            "body": base64.b64encode(body).decode(),
        }
        content = msgspec.json.encode(reached)
        if self.misbehaviour == "cut":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": content[:20], "more_body": True})
            await asyncio.sleep(0.1)
            scope[CONNECTION].abort()
            return
        trace_ids = [(name, value) for name, value in scope["headers"] if name == b"x-request-id"]
        await _answer(send, self.status, (*self.answer, *trace_ids), content)

    async def _stream(self, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        leaving = asyncio.ensure_future(receive())
        while True:
            piece = asyncio.ensure_future(self.pieces.get())
            await asyncio.wait([leaving, piece], return_when=asyncio.FIRST_COMPLETED)
            if leaving.done() and leaving.result()["type"] == "http.request":
                leaving = asyncio.ensure_future(receive())
            if leaving.done() and leaving.result()["type"] == "http.disconnect":
                piece.cancel()
                self.left.set()
                return
            if piece.done():
                await send({"type": "http.response.body", "body": piece.result(), "more_body": True})
            else:
                piece.cancel()


def reached(content: bytes) -> Reached:
    """What a stand-in tells."""
    return msgspec.json.decode(content, type=Reached)


async def _answer(send: Send, status: int, headers: tuple[tuple[bytes, bytes], ...], content: bytes) -> None:
    length = (b"content-length", str(len(content)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": content})


async def _lifespan(receive: Receive, send: Send) -> None:
    for phase in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{phase}.complete"})
