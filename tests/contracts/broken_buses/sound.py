"""Buses that pass everything on to the embedded bus; each broken one overrides what it breaks."""

from collections.abc import Mapping, Sequence
from typing import Any

from shared.messaging.bus import (
    Bounds,
    BusConsumer,
    BusProducer,
    Message,
    Record,
    TopicPartition,
    TopicState,
)
from shared.messaging.embedded_bus import EmbeddedBus


class SoundProducer:
    """Passes everything on."""

    def __init__(self, bus: Any, inner: BusProducer) -> None:
        self.bus = bus
        self.inner = inner

    async def send(self, topic: str, partition: int, messages: Sequence[Message]) -> None:
        """Pass on."""
        await self.inner.send(topic, partition, messages)

    async def close(self) -> None:
        """Pass on."""
        await self.inner.close()


class SoundConsumer:
    """Passes everything on."""

    def __init__(self, bus: Any, inner: BusConsumer, group: str, topics: Sequence[str]) -> None:
        self.bus = bus
        self.inner = inner
        self.group = group
        self.topics = topics

    async def unpositioned(self) -> frozenset[TopicPartition]:
        """Pass on."""
        return await self.inner.unpositioned()

    def assignment(self) -> frozenset[TopicPartition]:
        """Pass on."""
        return self.inner.assignment()

    def seek(self, where: TopicPartition, offset: int) -> None:
        """Pass on."""
        self.inner.seek(where, offset)

    async def poll(self, max_records: int, timeout: float) -> list[Record]:
        """Pass on."""
        return await self.inner.poll(max_records, timeout)

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Pass on."""
        await self.inner.commit(offsets)

    async def close(self) -> None:
        """Pass on."""
        await self.inner.close()


class SoundBus:
    """Breaks nothing: every check passes on it, so what a subclass fails, it fails by what it changes."""

    producer_type: type[SoundProducer] = SoundProducer
    consumer_type: type[SoundConsumer] = SoundConsumer

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.inner = EmbeddedBus(dsn)

    async def create_topics(self, topics: Mapping[str, int]) -> list[str]:
        """Pass on."""
        return await self.inner.create_topics(topics)

    async def describe_topics(self, topics: Mapping[str, int]) -> list[TopicState]:
        """Pass on."""
        return await self.inner.describe_topics(topics)

    async def producer(self) -> BusProducer:
        """Wrap."""
        return self.producer_type(self, await self.inner.producer())

    async def consumer(self, group: str, topics: Sequence[str]) -> BusConsumer:
        """Wrap."""
        return self.consumer_type(self, await self.inner.consumer(group, topics), group, topics)

    async def members(self, group: str) -> int:
        """Pass on."""
        return await self.inner.members(group)

    async def bounds(self, topics: Sequence[str]) -> dict[TopicPartition, Bounds]:
        """Pass on."""
        return await self.inner.bounds(topics)

    async def read(self, where: TopicPartition, offset: int, max_records: int) -> list[Record]:
        """Pass on."""
        return await self.inner.read(where, offset, max_records)

    async def close(self) -> None:
        """Pass on."""
        await self.inner.close()
