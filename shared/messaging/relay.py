"""The relay: takes outbox rows to the bus, in id order per partition, and deletes exactly what was acknowledged.

It selects what is present, never `id > last`: ids are handed out before commit, so a cursor would lose rows.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Collection, Sequence
from operator import itemgetter
from typing import Final, TypeAlias

import asyncpg
import structlog
from prometheus_client import Counter

from shared.context import Context
from shared.database.database import AWAY
from shared.database.leadership import leading_session
from shared.database.wakeup import Listener
from shared.errors import Unavailable
from shared.events import PARTITIONS, TOPICS
from shared.messaging import incarnation, outbox
from shared.messaging.bus import Bus, BusError, BusProducer, Message

QUOTA: Final = 500
"""Rows of one partition per pass, so that a partition without a leader does not starve the others."""

POLL_SECONDS: Final = 0.5
"""Net under the wake-ups."""

BACKOFF_SECONDS: Final = 0.5

HANGING_SECONDS: Final = 0.1
"""How soon new rows of other partitions are looked for while the batch of one hangs."""

PATIENCE_SECONDS: Final = 1.0
"""What batches in flight beside one that failed get."""

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_PRESENT: Final = """
select o.id, o.part, o.key::text, o.headers, o.payload from unnest($1::int[]) as p cross join lateral
    (select * from outbox where outbox.part = p order by outbox.id limit $2) as o
"""
_DELETE: Final = "delete from outbox where (part, id) in (select * from unnest($1::smallint[], $2::bigint[]))"
_LEAD: Final = "select pg_try_advisory_lock(hashtext('forewarn_relay'))"

SENT: Final = Counter("outbox_sent_total", "Outbox rows acknowledged by the bus", ["service"])

log = structlog.get_logger(__name__)


class Relay:
    """The relay of one service. Several may run: one leads, and two at once would only send rows twice."""

    def __init__(self, context: Context, bus: Bus, *, quota: int = QUOTA) -> None:
        self._context = context
        self._bus = bus
        self._quota = quota
        self._topic = TOPICS[context.service]
        self._producer: BusProducer | None = None
        self._flying: dict[asyncio.Task[list[asyncpg.Record]], int] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop`; whatever fails is dropped and begun again from the first present row."""
        listener = self._context.database.listener(outbox.CHANNEL)
        try:
            while not stop.is_set():
                try:
                    await self._lead(stop, listener)
                except (*AWAY, BusError, Unavailable, asyncpg.PostgresError, TimeoutError) as error:
                    log.warning("relay_starts_again", service=self._context.service, error=repr(error))
                    await self.drop_producer()
                    await asyncio.sleep(BACKOFF_SECONDS)
        finally:
            await self.drop_producer()
            await listener.close()

    async def _lead(self, stop: asyncio.Event, listener: Listener) -> None:
        # The lock saves work, it protects nothing: a second relay doubles rows, which consumers ignore.
        connection = await leading_session(self._context.database.dsn, command_timeout=60)
        try:
            while not stop.is_set() and not await connection.fetchval(_LEAD):
                await _sleep(stop, 1.0)
            await incarnation.recognise(self._context, self._bus)
            while not stop.is_set():
                await self._start(connection)
                if self._flying:
                    await self._land(connection, asyncio.FIRST_COMPLETED, HANGING_SECONDS)
                else:
                    await listener.wait(POLL_SECONDS)
        finally:
            connection.terminate()

    async def send_present(self, connection: Connection) -> bool:
        """One pass over all partitions; returns whether any had more rows than its quota.

        Raises what the bus raises, after the rows that were acknowledged are deleted; then `drop_producer`.
        """
        more = await self._start(connection)
        await self._land(connection, asyncio.ALL_COMPLETED)
        return more

    async def _start(self, connection: Connection) -> bool:
        """Send the first rows of every partition of which nothing is in flight; whether any had more than its quota.

        A partition without a leader keeps its batch in flight for seconds, and no other waits for it.
        """
        batches = await self._present(set(range(PARTITIONS)) - set(self._flying.values()), connection)
        if batches and self._producer is None:
            self._producer = await self._bus.producer()
        for part, rows in batches.items():
            assert self._producer is not None
            self._flying[asyncio.create_task(self._send(self._producer, part, rows))] = part
        return any(len(rows) == self._quota for rows in batches.values())

    async def _land(self, connection: Connection, until: str, timeout: float | None = None) -> None:
        """Wait for batches in flight, delete what was acknowledged, raise the first failure."""
        if not self._flying:
            return
        landed, _ = await asyncio.wait(self._flying, timeout=timeout, return_when=until)
        if any(sending.exception() for sending in landed):
            # The others use the same producer; what they are acknowledged in a moment need not be sent twice.
            landed, _ = await asyncio.wait(self._flying, timeout=PATIENCE_SECONDS)
        for sending in landed:
            del self._flying[sending]
        failures = [failure for sending in landed if (failure := sending.exception()) is not None]
        rows = [row for sending in landed if sending.exception() is None for row in sending.result()]
        if rows:
            await self._delete(rows, connection)
        if failures:
            raise failures[0]

    async def _present(self, parts: Collection[int], connection: Connection) -> dict[int, list[asyncpg.Record]]:
        batches: dict[int, list[asyncpg.Record]] = defaultdict(list)
        for row in await connection.fetch(_PRESENT, list(parts), self._quota):
            batches[row["part"]].append(row)
        for rows in batches.values():
            # The statement promises no order across its parts, and a beat must not overtake what it covers.
            rows.sort(key=itemgetter("id"))
        return batches

    async def _send(self, producer: BusProducer, part: int, rows: list[asyncpg.Record]) -> list[asyncpg.Record]:
        await producer.send(self._topic, part, [_message(row) for row in rows])
        return rows

    async def _delete(self, rows: Sequence[asyncpg.Record], connection: Connection) -> None:
        await connection.execute(_DELETE, [row["part"] for row in rows], [row["id"] for row in rows])
        SENT.labels(self._context.service).inc(len(rows))

    async def drop_producer(self) -> None:
        """Give the producer up: whether what it has in flight arrives is not known, so it must not send more."""
        flying, self._flying = list(self._flying), {}
        for sending in flying:
            sending.cancel()
        await asyncio.gather(*flying, return_exceptions=True)
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(BusError, OSError, TimeoutError):
                await producer.close()


def _message(row: asyncpg.Record) -> Message:
    _, _, key, headers, payload = row
    return Message(None if key is None else key.encode(), payload, outbox.decode_headers(headers))


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
