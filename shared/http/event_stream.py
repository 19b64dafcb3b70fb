"""Server-sent events: an answer that goes on until its client leaves or does not read, until his token ends, or until
the process is told to stop. What is sent, and from where a client resumes, is the service's.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final, NamedTuple

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

BEAT_SECONDS: Final = 15.0
"""Silence after which a comment is sent, or proxies would take the connection for dead."""

PATIENCE_SECONDS: Final = 15.0
"""How long a client may leave unread what fills his connection; then it is cut, and he resumes where he was."""

RETRY: Final = b"retry: 2000\n\n"
"""What a client is told to wait before he comes back."""

CONNECTION: Final = "forewarn.connection"
"""Key of the request's scope under which the host puts a `Connection`."""

_BEAT: Final = b":\n\n"


class Connection(NamedTuple):
    """What the host lets an answer without end know of its connection, and do to it."""

    stopping: asyncio.Event
    """The process is told to stop."""
    abort: Callable[[], None]
    """Cut it at once, without sending what waits to be sent."""


def event(name: str, id_: int, data: bytes) -> bytes:
    """One event; `data` is JSON without line breaks. A client who is cut off names the last id he has seen."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (id_, name.encode(), data)


def position(id_: int) -> bytes:
    """Makes a client resume behind `id_` although he has seen no event yet."""
    return b"id: %d\n\n" % id_


class EventStream(StreamingResponse):
    """The answer of a route that streams; `allowed` is asked before anything is sent. No `beat`: the events have it."""

    media_type = "text/event-stream"

    def __init__(
        self,
        events: AsyncGenerator[bytes, None],
        allowed: Callable[[], bool],
        *,
        beat: float | None = BEAT_SECONDS,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        super().__init__(events, headers={"X-Accel-Buffering": "no"})
        self._events = events
        self._allowed = allowed
        self._beat = beat
        self._patience = patience
        self._stuck = False
        """The client does not read: what is sent last ended in the middle of waiting for him."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until one of the ends."""
        connection: Connection | None = scope.get(CONNECTION)
        stopping = connection.stopping if connection is not None else asyncio.Event()
        writing = asyncio.create_task(self._write(send))
        tasks = [writing, asyncio.create_task(_left(receive)), asyncio.create_task(stopping.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancel(*tasks)
        if not writing.cancelled():
            writing.result()
        if not self._stuck:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        elif connection is not None:
            # Even the end of the answer would wait for him.
            connection.abort()
            await _left(receive)

    async def _write(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with contextlib.aclosing(self._events) as events:
            chunk: bytes | None = RETRY
            coming = asyncio.create_task(_next(events))
            try:
                while chunk is not None and self._allowed() and await self._delivered(send, chunk):
                    await asyncio.wait([coming], timeout=self._beat)
                    chunk = _BEAT
                    if coming.done():
                        chunk, coming = coming.result(), asyncio.create_task(_next(events))
            finally:
                await _cancel(coming)

    async def _delivered(self, send: Send, chunk: bytes) -> bool:
        try:
            async with asyncio.timeout(self._patience):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except (TimeoutError, asyncio.CancelledError) as error:
            self._stuck = True
            if isinstance(error, asyncio.CancelledError):
                raise
        return not self._stuck


async def _next(events: AsyncGenerator[bytes, None]) -> bytes | None:
    return await anext(events, None)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        """A body nobody asked for."""


async def _cancel(*tasks: "asyncio.Future[Any]") -> None:
    """End tasks and wait for them; what they failed with stays theirs to tell."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
