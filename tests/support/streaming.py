"""An application on a real socket, and clients of its server-sent events: one that reads as browsers do, one that does
not read."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from shared.runtime.host import WebHost, base_url, bind


@dataclass(frozen=True)
class Listening:
    """A host that answers under `url` until `stop` is set."""

    url: str
    port: int
    stop: asyncio.Event
    running: "asyncio.Task[None]"

    def client(self, **headers: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, headers=headers, trust_env=False, timeout=30)

    @contextmanager
    def deaf(self, path: str, **headers: str) -> Iterator[socket.socket]:
        """Ask for something and read nothing of the answer: the connection is full after some kilobytes."""
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", self.port))
            lines = [f"GET {path} HTTP/1.1", "Host: here", *(f"{name}: {value}" for name, value in headers.items())]
            connection.sendall("\r\n".join([*lines, "", ""]).encode())
            yield connection


async def ended_well(connection: socket.socket) -> bool:
    """Read what has come so far to its end; whether the answer is whole, and was not cut off."""
    connection.setblocking(False)
    read, last = asyncio.get_running_loop().sock_recv, b""
    while more := await read(connection, 1_000_000):
        last = (last + more)[-5:]
    return last == b"0\r\n\r\n"


@dataclass(frozen=True)
class Event:
    """One event as a browser gives it to a page."""

    id: str
    name: str
    data: str


@asynccontextmanager
async def listening(app: Any) -> AsyncIterator[Listening]:
    """Serve an application on a free port; its host is told to stop at the end, if it was not before."""
    stop, thresholds, bound = asyncio.Event(), gc.get_threshold(), bind("127.0.0.1", 0)
    url, port = base_url(bound), bound.getsockname()[1]
    running = asyncio.create_task(WebHost(app, bound).run(stop))
    try:
        yield Listening(url, port, stop, running)
    finally:
        stop.set()
        await running
        gc.unfreeze()
        gc.set_threshold(*thresholds)


class EventSource:
    """Reads the events of an answer, and remembers the last id as browsers do."""

    def __init__(self, answer: httpx.Response, last_id: str = "") -> None:
        self._lines = answer.aiter_lines()
        self.last_id = last_id
        self.comments = 0

    def __aiter__(self) -> "EventSource":
        return self

    async def __anext__(self) -> Event:
        name, data = "message", ""
        async for line in self._lines:
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if line and not field:
                self.comments += 1
            elif field == "id":
                self.last_id = value
            elif field == "event":
                name = value
            elif field == "data":
                data = value
            elif not line and data:
                return Event(self.last_id, name, data)
        raise StopAsyncIteration
