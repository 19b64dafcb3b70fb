"""What waits on either side of the bus, as gauges: outbox rows, records not applied yet, open dead letters.

Looked at now and then by whoever does the work, also while nothing moves; a figure that cannot be had is left as it is.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

import structlog
from prometheus_client import Gauge

from shared.context import Context
from shared.database.database import AWAY
from shared.database.unit_of_work import Connection
from shared.errors import Unavailable
from shared.events import PARTITIONS, cloudevents
from shared.messaging import dead_letters, outbox
from shared.messaging.bus import Bus, BusError, TopicPartition

EVERY_SECONDS: Final = 15.0

OUTBOX_ROWS: Final = Gauge("outbox_rows", "Rows waiting for the bus", ["service"])
OUTBOX_AGE: Final = Gauge("outbox_oldest_age_seconds", "Age of the first row waiting for the bus", ["service"])
LAG: Final = Gauge("consumer_lag_records", "Records not applied yet", ["service", "topic", "partition"])
LETTERS: Final = Gauge("consumer_open_dead_letters", "Dead letters nobody has answered", ["service"])
LETTERS_AGE: Final = Gauge("consumer_oldest_dead_letter_seconds", "Age of the oldest open dead letter", ["service"])

_COUNT: Final = "select count(*) from outbox"
_FIRST: Final = """
select o.headers, o.payload, o.part from generate_series(0, $1::int - 1) as p cross join lateral
    (select * from outbox where outbox.part = p order by outbox.id limit 1) as o order by o.id limit 1
"""

log = structlog.get_logger(__name__)


async def waiting(connection: Connection) -> tuple[int, datetime | None]:
    """How many rows wait for the bus, and since when the first of them does."""
    row = await connection.fetchrow(_FIRST, PARTITIONS)
    if row is None:
        return 0, None
    first = cloudevents.decode(outbox.decode_headers(row["headers"]), row["payload"], row["part"])
    return await connection.fetchval(_COUNT), first.recorded_at


class _Rarely:
    def __init__(self) -> None:
        self._due = 0.0

    def due(self) -> bool:
        now = time.monotonic()
        if now < self._due:
            return False
        self._due = now + EVERY_SECONDS
        return True


class OutboxGauges:
    """How much waits in the outbox of a service, shown by its relay."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._rarely = _Rarely()

    async def show(self, connection: Connection) -> None:
        """Count, if it is time."""
        if not self._rarely.due():
            return
        service, (rows, since) = self._context.service, await waiting(connection)
        OUTBOX_ROWS.labels(service).set(rows)
        OUTBOX_AGE.labels(service).set(_age(since, self._context))


class ConsumerGauges:
    """How far one consumer is behind, and what it could not apply."""

    def __init__(self, context: Context, bus: Bus, topics: Sequence[str]) -> None:
        self._context = context
        self._bus = bus
        self._topics = topics
        self._rarely = _Rarely()
        self._shown: set[TopicPartition] = set()

    async def show(self, positions: Mapping[TopicPartition, int], held: Collection[TopicPartition]) -> None:
        """Count, if it is time; what is no longer `held` is another member's to show."""
        if not self._rarely.due():
            return
        try:
            await self._lag(positions, set(held) & positions.keys())
            await self._letters()
        except (*AWAY, BusError, Unavailable) as error:
            log.info("not_measured", service=self._context.service, error=repr(error))

    async def _lag(self, positions: Mapping[TopicPartition, int], held: set[TopicPartition]) -> None:
        service, bounds = self._context.service, await self._bus.bounds(self._topics)
        for where in self._shown - held:
            LAG.remove(service, where.topic, str(where.partition))
        for where in held:
            LAG.labels(service, where.topic, str(where.partition)).set(bounds[where].next - positions[where])
        self._shown = held

    async def _letters(self) -> None:
        pool = await self._context.database.pool()
        async with pool.acquire() as connection:
            row = await dead_letters.count_open(connection)
        LETTERS.labels(self._context.service).set(row["open"])
        LETTERS_AGE.labels(self._context.service).set(_age(row["oldest"], self._context))


def _age(instant: datetime | None, context: Context) -> float:
    return 0.0 if instant is None else (context.clock.now() - instant).total_seconds()
