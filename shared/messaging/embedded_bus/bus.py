"""The bus of the port on PostgreSQL: makes topics, producers and consumers, and answers tools."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from shared.database.wakeup import Waker
from shared.messaging.bus import Bounds, Record, TopicPartition, TopicState
from shared.messaging.embedded_bus import log, membership, schema
from shared.messaging.embedded_bus.connection import Connection, bus_errors, connect, disconnect
from shared.messaging.embedded_bus.consumer import SETTINGS, EmbeddedConsumer, channel
from shared.messaging.embedded_bus.producer import EmbeddedProducer
from shared.messaging.embedded_bus.schema import Topic

_BOUNDS: Final = """
select topic.name, partition.part, partition.next_offset as next, coalesce(
    (select min(log."offset") from log where log.topic = partition.topic and log.part = partition.part),
    partition.next_offset
) as first
from partition join topic on topic.id = partition.topic where topic.name = any($1)
"""


class EmbeddedBus:
    """A log on the PostgreSQL database of `dsn`. Connects when used, so it may be made before the server runs."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._waker = Waker(dsn)
        self._clients: set[EmbeddedProducer | EmbeddedConsumer] = set()

    async def create_topics(self, topics: Mapping[str, int]) -> list[str]:
        """Create what is missing, the tables too. Raises `BusError` on another number of partitions."""
        await schema.create_schema(self._dsn)
        connection = await connect(self._dsn)
        try:
            await schema.create_topics(connection, topics)
        finally:
            await disconnect(connection)
        return []

    async def describe_topics(self, topics: Mapping[str, int]) -> list[TopicState]:
        """What these topics are; there is one copy of each, and history is kept for ever."""
        connection = await connect(self._dsn)
        try:
            held = await schema.partitions_of(connection, list(topics))
        finally:
            await disconnect(connection)
        return [_state(topic, held.get(topic, 0), partitions) for topic, partitions in topics.items()]

    async def producer(self) -> EmbeddedProducer:
        """A new producer; raises `BusError` when the bus is away."""
        connection = await connect(self._dsn, synchronous_commit="on")
        producer = EmbeddedProducer(connection, self._announce)
        self._keep(producer, connection)
        return producer

    async def consumer(self, group: str, topics: Sequence[str]) -> EmbeddedConsumer:
        """A new member of `group`; raises `BusError` when the bus is away or has no such topic."""
        connection = await connect(self._dsn, **SETTINGS)
        try:
            found = await schema.find_topics(connection, topics)
            joined = await membership.join(connection, group, list(found.values()))
            consumer = EmbeddedConsumer(connection, joined, found)
            await consumer.listen()
        except BaseException:
            connection.terminate()
            raise
        self._keep(consumer, connection)
        return consumer

    async def members(self, group: str) -> int:
        """How many members a group has, for tools."""
        connection = await connect(self._dsn)
        try:
            return await membership.count(connection, group)
        finally:
            await disconnect(connection)

    async def bounds(self, topics: Sequence[str]) -> dict[TopicPartition, Bounds]:
        """First and next offset of every partition."""
        connection = await connect(self._dsn)
        try:
            await schema.find_topics(connection, topics)
            with bus_errors():
                rows = await connection.fetch(_BOUNDS, list(topics))
        finally:
            await disconnect(connection)
        return {TopicPartition(row["name"], row["part"]): Bounds(row["first"], row["next"]) for row in rows}

    async def read(self, where: TopicPartition, offset: int, max_records: int) -> list[Record]:
        """Look at records outside any group, for tools."""
        connection = await connect(self._dsn)
        try:
            topics = await schema.find_topics(connection, [where.topic])
            records, _ = await log.read(connection, topics, {where: offset}, max_records)
            return records
        finally:
            await disconnect(connection)

    async def close(self) -> None:
        """Close everything this bus opened."""
        await asyncio.gather(*(client.close() for client in list(self._clients)))
        await self._waker.close()

    def _keep(self, client: EmbeddedProducer | EmbeddedConsumer, connection: Connection) -> None:
        self._clients.add(client)
        connection.add_termination_listener(lambda _: self._clients.discard(client))

    def _announce(self, topics: set[Topic]) -> None:
        for topic in topics:
            self._waker.wake(channel(topic))


def _state(topic: str, partitions: int, wanted: int) -> TopicState:
    differences: tuple[str, ...] = ()
    if not partitions:
        differences = ("there is no such topic; `forewarn up` creates it",)
    elif partitions != wanted:
        differences = (schema.wrong_number(topic, partitions, wanted),)
    return TopicState(topic, partitions, None, None, None, differences)
