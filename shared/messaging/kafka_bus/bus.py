"""The bus of the port on Apache Kafka: makes topics, producers and consumers, and answers tools."""

import asyncio
from collections.abc import Mapping, Sequence

from shared.messaging.bus import Bounds, Record, TopicPartition, TopicState
from shared.messaging.kafka_bus import reading
from shared.messaging.kafka_bus import topics as administration
from shared.messaging.kafka_bus.consumer import KafkaConsumer, join_group
from shared.messaging.kafka_bus.limits import LIMITS, Limits
from shared.messaging.kafka_bus.producer import KafkaProducer, start_producer
from shared.messaging.kafka_bus.settings import KafkaSettings


class KafkaBus:
    """A log on the brokers of the settings. Connects when used, so it may be made before they run."""

    def __init__(self, settings: KafkaSettings, limits: Limits = LIMITS) -> None:
        self._settings = settings
        self._limits = limits
        self._clients: set[KafkaProducer | KafkaConsumer] = set()

    async def create_topics(self, topics: Mapping[str, int]) -> list[str]:
        """Create what is missing; returns remarks. Raises `BusError` on a topic that is not as it should be."""
        return await administration.create_topics(topics, self._settings, self._limits)

    async def describe_topics(self, topics: Mapping[str, int]) -> list[TopicState]:
        """What these topics are, and how that differs from what they should be."""
        return await administration.describe_topics(topics, self._settings, self._limits)

    async def producer(self) -> KafkaProducer:
        """A new producer; raises `BusError` when the bus is away."""
        producer = await start_producer(self._settings, self._limits, self._clients.discard)
        self._clients.add(producer)
        return producer

    async def consumer(self, group: str, topics: Sequence[str]) -> KafkaConsumer:
        """A new member of `group`; raises `BusError` when the bus is away or has no such topic."""
        member = await join_group(group, topics, self.bounds, self._settings, self._limits, self._clients.discard)
        self._clients.add(member)
        return member

    async def members(self, group: str) -> int:
        """How many members a group has, for tools."""
        return await administration.members(group, self._settings, self._limits)

    async def bounds(self, topics: Sequence[str]) -> dict[TopicPartition, Bounds]:
        """First and next offset of every partition."""
        return await reading.bounds(topics, self._settings, self._limits)

    async def read(self, where: TopicPartition, offset: int, max_records: int) -> list[Record]:
        """Look at records outside any group, for tools."""
        return await reading.read(where, offset, max_records, self._settings, self._limits)

    async def close(self) -> None:
        """Close everything this bus opened."""
        await asyncio.gather(*(client.close() for client in list(self._clients)))
