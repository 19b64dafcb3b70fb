"""How fast a consumer applies documents without rules, as a ratio to its own statements replayed by a bare script.

A first run records what the consumer says to PostgreSQL; the bare script repeats exactly that, prepared and in order.
"""

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any, Final

import asyncpg

from services.orders.tables import METADATA
from shared.clock import SystemClock
from shared.context import Context
from shared.database.database import Database
from shared.database.embedded_postgres import EmbeddedPostgres
from shared.events import PARTITIONS, TOPICS, Order, Party, cloudevents
from shared.events.document import Event, encode
from shared.ids import Uuid7Ids
from shared.messaging import projection
from shared.messaging.bus import Message
from shared.messaging.consumer import Consumer
from shared.messaging.embedded_bus import EmbeddedBus
from shared.messaging.partitions import partition_of
from shared.runtime.host import settle_garbage_collector
from shared.settings import Settings
from tests.support.postgres import database_name, temporary_data_dir
from tests.support.schema import create_tables

CUSTOMERS: Final = 100_000
EVENTS: Final = 100_000
BATCH: Final = 2000
ROUNDS: Final = 3
FLOOR_RATE: Final = 25_000
FLOOR_RATIO: Final = 0.55

Statement = tuple[str, tuple[Any, ...]]


async def apply(events: Sequence[Event], unit: Any, _: Context) -> None:
    """The whole effect: hold what is newer."""
    await projection.apply(events, unit.connection)


def events() -> Iterator[Event]:
    """Orders of many customers, in business time, each once."""
    rng, ids, start = random.Random(7), Uuid7Ids(), datetime(2026, 1, 5, tzinfo=UTC)
    for number in range(EVENTS):
        party = Party.external("erp", f"C{rng.randrange(CUSTOMERS)}")
        at = start + timedelta(seconds=number * 30)
        order = Order(
            source="erp", number=f"SO{number:07d}", party=party, currency="CNY", amount=12_345, placed_at=at, lines=3
        )
        yield Event(
            kind="order",
            reason="placed",
            id=ids.new(),
            epoch=1,
            revision=1,
            recorded_at=at,
            producer="orders",
            party=party.id,
            data=encode(order),
        )


class Bench:
    """A bus with the events in it, and a consumer's database that is emptied before each run."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._dsn = server.dsn("orders")
        self._bus = EmbeddedBus(server.dsn("bus"))
        ids, clock = Uuid7Ids(), SystemClock()
        self._database = Database(self._dsn, clock=clock, ids=ids)
        self._context = Context("bench", self._database, Settings(consumer_batch=BATCH), clock, ids)
        self._said: list[Statement] = []

    async def run(self) -> tuple[float, float]:
        """Events per second of the consumer and of the bare script: medians of interleaved rounds."""
        await create_tables(self._dsn, METADATA)
        await self._bus.create_topics({TOPICS["orders"]: PARTITIONS})
        await self._fill()
        settle_garbage_collector()
        with recorded(self._said, database_name(self._dsn)):
            await self._consume()
        ours, bare = [], []
        for _ in range(ROUNDS):
            ours.append(EVENTS / await self._consume())
            bare.append(EVENTS / await self._repeat())
        await self._database.close()
        await self._bus.close()
        return median(ours), median(bare)

    async def _fill(self) -> None:
        by_part: dict[int, list[Message]] = {part: [] for part in range(PARTITIONS)}
        for event in events():
            key = str(event.party).encode()
            by_part[partition_of(key, PARTITIONS)].append(Message(key, event.data, cloudevents.headers(event)))
        producer = await self._bus.producer()
        for part, messages in by_part.items():
            for first in range(0, len(messages), 1000):
                await producer.send(TOPICS["orders"], part, messages[first : first + 1000])
        await producer.close()

    async def _empty(self) -> None:
        pool = await self._database.pool()
        names = ", ".join(f'"{name}"' for name in METADATA.tables)
        await pool.execute(f"truncate {names}")

    async def _consume(self) -> float:
        await self._empty()
        consumer = Consumer(self._context, self._bus, ["orders"], apply)
        pool = await self._database.pool()
        stop = asyncio.Event()
        started = time.perf_counter()
        running = asyncio.create_task(consumer.run(stop))
        taken = 0
        while taken < EVENTS:
            await asyncio.sleep(0.05)
            taken = await pool.fetchval("select coalesce(sum(next_offset), 0)::bigint from cursor")
        seconds = time.perf_counter() - started
        stop.set()
        await running
        return seconds

    async def _repeat(self) -> float:
        await self._empty()
        connection = await asyncpg.connect(self._dsn)
        prepared = {text: await connection.prepare(text) for text, arguments in self._said if arguments}
        started = time.perf_counter()
        for text, arguments in self._said:
            if arguments:
                await prepared[text].fetch(*arguments)
            else:
                await connection.execute(text)
        seconds = time.perf_counter() - started
        await connection.close()
        return seconds


@contextmanager
def recorded(said: list[Statement], database: str) -> Iterator[None]:
    """Write down every statement that goes to one database, but for the pool's own."""
    originals = {name: getattr(asyncpg.Connection, name) for name in ("execute", "fetch", "fetchval", "fetchrow")}

    def recording(name: str) -> Any:
        async def call(self: Any, query: str, *arguments: Any, **more: Any) -> Any:
            if self._params.database == database and wanted(query):
                said.append((query, arguments))
            return await originals[name](self, query, *arguments, **more)

        return call

    for name in originals:
        setattr(asyncpg.Connection, name, recording(name))
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(asyncpg.Connection, name, original)


def wanted(query: str) -> bool:
    """What belongs to applying documents: not the pool's resets, nor this script's own look-ups."""
    return not any(word in query for word in ("pg_advisory", "sum(next_offset)", "truncate"))


def report(ours: float, bare: float) -> list[str]:
    """The table and one line per floor."""
    ratio = ours / bare
    return [
        f"{'':<24}{'events/s':>12}{'ratio':>8}",
        f"{'bare statements':<24}{bare:>12,.0f}",
        f"{'consumer, no rules':<24}{ours:>12,.0f}{ratio:>8.2f}",
        f"{'met' if ours >= FLOOR_RATE else 'MISSED'}: applying >= {FLOOR_RATE:,} events/s ({ours:,.0f})",
        f"{'met' if ratio >= FLOOR_RATIO else 'MISSED'}: applying >= {FLOOR_RATIO} of bare statements ({ratio:.2f})",
    ]


def main() -> None:
    """Start a server that waits for the disk, measure, print."""
    with temporary_data_dir() as data_dir:
        server = EmbeddedPostgres(data_dir)
        server.start()
        try:
            server.provision(["orders", "bus"])
            print("\n".join(report(*asyncio.run(Bench(server).run()))))  # noqa: T201 - the report
        finally:
            server.stop()


if __name__ == "__main__":
    main()
