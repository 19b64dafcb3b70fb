"""A bus with hooks where a test does harm: before and after a send, on what a poll brings. As it is, it is sound."""

from collections.abc import Mapping, Sequence

from shared.messaging.bus import Bounds, Bus, BusConsumer, BusProducer, Message, Record, TopicPartition, TopicState


class HarmedBus:
    """Wraps a bus; a subclass overrides the hooks. `suffix` makes its groups others than those of the wrapped bus."""

    def __init__(self, inner: Bus, suffix: str = "") -> None:
        self.inner = inner
        self.suffix = suffix

    async def on_send(self, partition: int, messages: Sequence[Message]) -> Sequence[Message]:  # noqa: ARG002
        """What is sent instead; a `BusError` means that nothing was."""
        return messages

    async def on_sent(self, partition: int) -> None:
        """It is in the log; a `BusError` means that the acknowledgement got lost."""

    async def on_poll(self, records: list[Record]) -> list[Record]:
        """What the poll brings instead."""
        return records

    async def on_commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """The batch is applied and the hint is due."""

    async def create_topics(self, topics: Mapping[str, int]) -> list[str]:
        return await self.inner.create_topics(topics)

    async def describe_topics(self, topics: Mapping[str, int]) -> list[TopicState]:
        return await self.inner.describe_topics(topics)

    async def producer(self) -> BusProducer:
        return _Producer(self, await self.inner.producer())

    async def consumer(self, group: str, topics: Sequence[str]) -> BusConsumer:
        return _Consumer(self, await self.inner.consumer(group + self.suffix, topics))

    async def members(self, group: str) -> int:
        return await self.inner.members(group + self.suffix)

    async def bounds(self, topics: Sequence[str]) -> dict[TopicPartition, Bounds]:
        return await self.inner.bounds(topics)

    async def read(self, where: TopicPartition, offset: int, max_records: int) -> list[Record]:
        return await self.inner.read(where, offset, max_records)

    async def close(self) -> None:
        await self.inner.close()


class _Producer:
    def __init__(self, bus: HarmedBus, inner: BusProducer) -> None:
        self._bus = bus
        self._inner = inner

    async def send(self, topic: str, partition: int, messages: Sequence[Message]) -> None:
        await self._inner.send(topic, partition, await self._bus.on_send(partition, messages))
        await self._bus.on_sent(partition)

    async def close(self) -> None:
        await self._inner.close()


class _Consumer:
    def __init__(self, bus: HarmedBus, inner: BusConsumer) -> None:
        self._bus = bus
        self._inner = inner

    async def unpositioned(self) -> frozenset[TopicPartition]:
        return await self._inner.unpositioned()

    def assignment(self) -> frozenset[TopicPartition]:
        return self._inner.assignment()

    def seek(self, where: TopicPartition, offset: int) -> None:
        self._inner.seek(where, offset)

    async def poll(self, max_records: int, timeout: float) -> list[Record]:
        return await self._bus.on_poll(await self._inner.poll(max_records, timeout))

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        await self._bus.on_commit(offsets)
        await self._inner.commit(offsets)

    async def close(self) -> None:
        await self._inner.close()
