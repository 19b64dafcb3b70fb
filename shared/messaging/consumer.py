"""The consumer: takes batches off the bus and applies each in one transaction together with its cursor.

The cursor in the service's own database is the truth; the bus's own commit is a hint for tools. What cannot be read
or applied is stored as a dead letter and passed, so that one bad record never blocks a partition.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

import structlog
from prometheus_client import Counter, Gauge

from shared.context import Context
from shared.database.database import AWAY, BLAMELESS
from shared.database.unit_of_work import UnitOfWork
from shared.errors import Unavailable
from shared.events import TOPICS, cloudevents
from shared.events.document import Event
from shared.messaging import dead_letters
from shared.messaging.bus import Bus, BusConsumer, BusError, OffsetOutOfRange, Record, TopicPartition
from shared.messaging.gauges import ConsumerGauges

Handler = Callable[[Sequence[Event], UnitOfWork, Context], Awaitable[None]]
"""Applies a batch of events, of any kinds and parties, in the unit of work that also moves the cursor."""

BACKOFF_SECONDS: Final = 0.5
POLL_SECONDS: Final = 1.0

APPLIED: Final = Counter("consumer_applied_total", "Records applied", ["service"])
DEAD: Final = Counter("consumer_dead_letters_total", "Records stored as dead letters", ["service"])
HOLES: Final = Counter("consumer_offset_holes_total", "Holes in a partition accepted as real", ["service"])
STOPPED: Final = Gauge("consumer_stopped_partitions", "Partitions whose log does not have what comes next", ["service"])

_PASSING: Final = (*BLAMELESS, BusError, Unavailable, TimeoutError)
"""No record is to blame for these: none becomes a dead letter, the batch is tried again."""

_POSITIONS: Final = "select topic, part, next_offset from cursor where topic = any($1)"
_START: Final = "insert into cursor (topic, part, next_offset) values ($1, $2, $3) on conflict do nothing"
# Rows are locked in the order of the primary key, before any document.
_ADVANCE: Final = """
with locked as (
    select topic, part from cursor join unnest($1::text[], $2::smallint[], $3::bigint[]) as new (topic, part, start)
        using (topic, part) where cursor.next_offset = new.start order by topic, part for update of cursor
)
update cursor set next_offset = new.next
from unnest($1::text[], $2::smallint[], $4::bigint[]) as new (topic, part, next)
where cursor.topic = new.topic and cursor.part = new.part
    and (cursor.topic, cursor.part) in (select topic, part from locked)
"""

log = structlog.get_logger(__name__)


class CursorMoved(Exception):
    """Another member has applied these records; the batch is thrown away and every partition positioned again."""


class Hole(NamedTuple):
    """Where a record does not follow the one before it."""

    where: TopicPartition
    expected: int
    found: int


class HoleFound(Exception):
    """A batch has a hole that was not seen before; it is thrown away and every partition positioned again."""


class Consumer:
    """One member of the service's group."""

    def __init__(self, context: Context, bus: Bus, producers: Sequence[str], handler: Handler) -> None:
        self._context = context
        self._bus = bus
        self._topics = [TOPICS[producer] for producer in producers]
        self._handler = handler
        self._batch = context.settings.consumer_batch
        self._next: dict[TopicPartition, int] = {}
        self._holes: set[Hole] = set()
        self._stopped: dict[TopicPartition, int] = {}
        self._gauges = ConsumerGauges(context, bus, self._topics)

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop`; a client that fails is dropped, positions are read again from the database."""
        while not stop.is_set():
            try:
                await self._consume(stop)
            except (CursorMoved, HoleFound, *_PASSING, *AWAY) as error:
                log.warning("consumer_starts_again", service=self._context.service, error=repr(error))
                await asyncio.sleep(BACKOFF_SECONDS)

    async def _consume(self, stop: asyncio.Event) -> None:
        member = await self._bus.consumer(f"forewarn.{self._context.service}", self._topics)
        try:
            while not stop.is_set():
                await self.step(member)
                await self._gauges.show(self._next, member.assignment())
        finally:
            with contextlib.suppress(BusError, OSError, TimeoutError):
                await member.close()

    async def step(self, member: BusConsumer, timeout: float = POLL_SECONDS) -> int:
        """Position what is new, take one batch, apply it; returns how many records were taken."""
        await self._position(member)
        try:
            records = await member.poll(self._batch, timeout)
        except OffsetOutOfRange as error:
            self._stop(error)
            return 0
        if records:
            self._check_contiguous(records)
            await self._apply_or_halve(records)
            await member.commit({where: self._next[where] for where in self._ends(records)})
        return len(records)

    async def _position(self, member: BusConsumer) -> None:
        waiting = await member.unpositioned()
        if not waiting:
            return
        pool = await self._context.database.pool()
        known = {
            TopicPartition(row["topic"], row["part"]): row["next_offset"]
            for row in await pool.fetch(_POSITIONS, self._topics)
        }
        missing = [where for where in waiting if where not in known]
        if missing:
            bounds = await self._bus.bounds(self._topics)
            for where in sorted(missing):
                known[where] = bounds[where].first
                await pool.execute(_START, where.topic, where.partition, known[where])
        for where in waiting:
            if self._stopped.get(where) != known[where]:
                self._stopped.pop(where, None)
                self._next[where] = known[where]
                member.seek(where, known[where])
        STOPPED.labels(self._context.service).set(len(self._stopped))

    def _stop(self, error: OffsetOutOfRange) -> None:
        """History was lost or the topic was made anew: skipping would lose documents silently.

        The partition stands still until its cursor is another; the others go on.
        """
        self._stopped[error.where] = self._next[error.where]
        log.error("partition_stopped", service=self._context.service, error=str(error))

    def _check_contiguous(self, records: Sequence[Record]) -> None:
        """A hole found again after fetching anew is compaction or a transaction marker, not a lost fetch."""
        holes = self._holes_in(records)
        new = [hole for hole in holes if hole not in self._holes or hole.found < hole.expected]
        if new:
            self._holes.update(new)
            raise HoleFound(str(new[0]))
        for hole in holes:
            HOLES.labels(self._context.service).inc()
            log.error("offset_hole_accepted", service=self._context.service, hole=str(hole))

    def _holes_in(self, records: Sequence[Record]) -> list[Hole]:
        expected = dict(self._next)
        holes: list[Hole] = []
        for record in records:
            where = TopicPartition(record.topic, record.partition)
            if record.offset != expected[where]:
                holes.append(Hole(where, expected[where], record.offset))
            expected[where] = record.offset + 1
        return holes

    async def _apply_or_halve(self, records: Sequence[Record]) -> None:
        """A batch with a bad record is applied by halves until the bad one stands alone and becomes a dead letter."""
        try:
            await self._apply(records)
        except (CursorMoved, *_PASSING):
            raise
        except Exception as error:  # noqa: BLE001 - stored with the record
            if len(records) == 1:
                await self._bury(records[0], error)
                return
            middle = len(records) // 2
            await self._apply_or_halve(records[:middle])
            await self._apply_or_halve(records[middle:])

    async def _apply(self, records: Sequence[Record]) -> None:
        ends = self._ends(records)
        events: list[Event] = []
        async with self._context.database.unit_of_work() as unit:
            await self._advance(ends, unit)
            for record in records:
                try:
                    events.append(cloudevents.decode(record.headers, record.value, record.partition))
                except cloudevents.Undecodable as error:
                    await dead_letters.store(record, error, unit)
            await self._handler(events, unit, self._context)
        self._moved(ends)
        APPLIED.labels(self._context.service).inc(len(events))
        DEAD.labels(self._context.service).inc(len(records) - len(events))

    async def _bury(self, record: Record, error: Exception) -> None:
        ends = self._ends([record])
        async with self._context.database.unit_of_work() as unit:
            await self._advance(ends, unit)
            await dead_letters.store(record, error, unit)
        self._moved(ends)
        DEAD.labels(self._context.service).inc()
        log.error(
            "dead_letter",
            service=self._context.service,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            code=dead_letters.code_of(error),
        )

    def _ends(self, records: Sequence[Record]) -> dict[TopicPartition, int]:
        return {TopicPartition(record.topic, record.partition): record.offset + 1 for record in records}

    def _moved(self, ends: dict[TopicPartition, int]) -> None:
        self._next |= ends
        # The same hole after a rewind is looked at anew.
        self._holes = {hole for hole in self._holes if hole.expected >= self._next[hole.where]}

    async def _advance(self, ends: dict[TopicPartition, int], unit: UnitOfWork) -> None:
        places = sorted(ends)
        status = await unit.connection.execute(
            _ADVANCE,
            [where.topic for where in places],
            [where.partition for where in places],
            [self._next[where] for where in places],
            [ends[where] for where in places],
        )
        if status != f"UPDATE {len(places)}":
            raise CursorMoved
