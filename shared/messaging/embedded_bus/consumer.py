"""One member of a group: partitions by locks, positions by `seek`, records by poll, wake-ups by NOTIFY.

Locks, reads and wake-ups share one connection, so that whoever can read still owns.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Final

import structlog

from shared.messaging.bus import BusError, OffsetOutOfRange, Record, TopicPartition
from shared.messaging.embedded_bus import log as bus_log
from shared.messaging.embedded_bus.connection import Connection, bus_errors, disconnect
from shared.messaging.embedded_bus.membership import Membership
from shared.messaging.embedded_bus.schema import Topic

REBALANCE_SECONDS: Final = 0.5
"""How often a member looks at the locks of its group, and for records of which it has not heard."""

SETTINGS: Final = {
    # A member that does not come back for this long has hung: the server ends its session and frees its partitions.
    "idle_session_timeout": "300s",
    # Only commit hints are written here.
    "synchronous_commit": "off",
    # The log is read along its key only; statistics of an empty or fast growing table suggest otherwise.
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
}

_COMMIT: Final = """
insert into committed (consumer_group, topic, part, next_offset)
select $1, * from unnest($2::smallint[], $3::smallint[], $4::bigint[])
on conflict (consumer_group, topic, part) do update set next_offset = excluded.next_offset, committed_at = now()
"""

log = structlog.get_logger(__name__)


class EmbeddedConsumer:
    """A member of a group; after a `BusError` it holds nothing and has to be replaced."""

    def __init__(self, connection: Connection, membership: Membership, topics: Mapping[str, Topic]) -> None:
        self._connection = connection
        self._membership = membership
        self._topics = topics
        self._using = asyncio.Lock()
        self._held: frozenset[TopicPartition] = frozenset()
        self._positions: dict[TopicPartition, int] = {}
        self._rebalance_at = 0.0
        self._appended = asyncio.Event()
        connection.add_termination_listener(lambda _: self._appended.set())

    async def listen(self) -> None:
        """Be woken by appends to the topics of this member."""
        with bus_errors():
            for topic in self._topics.values():
                await self._connection.add_listener(channel(topic), lambda *_: self._appended.set())

    async def unpositioned(self) -> frozenset[TopicPartition]:
        """Partitions assigned to this member that wait for `seek`, also those lost and assigned again."""
        async with self._using:
            await self._rebalance()
        return self._held.difference(self._positions)

    def assignment(self) -> frozenset[TopicPartition]:
        """Partitions this member holds now."""
        return frozenset() if self._connection.is_closed() else self._held

    def seek(self, where: TopicPartition, offset: int) -> None:
        """Make `offset` the next record of that partition. Ignored for a partition the member has lost."""
        if where in self._held:
            self._positions[where] = offset

    async def poll(self, max_records: int, timeout: float) -> list[Record]:
        """At most `max_records` records; [] after `timeout` seconds, or earlier when partitions came or went."""
        deadline = time.monotonic() + timeout
        while True:
            self._appended.clear()
            async with self._using:
                changed = await self._rebalance()
                records = await self._read(max_records)
            left = deadline - time.monotonic()
            if records or changed or left <= 0:
                return records
            await self._wait(min(left, max(self._rebalance_at - time.monotonic(), 0.0)))

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Tell the bus how far the group is: a hint for tools, never read back. Failure is not an error."""
        if not offsets:
            return
        places = [(self._topics[where.topic].id, where.partition, offset) for where, offset in offsets.items()]
        try:
            async with self._using:
                with bus_errors():
                    columns = [list(column) for column in zip(*places, strict=True)]
                    await self._connection.execute(_COMMIT, self._membership.group, *columns)
        except BusError as error:
            log.info("commit_hint_lost", error=str(error))

    async def close(self) -> None:
        """Leave the group, within seconds, also when the bus is away."""
        self._lose()
        await disconnect(self._connection)

    async def _rebalance(self) -> bool:
        """Look at the group's locks if it is time; returns whether partitions came or went."""
        if self._connection.is_closed():
            self._lose()
            raise BusError("the connection that held the partitions is lost")
        if time.monotonic() < self._rebalance_at:
            return False
        try:
            held = await self._membership.rebalance()
        except BaseException:
            # What was taken or given up is not known; the locks go with the connection.
            self._lose()
            self._connection.terminate()
            raise
        changed, self._held = held != self._held, held
        self._positions = {where: offset for where, offset in self._positions.items() if where in held}
        self._rebalance_at = time.monotonic() + REBALANCE_SECONDS
        return changed

    async def _read(self, max_records: int) -> list[Record]:
        if not self._positions:
            return []
        try:
            records, ends = await bus_log.read(self._connection, self._topics, self._positions, max_records)
        except OffsetOutOfRange:
            self._positions.clear()
            raise
        except BusError:
            self._lose()
            raise
        self._positions |= ends
        if records:
            # The next read serves another partition first.
            first = next(iter(self._positions))
            self._positions[first] = self._positions.pop(first)
        return records

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._appended.wait(), seconds)
        except TimeoutError:
            return

    def _lose(self) -> None:
        self._held = frozenset()
        self._positions.clear()


def channel(topic: Topic) -> str:
    """The channel on which appends to a topic are announced."""
    return f"bus_topic_{topic.id}"
