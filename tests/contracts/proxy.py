"""A unix socket between a client and a server that can cut connections, go silent or lose an answer."""

import asyncio
import contextlib
from pathlib import Path


class Proxy:
    """Passes bytes on, until told otherwise."""

    def __init__(self, server: Path | None) -> None:
        self._upstream = server
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listening: asyncio.Server | None = None
        self._losing: bytes | None = None
        self._silent = False
        self._refusing = False
        self._closed = False

    async def listen(self, path: Path) -> None:
        """Take connections at `path`."""
        self._listening = await asyncio.start_unix_server(self._connected, path)

    def lose_from(self, marker: bytes | None) -> None:
        """On every connection answers are lost from the first one on that contains `marker`."""
        self._losing = marker

    def silence(self) -> None:
        """Nothing passes any more, in no direction."""
        self._silent = True

    def refuse(self) -> None:
        """Close every connection; new ones are closed at once, until `accept`."""
        self._refusing = True
        self.cut()

    def accept(self) -> None:
        """New connections may come again."""
        self._refusing = False

    def cut(self) -> None:
        """Close every connection; new ones may come."""
        for writer in self._open:
            writer.transport.abort()

    async def close(self) -> None:
        """Cut, and take no more connections."""
        self._closed = True
        if self._listening is not None:
            self._listening.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        assert self._upstream is not None
        return await asyncio.open_unix_connection(self._upstream)

    async def _read(self, reader: asyncio.StreamReader, *, from_server: bool) -> bytes:  # noqa: ARG002
        return await reader.read(1 << 18)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await self._dial()
        except OSError:
            writer.transport.abort()
            return
        if self._closed or self._refusing:
            writer.transport.abort()
            server_writer.transport.abort()
            return
        self._open |= {writer, server_writer}
        for task in (
            asyncio.create_task(self._pass_on(reader, server_writer, from_server=False)),
            asyncio.create_task(self._pass_on(server_reader, writer, from_server=True)),
        ):
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, from_server: bool) -> None:
        lost = False
        with contextlib.suppress(OSError):
            while data := await self._read(reader, from_server=from_server):
                if from_server and self._losing is not None and self._losing in data:
                    lost = True
                if not (lost or self._silent):
                    writer.write(data)
                    await writer.drain()
        self._open.discard(writer)
        writer.transport.abort()
