"""How fast alerting takes and judges orders off one Kafka broker and off the embedded bus, in the same run; beside them
aiokafka's own `getmany` with nothing but decoding.

Needs Java and Maven. Broker, PostgreSQL and consumer share the machine's cores.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from itertools import islice
from statistics import median
from typing import Final

from aiokafka import AIOKafkaConsumer

from benchmarks.projection import events
from services.alerting.service import SERVICE
from shared.clock import SystemClock
from shared.context import Context
from shared.database.database import Database
from shared.database.embedded_postgres import EmbeddedPostgres
from shared.events import PARTITIONS, TOPICS, cloudevents
from shared.ids import Uuid7Ids
from shared.messaging.bus import Bus, Message
from shared.messaging.consumer import Consumer
from shared.messaging.embedded_bus import EmbeddedBus
from shared.messaging.kafka_bus import KafkaBus, KafkaSettings
from shared.messaging.partitions import partition_of
from shared.runtime.host import settle_garbage_collector
from shared.settings import Settings
from tests.support.kafka import running_cluster
from tests.support.postgres import temporary_data_dir
from tests.support.schema import create_tables

EVENTS: Final = 40_000
ROUNDS: Final = 3
FLOOR: Final = 0.9
"""Of the speed on the embedded bus."""
TOPIC: Final = TOPICS["orders"]


class Bench:
    """Both buses with the same orders in them, and one alerting database that is emptied before each run."""

    def __init__(self, server: EmbeddedPostgres, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._dsn = server.dsn("alerting")
        ids, clock = Uuid7Ids(), SystemClock()
        self._database = Database(self._dsn, clock=clock, ids=ids)
        self._context = Context("alerting", self._database, Settings(), clock, ids)
        self._buses: dict[str, Bus] = {
            "embedded": EmbeddedBus(server.dsn("bus")),
            "kafka": KafkaBus(KafkaSettings(bootstrap=bootstrap)),
        }

    async def run(self) -> dict[str, float]:
        """Events per second: medians of interleaved rounds."""
        await create_tables(self._dsn, SERVICE.metadata)
        for bus in self._buses.values():
            await bus.create_topics(dict.fromkeys(TOPICS.values(), PARTITIONS))
            await fill(bus, orders())
        settle_garbage_collector()
        rates: dict[str, list[float]] = {"embedded": [], "kafka": [], "raw": []}
        for _ in range(ROUNDS):
            for name, bus in self._buses.items():
                rates[name].append(EVENTS / await self._judged(bus))
            rates["raw"].append(EVENTS / await self._raw())
        await self._database.close()
        for bus in self._buses.values():
            await bus.close()
        return {name: median(found) for name, found in rates.items()}

    async def _judged(self, bus: Bus) -> float:
        """Seconds from the first batch to the last; joining the group is not part of it."""
        assert SERVICE.subscription is not None
        pool = await self._database.pool()
        await pool.execute("truncate " + ", ".join(f'"{name}"' for name in SERVICE.metadata.tables))
        consumer = Consumer(self._context, bus, SERVICE.subscription.producers, SERVICE.subscription.handler)
        stop, began, first, taken = asyncio.Event(), 0.0, 0, 0
        running = asyncio.create_task(consumer.run(stop))
        while taken < EVENTS:
            await asyncio.sleep(0.02)
            taken = await pool.fetchval("select coalesce(sum(next_offset), 0)::bigint from cursor")
            if taken and not began:
                began, first = time.perf_counter(), taken
        seconds = time.perf_counter() - began
        stop.set()
        await running
        return seconds * EVENTS / (EVENTS - first)

    async def _raw(self) -> float:
        consumer = AIOKafkaConsumer(TOPIC, bootstrap_servers=self._bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        taken, began = 0, time.perf_counter()
        while taken < EVENTS:
            for records in (await consumer.getmany(timeout_ms=1000, max_records=2000)).values():
                for record in records:
                    cloudevents.decode(record.headers, record.value, record.partition)
                taken += len(records)
        seconds = time.perf_counter() - began
        await consumer.stop()
        return seconds


def orders() -> dict[int, list[Message]]:
    """The orders as records, by partition."""
    by_part: dict[int, list[Message]] = {part: [] for part in range(PARTITIONS)}
    for event in islice(events(), EVENTS):
        key = str(event.party).encode()
        by_part[partition_of(key, PARTITIONS)].append(Message(key, event.data, cloudevents.headers(event)))
    return by_part


async def fill(bus: Bus, by_part: Mapping[int, Sequence[Message]]) -> None:
    """Append them to the log, all partitions at once."""
    producer = await bus.producer()
    for first in range(0, max(map(len, by_part.values())), 1000):
        await asyncio.gather(
            *(producer.send(TOPIC, part, rows[first : first + 1000]) for part, rows in by_part.items())
        )
    await producer.close()


def report(rates: dict[str, float]) -> list[str]:
    """The table and the floor."""
    ratio = rates["kafka"] / rates["embedded"]
    return [
        f"Kafka 4.3.1, one broker, {EVENTS:,} orders",
        f"{'':<32}{'events/s':>12}{'of embedded':>13}",
        f"{'getmany and decoding':<32}{rates['raw']:>12,.0f}",
        f"{'alerting, embedded bus':<32}{rates['embedded']:>12,.0f}",
        f"{'alerting, Kafka':<32}{rates['kafka']:>12,.0f}{ratio:>13.2f}",
        f"{'met' if ratio >= FLOOR else 'MISSED'}: alerting on Kafka >= {FLOOR} of the embedded bus ({ratio:.2f})",
    ]


def main() -> None:
    """Start a server that waits for the disk and a broker, measure, print."""
    with temporary_data_dir() as data_dir, running_cluster(brokers=1) as cluster:
        server = EmbeddedPostgres(data_dir)
        server.start()
        try:
            server.provision(["alerting", "bus"])
            found = asyncio.run(Bench(server, cluster.bootstrap).run())
        finally:
            server.stop()
    print("\n".join(report(found)))  # noqa: T201 - the report


if __name__ == "__main__":
    main()
