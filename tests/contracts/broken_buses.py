"""Buses that each break one promise, to prove that the conformance checks see it. All wrap the embedded bus."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from itertools import chain, zip_longest
from typing import Any

import asyncpg

from shared.messaging.bus import (
    Bounds,
    BusConsumer,
    BusError,
    BusProducer,
    Message,
    OffsetOutOfRange,
    Record,
    TopicPartition,
    TopicState,
)
from shared.messaging.embedded_bus import EmbeddedBus
from shared.messaging.embedded_bus.schema import Topic
from tests.contracts.bus_reader import group, place

DELAY_SECONDS = 0.01


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

    async def bounds(self, topics: Sequence[str]) -> dict[TopicPartition, Bounds]:
        """Pass on."""
        return await self.inner.bounds(topics)

    async def read(self, where: TopicPartition, offset: int, max_records: int) -> list[Record]:
        """Pass on."""
        return await self.inner.read(where, offset, max_records)

    async def close(self) -> None:
        """Pass on."""
        await self.inner.close()


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


class BeginsAtTheFirstOffset(SoundBus):
    """Delivers before `seek`."""

    class Consumer(SoundConsumer):
        async def poll(self, max_records: int, timeout: float) -> list[Record]:
            for where in await self.inner.unpositioned():
                self.inner.seek(where, 0)
            return await self.inner.poll(max_records, timeout)

    consumer_type = Consumer


class BeginsAtTheCommittedOffset(SoundBus):
    """Reads its own commits back."""

    committed: dict[tuple[str, TopicPartition], int] = {}  # noqa: RUF012 - shared by the buses of all processes

    class Consumer(SoundConsumer):
        async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
            await self.inner.commit(offsets)
            self.bus.committed |= {(self.group, where): offset for where, offset in offsets.items()}

        async def poll(self, max_records: int, timeout: float) -> list[Record]:
            for where in await self.inner.unpositioned():
                if (self.group, where) in self.bus.committed:
                    self.inner.seek(where, self.bus.committed[self.group, where])
            return await self.inner.poll(max_records, timeout)

    consumer_type = Consumer


class FailsWhenItCannotCommit(SoundBus):
    """A commit that takes itself seriously."""

    class Consumer(SoundConsumer):
        async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
            await self.inner.commit(offsets)
            if not self.inner.assignment():
                raise BusError("not committed")

    consumer_type = Consumer


class ForgetsSeeks(SoundBus):
    """Only the first `seek` of a partition counts."""

    class Consumer(SoundConsumer):
        async def unpositioned(self) -> frozenset[TopicPartition]:
            self.waiting = await self.inner.unpositioned()
            return self.waiting

        def seek(self, where: TopicPartition, offset: int) -> None:
            if where in self.waiting:
                self.waiting -= {where}
                self.inner.seek(where, offset)

    consumer_type = Consumer


class RemembersWhatItHandedOut(SoundBus):
    """Never gives a record of a group twice."""

    given: dict[tuple[str, TopicPartition], int] = {}  # noqa: RUF012 - shared by the buses of all processes

    class Consumer(SoundConsumer):
        async def poll(self, max_records: int, timeout: float) -> list[Record]:
            records = await self.inner.poll(max_records, timeout)
            fresh = [it for it in records if it.offset >= self.bus.given.get((self.group, place(it)), 0)]
            for record in fresh:
                self.bus.given[self.group, place(record)] = record.offset + 1
            return fresh

    consumer_type = Consumer


class ReadsWhateverIsSought(SoundBus):
    """`seek` adds a partition, assigned or not."""

    class Consumer(SoundConsumer):
        foreign: tuple[TopicPartition, int] | None = None

        def seek(self, where: TopicPartition, offset: int) -> None:
            if where not in self.inner.assignment():
                self.foreign = self.foreign or (where, offset)
            self.inner.seek(where, offset)

        async def poll(self, max_records: int, timeout: float) -> list[Record]:
            if self.foreign is None:
                return await self.inner.poll(max_records, timeout)
            found: list[Record] = await self.bus.read(*self.foreign, max_records)
            return found

    consumer_type = Consumer


class SharesNothing(SoundBus):
    """Every member gets every partition, as if alone in its group."""

    alone = 0

    async def consumer(self, group: str, topics: Sequence[str]) -> BusConsumer:
        self.alone += 1
        return await super().consumer(f"{group}-{id(self)}-{self.alone}", topics)


class KeepsTheFirstMember(SoundBus):
    """Whoever came first has everything as long as he lives."""

    first: dict[str, BusConsumer] = {}  # noqa: RUF012 - shared by the buses of all processes

    async def consumer(self, group: str, topics: Sequence[str]) -> BusConsumer:
        if group in self.first:
            return await super().consumer(f"{group}-spare", [])
        self.first[group] = await super().consumer(group, topics)
        return self.first[group]


class OwnershipOutlivesItsOwner(SoundBus):
    """The locks hang on the connection of another process, the first that used this database."""

    first: dict[str, EmbeddedBus] = {}  # noqa: RUF012 - shared by the buses of all processes

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self.broker = self.first.setdefault(dsn.partition("?")[0], self.inner)

    async def consumer(self, group: str, topics: Sequence[str]) -> BusConsumer:
        return await self.broker.consumer(group, topics)


class CloseForgetsTheGroup(SoundBus):
    """A closed member keeps its partitions."""

    class Consumer(SoundConsumer):
        closed = False

        def assignment(self) -> frozenset[TopicPartition]:
            return frozenset() if self.closed else self.inner.assignment()

        async def close(self) -> None:
            self.closed = True

    consumer_type = Consumer


class KeepsOldPositions(SoundBus):
    """A partition that comes back goes on where this member had stopped."""

    class Consumer(SoundConsumer):
        sought: dict[TopicPartition, int] | None = None

        def seek(self, where: TopicPartition, offset: int) -> None:
            self.sought = (self.sought or {}) | {where: offset}
            self.inner.seek(where, offset)

        async def unpositioned(self) -> frozenset[TopicPartition]:
            for where in await self.inner.unpositioned():
                if where in (self.sought or {}):
                    self.inner.seek(where, (self.sought or {})[where])
            return await self.inner.unpositioned()

        async def poll(self, max_records: int, timeout: float) -> list[Record]:
            await self.unpositioned()
            return await self.inner.poll(max_records, timeout)

    consumer_type = Consumer


class SharesOneGroup(SoundBus):
    """All groups are one."""

    async def consumer(self, group: str, topics: Sequence[str]) -> BusConsumer:  # noqa: ARG002
        return await super().consumer("all", topics)


class SwallowsOnRebalance(SoundBus):
    """What was drawn in the moment in which partitions come or go is passed and never handed out."""

    class Consumer(SoundConsumer):
        before: frozenset[TopicPartition] = frozenset()

        async def poll(self, max_records: int, timeout: float) -> list[Record]:
            records = await self.inner.poll(max_records, timeout)
            swallowed = self.inner.assignment() != self.before and bool(self.before)
            if records or not swallowed:
                self.before = self.inner.assignment()
            return [] if swallowed else records

    consumer_type = Consumer


class LimitsEachPartition(SoundBus):
    """`max_records` per partition."""

    class Consumer(SoundConsumer):
        async def poll(self, max_records: int, timeout: float) -> list[Record]:
            return await self.inner.poll(max_records * max(len(self.inner.assignment()), 1), timeout)

    consumer_type = Consumer


class CutsWhatIsTooMuch(SoundBus):
    """Draws more than was asked for and drops the rest."""

    class Consumer(SoundConsumer):
        async def poll(self, max_records: int, timeout: float) -> list[Record]:
            return (await self.inner.poll(max_records * 2, timeout))[:max_records]

    consumer_type = Consumer


class MixesRecords(SoundBus):
    """Records of partitions by turns, as a merge by time gives them."""

    class Consumer(SoundConsumer):
        async def poll(self, max_records: int, timeout: float) -> list[Record]:
            records = group(await self.inner.poll(max_records, timeout))
            return [record for record in chain(*zip_longest(*records.values())) if record is not None]

    consumer_type = Consumer


class ServesTheFullestFirst(SoundBus):
    """A partition with a full batch waiting gets the whole of every poll."""

    class Consumer(SoundConsumer):
        async def poll(self, max_records: int, timeout: float) -> list[Record]:
            bounds = await self.bus.bounds(self.topics)
            fullest = max(bounds, key=lambda where: bounds[where].next)
            self.position = getattr(self, "position", 0)
            if fullest not in self.inner.assignment() or self.position >= bounds[fullest].next:
                return await self.inner.poll(max_records, timeout)
            records: list[Record] = await self.bus.read(fullest, self.position, max_records)
            self.position += len(records)
            return records

    consumer_type = Consumer


class ReadsOverAnotherConnection(SoundBus):
    """Goes on reading what it believes to own after its session was ended."""

    class Consumer(SoundConsumer):
        believed: frozenset[TopicPartition] = frozenset()

        def assignment(self) -> frozenset[TopicPartition]:
            self.believed = self.inner.assignment() or self.believed
            return self.believed

        async def poll(self, max_records: int, timeout: float) -> list[Record]:
            try:
                return await self.inner.poll(max_records, timeout)
            except BusError:
                return [record for where in self.believed for record in await self.bus.read(where, 0, max_records)]

    consumer_type = Consumer


class RaisesWhatTheDriverRaises(SoundBus):
    """No translation of errors."""

    class Consumer(SoundConsumer):
        async def poll(self, max_records: int, timeout: float) -> list[Record]:
            try:
                return await self.inner.poll(max_records, timeout)
            except BusError as error:
                raise AssertionError("not a BusError") from error

    consumer_type = Consumer


class KeepsItsOldClients(SoundBus):
    """Hands out the producer it has, whether the server was restarted or not."""

    kept: BusProducer | None = None

    async def producer(self) -> BusProducer:
        self.kept = self.kept or await super().producer()
        return self.kept


class WaitsForAnAnswerBeforeItCloses(SoundBus):
    """A farewell without a limit."""

    class Producer(SoundProducer):
        async def close(self) -> None:
            answered = False
            while not answered:
                with contextlib.suppress(BusError):
                    await self.bus.bounds([])
                    answered = True
                await asyncio.sleep(0.1)
            await self.inner.close()

    producer_type = Producer


class ClosesOnce(SoundBus):
    """A second `close` is a mistake of the caller."""

    class Producer(SoundProducer):
        closed = False

        async def close(self) -> None:
            assert not self.closed
            self.closed = True
            await self.inner.close()

    producer_type = Producer
