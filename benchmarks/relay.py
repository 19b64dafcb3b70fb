"""How fast a running relay empties an outbox, beside a producer that is handed the same batches ready-made."""

import asyncio
import time
from collections.abc import Sequence
from statistics import median
from typing import Final

from benchmarks.projection import events
from services.orders.tables import METADATA
from shared.clock import SystemClock
from shared.context import Context
from shared.database.database import Database
from shared.database.embedded_postgres import EmbeddedPostgres
from shared.events import PARTITIONS, TOPICS, cloudevents
from shared.ids import Uuid7Ids
from shared.messaging import outbox
from shared.messaging.bus import Bus, Message
from shared.messaging.embedded_bus import EmbeddedBus
from shared.messaging.outbox import Outgoing
from shared.messaging.partitions import partition_of
from shared.messaging.relay import QUOTA, SENT, Relay
from shared.runtime.host import settle_garbage_collector
from shared.settings import Settings
from tests.support.postgres import temporary_data_dir
from tests.support.schema import create_tables

Batches = Sequence[Sequence[tuple[int, list[Message]]]]
"""What is sent together: one batch of each partition."""

ROWS: Final = 60_000
ROUNDS: Final = 3
LOOK_SECONDS: Final = 0.005


class Bench:
    """An outbox to fill and empty, and the same records as batches."""

    def __init__(self, dsn: str, bus: Bus) -> None:
        self._dsn = dsn
        self._bus = bus
        ids, clock = Uuid7Ids(), SystemClock()
        self._database = Database(self._dsn, clock=clock, ids=ids)
        self._context = Context("orders", self._database, Settings(), clock, ids)
        self._events = [event for event, _ in zip(events(), range(ROWS), strict=False)]

    async def run(self) -> tuple[float, float]:
        """Records per second of the relay and of the bare producer: medians of interleaved rounds."""
        await create_tables(self._dsn, METADATA)
        await self._bus.create_topics({TOPICS["orders"]: PARTITIONS, "raw": PARTITIONS})
        batches = self.batches()
        settle_garbage_collector()
        ours, bare, stop = [], [], asyncio.Event()
        relaying = asyncio.create_task(Relay(self._context, self._bus).run(stop))
        for _ in range(ROUNDS):
            ours.append(ROWS / await self._relayed())
            bare.append(ROWS / await self.send(batches))
        stop.set()
        await relaying
        await self._database.close()
        await self._bus.close()
        return median(ours), median(bare)

    async def _relayed(self) -> float:
        """Seconds from the commit of all rows, which the relay sees at once, until the last is acknowledged."""
        before = _sent()
        async with self._database.unit_of_work() as unit:
            for first in range(0, ROWS, 2000):
                chunk = self._events[first : first + 2000]
                await outbox.append([Outgoing(event, [event.party] if event.party else []) for event in chunk], unit)
        began = time.perf_counter()
        while _sent() < before + ROWS:  # noqa: ASYNC110 - a counter wakes nobody
            await asyncio.sleep(LOOK_SECONDS)
        return time.perf_counter() - began

    async def send(self, batches: Batches) -> float:
        """Seconds a bare producer takes for the same records."""
        producer = await self._bus.producer()
        began = time.perf_counter()
        for together in batches:
            await asyncio.gather(*(producer.send("raw", part, messages) for part, messages in together))
        seconds = time.perf_counter() - began
        await producer.close()
        return seconds

    def batches(self) -> Batches:
        """What the relay would send together: a quota of every partition."""
        by_part: dict[int, list[Message]] = {part: [] for part in range(PARTITIONS)}
        for event in self._events:
            key = str(event.party).encode()
            by_part[partition_of(key, PARTITIONS)].append(Message(key, event.data, cloudevents.headers(event)))
        most = max(map(len, by_part.values()))
        return [
            [(part, rows[first : first + QUOTA]) for part, rows in by_part.items() if rows[first : first + QUOTA]]
            for first in range(0, most, QUOTA)
        ]


def _sent() -> float:
    # Not by the registry: that would ask every metric of the process, 4 ms each time.
    (family,) = SENT.collect()
    return sum(sample.value for sample in family.samples if sample.name.endswith("_total"))


def report(ours: float, bare: float) -> list[str]:
    """The table."""
    return [
        f"{'':<24}{'records/s':>12}{'ratio':>8}",
        f"{'bare producer':<24}{bare:>12,.0f}",
        f"{'relay':<24}{ours:>12,.0f}{ours / bare:>8.2f}",
    ]


def main() -> None:
    """Start a server that waits for the disk, measure, print."""
    with temporary_data_dir() as data_dir:
        server = EmbeddedPostgres(data_dir)
        server.start()
        try:
            server.provision(["orders", "bus"])
            found = asyncio.run(Bench(server.dsn("orders"), EmbeddedBus(server.dsn("bus"))).run())
            print("\n".join(report(*found)))  # noqa: T201 - the report
        finally:
            server.stop()


if __name__ == "__main__":
    main()
