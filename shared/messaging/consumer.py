"""The consumer: takes batches off the bus and applies each in one transaction together with its cursor.

While PostgreSQL applies one batch the next one is fetched and decoded: half of the time goes into either.

The cursor in the service's own database is the truth; the bus's own commit is a hint for tools. What cannot be read
or applied is stored as a dead letter and passed, so that one bad record never blocks a partition.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, NamedTuple

import structlog
from prometheus_client import Counter

from shared.context import Context
from shared.database.database import AWAY, BLAMELESS
from shared.database.unit_of_work import UnitOfWork
from shared.errors import Unavailable
from shared.events import TOPICS, cloudevents
from shared.events.document import Event
from shared.messaging import dead_letters, markers
from shared.messaging.bus import Bus, BusConsumer, BusError, OffsetOutOfRange, Record, TopicPartition

Handler = Callable[[Sequence[Event], UnitOfWork, Context], Awaitable[None]]
"""Applies a batch of events, of any kinds and parties, in the unit of work that also moves the cursor."""

Completed = Callable[[UnitOfWork, Context], Awaitable[None]]
"""Called when a rebuild has come to its end: documents are complete again, and nothing was judged meanwhile."""

BACKOFF_SECONDS: Final = 0.5
POLL_SECONDS: Final = 1.0

APPLIED: Final = Counter("consumer_applied_total", "Records applied", ["service"])
DEAD: Final = Counter("consumer_dead_letters_total", "Records stored as dead letters", ["service"])
HOLES: Final = Counter("consumer_offset_holes_total", "Holes in a partition accepted as real", ["service"])

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


class Taken(NamedTuple):
    """A record, and the event in it or why there is none."""

    record: Record
    event: Event | cloudevents.Undecodable


class Batch(NamedTuple):
    """Records that follow one another from `starts` on."""

    starts: dict[TopicPartition, int]
    taken: list[Taken]


class HoleFound(Exception):
    """A batch has a hole that was not seen before; it is thrown away and every partition positioned again."""


class Consumer:
    """One member of the service's group."""

    def __init__(
        self,
        context: Context,
        bus: Bus,
        producers: Sequence[str],
        handler: Handler,
        completed: Completed | None = None,
    ) -> None:
        self._context = context
        self._bus = bus
        self._topics = [TOPICS[producer] for producer in producers]
        self._handler = handler
        self._completed = completed
        self._producer_of = {TOPICS[producer]: producer for producer in producers}
        self._batch = context.settings.consumer_batch
        self._next: dict[TopicPartition, int] = {}
        self._fetched: dict[TopicPartition, int] = {}
        self._holes: set[Hole] = set()
        self._stopped: dict[TopicPartition, int] = {}
        # Shown before the first one: of a series that begins with 1 no monitoring sees that it has risen.
        HOLES.labels(context.service)

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
        ahead = asyncio.create_task(self._take(member, POLL_SECONDS))
        try:
            while not stop.is_set():
                batch = await ahead
                ahead = asyncio.create_task(self._take(member, POLL_SECONDS))
                await self._settle(batch, member)
        finally:
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)
            with contextlib.suppress(BusError, OSError, TimeoutError):
                await member.close()

    async def step(self, member: BusConsumer, timeout: float = POLL_SECONDS) -> int:
        """Position what is new, take one batch, apply it; returns how many records were taken."""
        batch = await self._take(member, timeout)
        await self._settle(batch, member)
        return len(batch.taken)

    async def _take(self, member: BusConsumer, timeout: float) -> Batch:
        """The next batch, decoded; it follows what was fetched before, which need not have been applied yet."""
        await self._position(member)
        try:
            records = await member.poll(self._batch, timeout)
        except OffsetOutOfRange as error:
            self._stop(error)
            return Batch({}, [])
        self._check_contiguous(records)
        ends = _ends(records)
        starts = {where: self._fetched[where] for where in ends}
        self._fetched |= ends
        return Batch(starts, [Taken(record, _event_in(record)) for record in records])

    async def _settle(self, batch: Batch, member: BusConsumer) -> None:
        if any(self._next[where] != start for where, start in batch.starts.items()):
            # The partition was lost and came back between fetching and applying.
            raise CursorMoved
        if batch.taken:
            await self._apply_or_halve(batch.taken)
            await member.commit({where: self._next[where] for where in batch.starts})

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
                await self._start(where, known[where])
        for where in waiting:
            if self._stopped.get(where) != known[where]:
                self._stopped.pop(where, None)
                self._next[where] = self._fetched[where] = known[where]
                member.seek(where, known[where])

    async def _start(self, where: TopicPartition, offset: int) -> None:
        """Begin a partition. What was forgotten of it before has to be republished first."""
        async with self._context.database.unit_of_work() as unit:
            begun = await unit.connection.execute(_START, where.topic, where.partition, offset)
            if offset > 0 and begun == "INSERT 0 1":
                await markers.close(self._producer_of[where.topic], [where.partition], unit.connection)
                log.error("history_incomplete", service=self._context.service, topic=where.topic, first=offset)

    def _stop(self, error: OffsetOutOfRange) -> None:
        """History was lost or the topic was made anew: skipping would lose documents silently.

        The partition stands still until its cursor is another; the others go on.
        """
        self._stopped[error.where] = self._fetched[error.where]
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
        expected = dict(self._fetched)
        holes: list[Hole] = []
        for record in records:
            where = TopicPartition(*record[:2])
            if record.offset != expected[where]:
                holes.append(Hole(where, expected[where], record.offset))
            expected[where] = record.offset + 1
        return holes

    async def _apply_or_halve(self, batch: Sequence[Taken]) -> None:
        """A batch with a bad record is applied by halves until the bad one stands alone and becomes a dead letter."""
        try:
            await self._apply(batch)
        except (CursorMoved, *_PASSING):
            raise
        except Exception as error:  # noqa: BLE001 - stored with the record
            if len(batch) == 1:
                await self._bury(batch[0].record, error)
                return
            middle = len(batch) // 2
            await self._apply_or_halve(batch[:middle])
            await self._apply_or_halve(batch[middle:])

    async def _apply(self, batch: Sequence[Taken]) -> None:
        ends = _ends(taken.record for taken in batch)
        events = [taken.event for taken in batch if isinstance(taken.event, Event)]
        async with self._context.database.unit_of_work() as unit:
            await self._advance(ends, unit)
            for record, event in batch:
                if isinstance(event, cloudevents.Undecodable):
                    await dead_letters.store(record, event, unit)
            taken = await markers.take(events, unit.connection)
            await self._handler(taken.events, unit, self._context)
            if taken.opened and self._completed is not None:
                await self._completed(unit, self._context)
        self._moved(ends)
        APPLIED.labels(self._context.service).inc(len(events))
        DEAD.labels(self._context.service).inc(len(batch) - len(events))

    async def _bury(self, record: Record, error: Exception) -> None:
        ends = _ends([record])
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


def _ends(records: Iterable[Record]) -> dict[TopicPartition, int]:
    ends = {record[:2]: record.offset + 1 for record in records}
    return {TopicPartition(*where): end for where, end in ends.items()}


def _event_in(record: Record) -> Event | cloudevents.Undecodable:
    try:
        return cloudevents.decode(record.headers, record.value, record.partition)
    except cloudevents.Undecodable as error:
        return error
