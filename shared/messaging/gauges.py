"""What waits on either side of the bus, what stands still, and how old promises are, as gauges of one service.

Looked at beside the work and not by it, so that work which hangs is seen too; by what the database and the log say, so
that every worker of a service shows the same. Ages are computed when they are asked for: they grow also while nothing
can be looked at.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Final

import asyncpg
import structlog
from prometheus_client import Gauge

from shared.context import Context
from shared.database.database import AWAY
from shared.database.unit_of_work import Connection
from shared.errors import Unavailable
from shared.events import TOPICS
from shared.messaging import dead_letters, horizon, lag, markers, republication
from shared.messaging.backlog import History, OutboxWatch
from shared.messaging.bus import Bus, BusError, OffsetOutOfRange, TopicPartition

EVERY_SECONDS: Final = 15.0

MEASURED: Final = Gauge("gauges_measured_timestamp_seconds", "When these gauges could be measured last", ["service"])
BUS: Final = Gauge("bus_reachable", "1 if the bus answered when it was last looked at", ["service"])
OUTBOX_ROWS: Final = Gauge("outbox_rows", "Rows waiting for the bus", ["service"])
OUTBOX_LIMIT: Final = Gauge("outbox_limit_rows", "Rows beyond which documents are refused", ["service"])
OUTBOX_AGE: Final = Gauge("outbox_oldest_age_seconds", "Age of the first row waiting for the bus", ["service"])
UNCONFIRMED: Final = Gauge(
    "producer_unconfirmed_restore", "1 while a restore from a backup waits for its confirmation", ["service"]
)
LAG: Final = Gauge("consumer_lag_records", "Records not applied yet", ["service", "topic", "partition"])
LAG_SECONDS: Final = Gauge(
    "consumer_lag_seconds", "Age of the first record not applied yet", ["service", "topic", "partition"]
)
STOPPED: Final = Gauge("consumer_stopped_partitions", "Partitions whose log does not have what comes next", ["service"])
LETTERS: Final = Gauge("consumer_open_dead_letters", "Dead letters nobody has answered", ["service"])
LETTERS_AGE: Final = Gauge("consumer_oldest_dead_letter_seconds", "Age of the oldest open dead letter", ["service"])
GATE: Final = Gauge(
    "consumer_gate_closed", "1 while nothing is judged, until a republication has come through", ["service", "producer"]
)
WATERMARK: Final = Gauge(
    "watermark_age_seconds", "Age of the instant up to which a kind is complete in every partition", ["service", "kind"]
)

log = structlog.get_logger(__name__)


class Gauges:
    """The gauges of one service: of its outbox, if it publishes, and of what it consumes of `producers`."""

    def __init__(self, context: Context, bus: Bus, *, publishes: bool, producers: Sequence[str]) -> None:
        self._context = context
        self._bus = bus
        self._producers = producers
        self._topics = [TOPICS[producer] for producer in producers]
        self._outbox = OutboxWatch(context) if publishes else None
        self._history: dict[TopicPartition, History] = {}
        self._since: dict[TopicPartition, tuple[int, datetime]] = {}
        self._kinds: set[str] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Look again and again until `stop`."""
        while not stop.is_set():
            await self.look()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), EVERY_SECONDS)

    async def look(self) -> None:
        """Measure everything once; what cannot be measured stays as it is, except that its age grows."""
        looks = [await self._tried(self._look_at_database), await self._tried(self._look_at_bus)]
        if all(looks):
            MEASURED.labels(self._context.service).set_to_current_time()

    async def _tried(self, look: Callable[[], Awaitable[None]]) -> bool:
        try:
            await look()
        except (*AWAY, asyncpg.PostgresError, BusError, Unavailable, TimeoutError) as error:
            log.info("not_measured", service=self._context.service, error=repr(error))
            return False
        return True

    async def _look_at_database(self) -> None:
        pool = await self._context.database.pool()
        async with pool.acquire() as connection:
            if self._outbox is not None:
                await self._show_outbox(self._outbox, connection)
            if self._topics:
                await self._show_letters(connection)
                await self._show_promises(connection)

    async def _show_outbox(self, outbox: OutboxWatch, connection: Connection) -> None:
        service, found = self._context.service, await outbox.look(connection)
        OUTBOX_ROWS.labels(service).set(found.rows)
        OUTBOX_LIMIT.labels(service).set(self._context.settings.outbox_limit)
        OUTBOX_AGE.labels(service).set_function(self._age(found.since))
        UNCONFIRMED.labels(service).set(await republication.unconfirmed(connection))

    async def _show_letters(self, connection: Connection) -> None:
        row = await dead_letters.count_open(connection)
        LETTERS.labels(self._context.service).set(row["open"])
        LETTERS_AGE.labels(self._context.service).set_function(self._age(row["oldest"]))

    async def _show_promises(self, connection: Connection) -> None:
        service, closed = self._context.service, await markers.closed(connection)
        for producer in self._producers:
            GATE.labels(service, producer).set(producer in closed)
        found = await horizon.watermarks(connection)
        for kind in self._kinds - found.keys():
            WATERMARK.remove(service, kind)
        for kind, until in found.items():
            WATERMARK.labels(service, kind).set_function(self._age(until))
        self._kinds = set(found)

    async def _look_at_bus(self) -> None:
        service = self._context.service
        # Before the bounds: a cursor that moved between the two must not seem to lie behind the end.
        known = await self._positions() if self._topics else {}
        try:
            bounds = await self._bus.bounds(self._topics or [TOPICS[service]])
        except BusError:
            BUS.labels(service).set(0)
            raise
        BUS.labels(service).set(1)
        if self._topics:
            STOPPED.labels(service).set(sum(lag.is_stopped(where, known, bounds[where]) for where in bounds))
            for where, found in bounds.items():
                await self._show_lag(where, *lag.unread(where, known, found), found.next)

    async def _positions(self) -> dict[TopicPartition, int]:
        pool = await self._context.database.pool()
        async with pool.acquire() as connection:
            return await lag.positions(self._topics, connection)

    async def _show_lag(self, where: TopicPartition, position: int, records: int, end: int) -> None:
        labels = (self._context.service, where.topic, str(where.partition))
        self._history.setdefault(where, History()).seen(self._context.clock.now(), end)
        LAG.labels(*labels).set(records)
        since = await self._waiting_since(where, position) if records else None
        LAG_SECONDS.labels(*labels).set_function(self._age(since))

    async def _waiting_since(self, where: TopicPartition, position: int) -> datetime:
        """When the record at `position` came; if that was before we looked, when it was recorded.

        A document sent again was recorded long ago, so that is the second choice; and it costs a read.
        """
        _, came = self._history[where].came(position)
        if came is not None:
            return came
        if self._since.get(where, (None,))[0] != position:
            recorded = None
            with contextlib.suppress(OffsetOutOfRange):
                recorded = await lag.recorded_at(where, position, self._bus)
            self._since[where] = position, recorded or self._context.clock.now()
        return self._since[where][1]

    def _age(self, since: datetime | None) -> Callable[[], float]:
        return partial(_seconds_since, since, self._context)


def _seconds_since(since: datetime | None, context: Context) -> float:
    return 0.0 if since is None else max(0.0, (context.clock.now() - since).total_seconds())
