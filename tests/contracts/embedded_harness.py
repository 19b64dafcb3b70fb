"""The harness of the embedded bus: every process reaches the server through a proxy of its own."""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, quote, urlsplit

import asyncpg

from shared.database.embedded_postgres import EmbeddedPostgres
from shared.messaging.bus import Bus, BusProducer, Message, TopicPartition
from shared.messaging.embedded_bus import EmbeddedBus
from tests.contracts.bus_harness import BusHarness, Process
from tests.contracts.proxy import Proxy
from tests.support.postgres import create_database, drop_database

ANSWER_TO_APPEND: Final = b"INSERT 0 "

_COMMITTED: Final = """
select topic.name, committed.part, committed.next_offset
from committed join consumer_group on consumer_group.id = consumer_group join topic on topic.id = topic
where consumer_group.name = $1
"""
_DELETE: Final = """
delete from log using topic where topic.id = log.topic and topic.name = $1 and log.part = $2 and log."offset" < $3
"""

MakeBus = Callable[[str], Bus]


class EmbeddedProcess(Process):
    """A bus behind a proxy."""

    def __init__(self, bus: Bus, proxy: Proxy) -> None:
        self.bus = bus
        self._proxy = proxy

    async def kill(self) -> None:
        """Close its connections for good."""
        await self._proxy.close()

    async def expel(self) -> None:
        """Close its connections."""
        self._proxy.cut()

    async def isolate(self) -> None:
        """Close its connections, also those to come."""
        self._proxy.refuse()

    async def reconnect(self) -> None:
        """Let connections come."""
        self._proxy.accept()

    def silence(self) -> None:
        """Pass nothing on."""
        self._proxy.silence()

    async def send_unacknowledged(
        self, producer: BusProducer, topic: str, partition: int, messages: Sequence[Message]
    ) -> None:
        """Lose the server's answer to the append, then the connection."""
        where = TopicPartition(topic, partition)
        before = (await self.bus.bounds([topic]))[where].next
        self._proxy.lose_from(ANSWER_TO_APPEND)
        sending = asyncio.create_task(producer.send(topic, partition, messages))
        async with asyncio.timeout(5):
            while (await self.bus.bounds([topic]))[where].next < before + len(messages):  # noqa: ASYNC110 - polls the log
                await asyncio.sleep(0.01)
        self._proxy.lose_from(None)
        self._proxy.cut()
        await sending


class EmbeddedHarness(BusHarness):
    """A fresh database of a server that may be stopped."""

    handover_seconds = 3.0
    notice_seconds = 0.0
    hint_seconds = 0.0
    unfair_records = 20

    def __init__(self, server: EmbeddedPostgres, make_bus: MakeBus = EmbeddedBus) -> None:
        self._server = server
        self._make_bus = make_bus
        self.dsn = create_database(server, "bus")
        # A socket's path may have 104 bytes, too few for pytest's folders.
        self._folder = Path(tempfile.mkdtemp(prefix="fwp-", dir="/tmp"))
        self._socket = Path(parse_qs(urlsplit(self.dsn).query)["host"][0])
        self._proxies: list[Proxy] = []
        self._buses: list[Bus] = []
        self._stopped = False

    async def process(self) -> EmbeddedProcess:
        """A bus of its own through a proxy of its own."""
        proxy = Proxy(self._socket / ".s.PGSQL.5432")
        folder = self._folder / str(len(self._proxies))
        folder.mkdir()
        await proxy.listen(folder / ".s.PGSQL.5432")
        bus = self._make_bus(self.dsn.replace(quote(str(self._socket), safe=""), quote(str(folder), safe="")))
        self._proxies.append(proxy)
        self._buses.append(bus)
        return EmbeddedProcess(bus, proxy)

    async def stop_server(self) -> None:
        """End PostgreSQL."""
        self._stopped = True
        await asyncio.to_thread(self._server.stop)

    async def start_server(self) -> None:
        """Begin PostgreSQL again."""
        await asyncio.to_thread(self._server.start)
        self._stopped = False

    async def delete_before(self, where: TopicPartition, offset: int) -> None:
        """Delete rows of the log."""
        async with self._connection() as connection:
            await connection.execute(_DELETE, where.topic, where.partition, offset)

    async def committed(self, group: str) -> Mapping[TopicPartition, int]:
        """Read the table for tools."""
        async with self._connection() as connection:
            rows = await connection.fetch(_COMMITTED, group)
        return {TopicPartition(row["name"], row["part"]): row["next_offset"] for row in rows}

    async def close(self) -> None:
        """End all processes and drop the database."""
        for bus in self._buses:
            await bus.close()
        for proxy in self._proxies:
            await proxy.close()
        shutil.rmtree(self._folder)
        if self._stopped:
            await self.start_server()
        await asyncio.to_thread(drop_database, self._server, self.dsn)

    @contextlib.asynccontextmanager
    async def _connection(self) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
        connection = await asyncpg.connect(self.dsn)
        try:
            yield connection
        finally:
            await connection.close()
