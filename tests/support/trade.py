"""Orders of many customers that go on while something is broken, and whether the consumer ends up equal again."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Final
from uuid import UUID

from shared.context import Context
from shared.database.embedded_postgres import EmbeddedPostgres
from shared.events import PARTITIONS
from shared.messaging.facts import Facts, Side, Tally, facts, tally
from shared.messaging.kafka_bus import KafkaBus, KafkaSettings
from tests.support.builders import order
from tests.support.crash_program import SESSION_SECONDS
from tests.support.postgres import create_database, drop_database
from tests.support.schema import create_tables
from tests.support.stage import CONSUMER, PRODUCER, TOPIC, Databases, Stage

BATCH: Final = 100
PAUSE: Final = 0.05
"""About 2,000 orders a second, as long as the machine keeps up."""
MARGIN_SECONDS: Final = 1.0
"""How long orders go on before and after the fault."""
RECOVERY_SECONDS: Final = 120


class Trade:
    """Accepts orders; who sends and applies them is the test's, and `alive` says whether they all still do."""

    def __init__(self, stage: Stage, alive: Callable[[], bool]) -> None:
        self.stage = stage
        self._alive = alive
        self._numbers = count()
        self._sums: dict[UUID, int] = defaultdict(int)

    async def through(self, fault: Callable[[], Awaitable[object]]) -> float:
        """Orders while the fault happens; seconds from its end until producer and consumer are equal again."""
        over = asyncio.Event()
        feeding = asyncio.create_task(self._feed(over))
        try:
            await asyncio.sleep(MARGIN_SECONDS)
            await fault()
            mended = time.monotonic()
            await asyncio.sleep(MARGIN_SECONDS)
        finally:
            over.set()
            await feeding
        while not await self._equal():
            assert time.monotonic() - mended < RECOVERY_SECONDS, "not equal again"
            assert self._alive(), "somebody ended"
            await asyncio.sleep(0.2)
        seconds = time.monotonic() - mended
        await self._assert_counted_once()
        return seconds

    async def applied_from_now(self) -> None:
        """Wait until what is in the log now has been applied, in every partition."""
        bounds = await self.stage.bus.bounds([TOPIC])
        began = time.monotonic()
        while True:
            rows = await self.stage.rows(self.stage.consumer, "select part, next_offset from cursor")
            cursor = {row["part"]: row["next_offset"] for row in rows}
            if all(cursor.get(where.partition, 0) >= bound.next for where, bound in bounds.items()):
                return
            assert time.monotonic() - began < RECOVERY_SECONDS, "not applied"
            await asyncio.sleep(0.2)

    async def sent_again(self) -> int:
        """How many records are in the log beyond one for each order."""
        bounds = await self.stage.bus.bounds([TOPIC])
        (row,) = await self.stage.rows(self.stage.producer, "select count(*) as documents from document")
        return sum(bound.next - bound.first for bound in bounds.values()) - int(row["documents"])

    async def _feed(self, over: asyncio.Event) -> None:
        while not over.is_set():
            orders = [order(f"O{number}", f"C{number % 500}", amount=number) for number in self._take()]
            await self.stage.accept(*orders)
            for each in orders:
                self._sums[each.party.id] += each.amount
            await asyncio.sleep(PAUSE)

    def _take(self) -> list[int]:
        return [next(self._numbers) for _ in range(BATCH)]

    async def _equal(self) -> bool:
        return await self._tallies("document") == await self._tallies("held_document")

    async def _assert_counted_once(self) -> None:
        """Held once is not counted once: the sums by customer are kept by adding."""
        rows = await self.stage.rows(self.stage.consumer, "select party, amount from turnover")
        assert {row["party"]: row["amount"] for row in rows} == self._sums
        assert await self._facts("document") == await self._facts("held_document")
        assert await self.stage.letters() == []
        assert self._alive(), "somebody ended"

    async def _tallies(self, side: Side) -> list[Tally]:
        async with self._side(side).database.unit_of_work() as unit:
            return await tally(side, ["order"], unit.connection)

    async def _facts(self, side: Side) -> list[Facts]:
        async with self._side(side).database.unit_of_work() as unit:
            return await facts(side, ["order"], unit.connection)

    def _side(self, side: Side) -> Context:
        return self.stage.producer if side == "document" else self.stage.consumer


@asynccontextmanager
async def stage_on(bootstrap: str, postgres: EmbeddedPostgres) -> AsyncIterator[Stage]:
    """A stage with brokers as its bus, on databases of its own."""
    producer, consumer = (create_database(postgres, name) for name in ("producer", "consumer"))
    await create_tables(producer, PRODUCER)
    await create_tables(consumer, CONSUMER)
    stage = Stage(Databases(producer, consumer, bus=bootstrap))
    stage.bus = KafkaBus(KafkaSettings(bootstrap=bootstrap, session_seconds=SESSION_SECONDS))
    await stage.bus.create_topics({TOPIC: PARTITIONS})
    try:
        yield stage
    finally:
        await stage.close()
        for dsn in (producer, consumer):
            drop_database(postgres, dsn)
