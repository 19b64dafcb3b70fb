"""Buses that break a promise about the log itself."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence

import asyncpg

from shared.messaging.bus import (
    Bounds,
    BusError,
    Message,
    OffsetOutOfRange,
    Record,
    TopicPartition,
)
from shared.messaging.embedded_bus import EmbeddedBus
from shared.messaging.embedded_bus.schema import Topic
from tests.contracts.broken_buses.sound import SoundBus, SoundConsumer, SoundProducer

DELAY_SECONDS = 0.01


class LosesTheTail(SoundBus):
    """Appends all but the last message of a batch."""

    class Producer(SoundProducer):
        async def send(self, topic: str, partition: int, messages: Sequence[Message]) -> None:
            await self.inner.send(topic, partition, messages[:-1] if len(messages) > 9 else messages)

    producer_type = Producer


class ReordersWithinABatch(SoundBus):
    """Sorts a batch by value, as an index over content would."""

    class Producer(SoundProducer):
        async def send(self, topic: str, partition: int, messages: Sequence[Message]) -> None:
            await self.inner.send(topic, partition, sorted(messages, key=lambda message: message.value))

    producer_type = Producer


class MixesPartitions(SoundBus):
    """Puts what is sent at the same time into the partition of whoever came first."""

    class Producer(SoundProducer):
        sending: int | None = None

        async def send(self, topic: str, partition: int, messages: Sequence[Message]) -> None:
            if self.sending is not None:
                await self.inner.send(topic, self.sending, messages)
                return
            self.sending = partition
            try:
                await self.inner.send(topic, partition, messages)
            finally:
                self.sending = None

    producer_type = Producer


class KeepsHeadersInAMapping(SoundBus):
    """One value per header name."""

    class Producer(SoundProducer):
        async def send(self, topic: str, partition: int, messages: Sequence[Message]) -> None:
            unique = [message._replace(headers=tuple(dict(message.headers).items())) for message in messages]
            await self.inner.send(topic, partition, unique)

    producer_type = Producer


class MakesNullKeysEmpty(SoundBus):
    """`key or b""`."""

    class Producer(SoundProducer):
        async def send(self, topic: str, partition: int, messages: Sequence[Message]) -> None:
            await self.inner.send(topic, partition, [message._replace(key=message.key or b"") for message in messages])

    producer_type = Producer


class TakesOffsetsOutsideTheLock(SoundBus):
    """Offsets from a counter that is committed before the rows are, read with `offset >= position`."""

    class Producer(SoundProducer):
        async def send(self, topic: str, partition: int, messages: Sequence[Message]) -> None:
            connection = await asyncpg.connect(self.bus.dsn)
            try:
                row = await connection.fetchrow(
                    "update partition set next_offset = next_offset + $3 from topic where id = topic and name = $1"
                    " and part = $2 returning id, next_offset - $3",
                    *(topic, partition, len(messages)),
                )
                assert row is not None
                number, first = row
                # Whoever came later may be quicker.
                await asyncio.sleep(first % 3 * DELAY_SECONDS)
                rows = [(number, partition, first + place, m.key, b"", m.value) for place, m in enumerate(messages)]
                await connection.copy_records_to_table("log", records=rows)
            finally:
                await connection.close()

    class Consumer(SoundConsumer):
        positions: dict[TopicPartition, int]

        async def unpositioned(self) -> frozenset[TopicPartition]:
            self.positions = getattr(self, "positions", {})
            await self.inner.unpositioned()
            return self.assignment() - self.positions.keys()

        def seek(self, where: TopicPartition, offset: int) -> None:
            self.positions[where] = offset

        async def poll(self, max_records: int, timeout: float) -> list[Record]:
            await self.inner.poll(1, timeout / 100)
            connection = await asyncpg.connect(self.bus.dsn)
            try:
                rows = await connection.fetch(
                    "select name, part, log.* from log join topic on id = topic"
                    " join unnest($1::text[], $2::int[], $3::bigint[]) as p (name, part, position) using (name, part)"
                    ' where "offset" >= position order by "offset" limit $4',
                    *([where[index] for where in self.positions] for index in (0, 1)),
                    list(self.positions.values()),
                    max_records,
                )
            finally:
                await connection.close()
            for row in rows:
                self.positions[TopicPartition(row["name"], row["part"])] = row["offset"] + 1
            return [Record(row["name"], row["part"], row["offset"], row["key"], row["value"], ()) for row in rows]

    producer_type = Producer
    consumer_type = Consumer


class AcknowledgesTooEarly(SoundBus):
    """`send` returns before the append is durable."""

    class Producer(SoundProducer):
        sending: asyncio.Task[None]

        async def send(self, topic: str, partition: int, messages: Sequence[Message]) -> None:
            self.sending = asyncio.create_task(self._later(topic, partition, messages))

        async def _later(self, topic: str, partition: int, messages: Sequence[Message]) -> None:
            await asyncio.sleep(DELAY_SECONDS)
            with contextlib.suppress(BusError):
                await self.inner.send(topic, partition, messages)

    producer_type = Producer


class HidesSendErrors(SoundBus):
    """What could not be sent passes for sent."""

    class Producer(SoundProducer):
        async def send(self, topic: str, partition: int, messages: Sequence[Message]) -> None:
            with contextlib.suppress(BusError):
                await self.inner.send(topic, partition, messages)

    producer_type = Producer


class ConnectsAgainByItself(SoundBus):
    """A producer that goes on with the next batch after an error."""

    class Producer(SoundProducer):
        async def send(self, topic: str, partition: int, messages: Sequence[Message]) -> None:
            try:
                await self.inner.send(topic, partition, messages)
            except BusError:
                self.inner = await self.bus.inner.producer()
                raise

    producer_type = Producer


class DropsRepetitions(SoundBus):
    """Takes a batch that begins like one it has failed to send for a duplicate, and drops it with what follows."""

    failed: Sequence[Message] | None = None

    class Producer(SoundProducer):
        async def send(self, topic: str, partition: int, messages: Sequence[Message]) -> None:
            if self.bus.failed is not None:
                return
            try:
                await self.inner.send(topic, partition, messages)
            except BusError:
                self.bus.failed = messages
                raise

    producer_type = Producer


class CreatesTopicsOnUse(SoundBus):
    """Kafka's `auto.create.topics.enable`."""

    class Producer(SoundProducer):
        async def send(self, topic: str, partition: int, messages: Sequence[Message]) -> None:
            with contextlib.suppress(BusError):
                await self.bus.create_topics({topic: 1})
            await self.inner.send(topic, partition, messages)

    producer_type = Producer


class AcceptsAnyNumberOfPartitions(SoundBus):
    """Leaves a topic as it is, whatever was asked for."""

    async def create_topics(self, topics: Mapping[str, int]) -> list[str]:
        for name, partitions in topics.items():
            with contextlib.suppress(BusError):
                await self.inner.create_topics({name: partitions})
        return []


class CountsFromZeroForEver(SoundBus):
    """Bounds that know nothing of deleted history."""

    async def bounds(self, topics: Sequence[str]) -> dict[TopicPartition, Bounds]:
        return {where: Bounds(0, found.next) for where, found in (await self.inner.bounds(topics)).items()}


class ReadsToTheEnd(SoundBus):
    """A read for tools without its limit."""

    async def read(self, where: TopicPartition, offset: int, max_records: int) -> list[Record]:
        return await self.inner.read(where, offset, max_records * 100)


class ResetsToTheEarliest(SoundBus):
    """Kafka's `auto.offset.reset=earliest`."""

    class Consumer(SoundConsumer):
        async def poll(self, max_records: int, timeout: float) -> list[Record]:
            try:
                return await self.inner.poll(max_records, timeout)
            except OffsetOutOfRange:
                for where, bounds in (await self.bus.bounds(self.topics)).items():
                    self.inner.seek(where, bounds.first)
                return await self.inner.poll(max_records, timeout)

    consumer_type = Consumer


class GoesOnAfterAnError(SoundBus):
    """Keeps the positions of the other partitions after `OffsetOutOfRange`."""

    class Consumer(SoundConsumer):
        positions: dict[TopicPartition, int] | None = None

        def seek(self, where: TopicPartition, offset: int) -> None:
            self.positions = (self.positions or {}) | {where: offset}
            self.inner.seek(where, offset)

        async def poll(self, max_records: int, timeout: float) -> list[Record]:
            try:
                return await self.inner.poll(max_records, timeout)
            except OffsetOutOfRange as error:
                for where, offset in (self.positions or {}).items():
                    if where != error.where:
                        self.inner.seek(where, offset)
                raise

    consumer_type = Consumer


class NeverWaits(SoundBus):
    """A poll that returns at once."""

    class Consumer(SoundConsumer):
        async def poll(self, max_records: int, timeout: float) -> list[Record]:
            return await self.inner.poll(max_records, min(timeout, 0.05))

    consumer_type = Consumer


class _SilentBus(EmbeddedBus):
    def _announce(self, topics: set[Topic]) -> None: ...


class NeverWakes(SoundBus):
    """Appends that nobody announces: the slow poll alone finds them."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self.inner = _SilentBus(dsn)
