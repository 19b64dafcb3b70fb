"""A port between a client and a broker that does what `Proxy` does.

A broker tells its clients at which address to reach it, and they dial that: the proxy puts its own there.
"""

import asyncio
import struct

from tests.contracts.proxy import Proxy

MAX_METADATA = 1 << 16
"""What is larger holds records."""


class KafkaProxy(Proxy):
    """Passes on what Kafka's clients and brokers say, answer by answer."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(None)
        self._host = host
        self._port = port
        self._own = b""

    async def open(self) -> str:
        """Take connections; returns where."""
        self._listening = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port = self._listening.sockets[0].getsockname()[1]
        self._own = _address("127.0.0.1", port)
        return f"127.0.0.1:{port}"

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self._host, self._port)

    async def _read(self, reader: asyncio.StreamReader, *, from_server: bool) -> bytes:
        if not from_server:
            return await super()._read(reader, from_server=from_server)
        try:
            (size,) = struct.unpack(">i", await reader.readexactly(4))
            answer = await reader.readexactly(size)
        except asyncio.IncompleteReadError:
            return b""
        if size <= MAX_METADATA:
            answer = answer.replace(_address(self._host, self._port), self._own)
        return struct.pack(">i", len(answer)) + answer


def _address(host: str, port: int) -> bytes:
    return struct.pack(">h", len(host)) + host.encode() + struct.pack(">i", port)
