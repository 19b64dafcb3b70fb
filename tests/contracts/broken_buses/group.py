"""Buses that break a promise about groups and their members."""

from collections.abc import Mapping, Sequence
from itertools import chain, zip_longest

from shared.messaging.bus import (
    BusConsumer,
    BusError,
    Record,
    TopicPartition,
)
from shared.messaging.embedded_bus import EmbeddedBus
from tests.contracts.broken_buses.sound import SoundBus, SoundConsumer
from tests.contracts.bus_reader import group, place


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


class CountsWhoEverCame(SoundBus):
    """Forgets no member."""

    came: dict[str, int] = {}  # noqa: RUF012 - shared by the buses of all processes

    async def consumer(self, group: str, topics: Sequence[str]) -> BusConsumer:
        self.came[group] = self.came.get(group, 0) + 1
        return await super().consumer(group, topics)

    async def members(self, group: str) -> int:
        return self.came.get(group, 0)


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
