"""The consumer: takes batches off the bus and applies each in one transaction together with its cursor.

The cursor in the service's own database is the truth; the bus's own commit is a hint for tools. What cannot be read
or applied is stored as a dead letter and passed, so that one bad record never blocks a partition.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import asyncpg
import structlog
from prometheus_client import Counter

from shared.context import Context
from shared.database.database import AWAY
from shared.database.unit_of_work import UnitOfWork
from shared.errors import Unavailable
from shared.events import TOPICS, cloudevents
from shared.events.document import Event
from shared.messaging import dead_letters
from shared.messaging.bus import Bus, BusConsumer, BusError, OffsetOutOfRange, Record, TopicPartition

Handler = Callable[[Sequence[Event], UnitOfWork, Context], Awaitable[None]]
"""Applies a batch of events, of any kinds and parties, in the unit of work that also moves the cursor."""

BACKOFF_SECONDS: Final = 0.5
POLL_SECONDS: Final = 1.0

APPLIED: Final = Counter("consumer_applied_total", "Records applied", ["service"])
DEAD: Final = Counter("consumer_dead_letters_total", "Records stored as dead letters", ["service"])
HOLES: Final = Counter("consumer_offset_holes_total", "Holes in a partition accepted as real", ["service"])

_RETRY: Final = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.LockNotAvailableError)
_TRANSIENT: Final = (*AWAY, *_RETRY, BusError, Unavailable, asyncpg.OperatorInterventionError, TimeoutError)

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


class Hole(Exception):
    """A record does not follow the one before it."""

    def __init__(self, where: TopicPartition, expected: int, found: int) -> None:
        super().__init__(f"{where.topic}/{where.partition}: expected {expected}, found {found}")
        self.where = where
        self.expected = expected
        self.found = found


class Consumer:
    """One member of the service's group."""

    def __init__(self, context: Context, bus: Bus, producers: Sequence[str], handler: Handler) -> None:
        self._context = context
        self._bus = bus
        self._topics = [TOPICS[producer] for producer in producers]
        self._handler = handler
        self._batch = context.settings.consumer_batch
        self._next: dict[TopicPartition, int] = {}
        self._seen_hole: tuple[TopicPartition, int, int] | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop`; a client that fails is dropped, positions are read again from the database."""
        while not stop.is_set():
            member: BusConsumer | None = None
            try:
                member = await self._bus.consumer(f"forewarn.{self._context.service}", self._topics)
                while not stop.is_set():
                    await self.step(member)
            except (CursorMoved, Hole, *_TRANSIENT) as error:
                log.warning("consumer_starts_again", service=self._context.service, error=repr(error))
                await asyncio.sleep(BACKOFF_SECONDS)
            finally:
                if member is not None:
                    with contextlib.suppress(BusError, OSError, TimeoutError):
                        await member.close()

    async def step(self, member: BusConsumer, timeout: float = POLL_SECONDS) -> int:
        """Position what is new, take one batch, apply it; returns how many records were taken."""
        await self._position(member)
        try:
            records = await member.poll(self._batch, timeout)
        except OffsetOutOfRange as error:
            # History was lost or the topic was made anew: skipping would lose documents silently, so it stands still.
            log.error("partition_stopped", service=self._context.service, error=str(error))
            raise
        if records:
            self._check_contiguous(records)
            await self._apply_or_halve(records)
            await member.commit(dict(self._next))
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
            self._next[where] = known[where]
            member.seek(where, known[where])

    def _check_contiguous(self, records: Sequence[Record]) -> None:
        expected = dict(self._next)
        for record in records:
            where = TopicPartition(record.topic, record.partition)
            hole = (where, expected[where], record.offset)
            if record.offset != expected[where]:
                if self._seen_hole != hole or record.offset < expected[where]:
                    self._seen_hole = hole
                    raise Hole(*hole)
                # Found again after fetching anew: compaction or a transaction marker, not a lost fetch.
                HOLES.labels(self._context.service).inc()
                log.error("offset_hole_accepted", where=where, expected=expected[where], found=record.offset)
            expected[where] = record.offset + 1

    async def _apply_or_halve(self, records: Sequence[Record]) -> None:
        """A batch with a bad record is applied by halves until the bad one stands alone and becomes a dead letter."""
        try:
            await self._apply(records)
        except (CursorMoved, *_TRANSIENT):
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
        async with self._context.database.unit_of_work() as unit:
            await self._advance(ends, unit)
            events = [await self._event(record, unit) for record in records]
            await self._handler([event for event in events if event is not None], unit, self._context)
        self._next |= ends
        APPLIED.labels(self._context.service).inc(len(records))

    async def _event(self, record: Record, unit: UnitOfWork) -> Event | None:
        try:
            return cloudevents.decode(record.headers, record.value, record.partition)
        except cloudevents.Undecodable as error:
            await dead_letters.store(record, "undecodable", str(error), unit)
            DEAD.labels(self._context.service).inc()
            return None

    async def _bury(self, record: Record, error: Exception) -> None:
        ends = self._ends([record])
        async with self._context.database.unit_of_work() as unit:
            await self._advance(ends, unit)
            await dead_letters.store(record, type(error).__name__, str(error), unit)
        self._next |= ends
        DEAD.labels(self._context.service).inc()
        log.error("dead_letter", service=self._context.service, topic=record.topic, offset=record.offset)

    def _ends(self, records: Sequence[Record]) -> dict[TopicPartition, int]:
        return {TopicPartition(record.topic, record.partition): record.offset + 1 for record in records}

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
