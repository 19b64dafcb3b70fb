"""How fast two alerting processes of one group take and judge orders off one Kafka broker, beside one alone.

Needs Java and Maven. Broker, PostgreSQL and all processes share the machine's cores.
"""

import asyncio
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from statistics import median
from typing import Final

import uvloop

from benchmarks.kafka_consumer import EVENTS, TOPIC, fill, orders
from services.alerting.service import SERVICE
from shared.clock import SystemClock
from shared.context import Context
from shared.database.database import Database
from shared.database.embedded_postgres import EmbeddedPostgres
from shared.events import PARTITIONS, TOPICS
from shared.ids import Uuid7Ids
from shared.messaging.bus import BusConsumer
from shared.messaging.consumer import Consumer
from shared.messaging.kafka_bus import KafkaBus, KafkaSettings
from shared.messaging.kafka_bus.consumer import KafkaConsumer
from shared.runtime.host import settle_garbage_collector
from shared.settings import Settings
from tests.support.kafka import running_cluster
from tests.support.postgres import temporary_data_dir
from tests.support.schema import create_tables

COUNTS: Final = (1, 2)
ROUNDS: Final = 3
FLOOR: Final = 1.0
"""Of the speed of one."""

assert SERVICE.subscription is not None
SUBSCRIPTION: Final = SERVICE.subscription
READY: Final = b"READY\n"


class Bench:
    """A broker, and an alerting database that is emptied before each run."""

    def __init__(self, server: EmbeddedPostgres, bootstrap: str) -> None:
        self._dsn = server.dsn("alerting")
        self._bootstrap = bootstrap
        self._bus = KafkaBus(KafkaSettings(bootstrap=bootstrap))
        self._database = Database(self._dsn, clock=SystemClock(), ids=Uuid7Ids())
        self._orders = orders()

    async def run(self) -> dict[int, float]:
        """Events per second by number of processes: medians of interleaved rounds."""
        await create_tables(self._dsn, SERVICE.metadata)
        await self._bus.create_topics(dict.fromkeys(TOPICS.values(), PARTITIONS))
        settle_garbage_collector()
        rates: dict[int, list[float]] = {count: [] for count in COUNTS}
        for _ in range(ROUNDS):
            for count in COUNTS:
                rates[count].append(EVENTS / await self._judged(count))
        await self._database.close()
        await self._bus.close()
        return {count: median(found) for count, found in rates.items()}

    async def _judged(self, count: int) -> float:
        """Seconds from the first record sent until all are applied, by members that wait for them."""
        end = await self._emptied()
        members = [await self._member(PARTITIONS * len(SUBSCRIPTION.producers) // count) for _ in range(count)]
        for member in members:
            assert member.stdout is not None
            assert await member.stdout.readline() == READY
        began = time.perf_counter()
        await fill(self._bus, self._orders)
        while await self._applied() < end + EVENTS:  # noqa: ASYNC110 - another process applies them
            await asyncio.sleep(0.02)
        seconds = time.perf_counter() - began
        for member in members:
            await member.communicate()
        return seconds

    async def _emptied(self) -> int:
        """Nothing is held, and the cursors stand at the end of the log, whose offsets add up to this."""
        pool = await self._database.pool()
        await pool.execute("truncate " + ", ".join(f'"{name}"' for name in SERVICE.metadata.tables))
        bounds = await self._bus.bounds([TOPIC])
        rows = [(*where, bound.next) for where, bound in bounds.items()]
        await pool.executemany("insert into cursor (topic, part, next_offset) values ($1, $2, $3)", rows)
        return sum(bound.next for bound in bounds.values())

    async def _applied(self) -> int:
        pool = await self._database.pool()
        return int(await pool.fetchval("select sum(next_offset)::bigint from cursor where topic = $1", TOPIC))

    async def _member(self, share: int) -> Process:
        program = (sys.executable, "-m", "benchmarks.members", self._dsn, self._bootstrap, str(share))
        return await asyncio.create_subprocess_exec(*program, stdin=PIPE, stdout=PIPE)


class Joining(KafkaBus):
    """A bus that shows the member it has made."""

    member: BusConsumer | None = None

    async def consumer(self, group: str, topics: Sequence[str]) -> KafkaConsumer:
        """A new member of the group."""
        made = await super().consumer(group, topics)
        self.member = made
        return made


async def take_part(dsn: str, bootstrap: str, share: str) -> None:
    """Be one alerting process until the input ends; says when it has its share of the partitions."""
    clock, ids, bus = SystemClock(), Uuid7Ids(), Joining(KafkaSettings(bootstrap=bootstrap))
    database = Database(dsn, clock=clock, ids=ids)
    context = Context("alerting", database, Settings(), clock, ids)
    consumer = Consumer(context, bus, SUBSCRIPTION.producers, SUBSCRIPTION.handler)
    stop = asyncio.Event()
    running = asyncio.create_task(consumer.run(stop))
    while bus.member is None or len(bus.member.assignment()) != int(share):  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(0.02)
    settle_garbage_collector()
    sys.stdout.buffer.write(READY)
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    stop.set()
    await running
    await bus.close()
    await database.close()


def report(rates: dict[int, float]) -> list[str]:
    """The table and the floor."""
    ratio = rates[2] / rates[1]
    return [
        f"Kafka 4.3.1, one broker, {EVENTS:,} orders, filling the log included",
        f"{'':<32}{'events/s':>12}{'of one':>8}",
        f"{'one alerting process':<32}{rates[1]:>12,.0f}",
        f"{'two alerting processes':<32}{rates[2]:>12,.0f}{ratio:>8.2f}",
        f"{'met' if ratio > FLOOR else 'MISSED'}: two alerting processes faster than one ({ratio:.2f})",
    ]


def main() -> None:
    """Start a server that waits for the disk and a broker, measure, print."""
    with temporary_data_dir() as data_dir, running_cluster(brokers=1) as cluster:
        server = EmbeddedPostgres(data_dir)
        server.start()
        try:
            server.provision(["alerting"])
            found = uvloop.run(Bench(server, cluster.bootstrap).run())
        finally:
            server.stop()
    print("\n".join(report(found)))  # noqa: T201 - the report


if __name__ == "__main__":
    if arguments := sys.argv[1:]:
        uvloop.run(take_part(*arguments))
    else:
        main()
