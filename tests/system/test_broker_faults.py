"""Three brokers, killed and paused while orders go through the real relay and the real consumer: nothing is lost,
nothing counts twice, and all goes on without a restart of anybody but the brokers."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count

import pytest

from shared.database.embedded_postgres import EmbeddedPostgres
from shared.events import PARTITIONS
from shared.messaging.consumer import Consumer
from shared.messaging.facts import tally
from shared.messaging.kafka_bus import KafkaBus, KafkaSettings
from shared.messaging.relay import Relay
from tests.support.builders import order
from tests.support.kafka import Cluster, running_cluster
from tests.support.postgres import create_database, drop_database
from tests.support.schema import create_tables
from tests.support.stage import CONSUMER, PRODUCER, TOPIC, Databases, Stage, hold

pytestmark = [pytest.mark.kafka, pytest.mark.system, pytest.mark.xdist_group("kafka-faults"), pytest.mark.timeout(200)]

BATCH = 100
BATCHES = 100
PAUSE = 0.05
"""About 2,000 orders a second, as long as the machine keeps up."""

RECOVERY_SECONDS = 120


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster(brokers=3) as cluster:
        yield cluster


@pytest.fixture(scope="module")
async def trade(cluster: Cluster, postgres: EmbeddedPostgres) -> AsyncIterator["Trade"]:
    dsns = [create_database(postgres, name) for name in ("producer", "consumer")]
    await create_tables(dsns[0], PRODUCER)
    await create_tables(dsns[1], CONSUMER)
    stage = Stage(Databases(producer=dsns[0], consumer=dsns[1], bus=""))
    stage.bus = KafkaBus(KafkaSettings(bootstrap=cluster.bootstrap, session_seconds=6))
    await stage.bus.create_topics({TOPIC: PARTITIONS})
    trade = Trade(stage)
    trade.begin()
    yield trade
    await trade.end()
    await stage.close()
    for dsn in dsns:
        drop_database(postgres, dsn)


class Trade:
    """Orders of many customers, one relay, two consumers."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._numbers = count()
        self._stop = asyncio.Event()
        self._running: list[asyncio.Task[None]] = []

    def begin(self) -> None:
        relay = Relay(self.stage.producer, self.stage.bus)
        members = [Consumer(self.stage.consumer, self.stage.bus, ["orders"], hold) for _ in range(2)]
        self._running = [asyncio.create_task(run(self._stop)) for run in (relay.run, *(one.run for one in members))]

    async def end(self) -> None:
        self._stop.set()
        await asyncio.wait(self._running, timeout=30)

    async def through(self, fault: Callable[[], None]) -> float:
        """Orders while the fault happens; seconds from its end until producer and consumer are equal again."""
        feeding = asyncio.create_task(self._feed())
        await asyncio.sleep(0.5)
        await asyncio.to_thread(fault)
        mended = time.monotonic()
        await feeding
        while not await self._equal():
            assert time.monotonic() - mended < RECOVERY_SECONDS, "not equal again"
            assert not any(task.done() for task in self._running), "somebody ended"
            await asyncio.sleep(0.5)
        return time.monotonic() - mended

    async def _feed(self) -> None:
        for _ in range(BATCHES):
            numbers = [next(self._numbers) for _ in range(BATCH)]
            await self.stage.accept(*(order(f"O{number}", f"C{number % 500}", amount=number) for number in numbers))
            await asyncio.sleep(PAUSE)

    async def _equal(self) -> bool:
        sums = []
        for context, side in ((self.stage.producer, "document"), (self.stage.consumer, "held_document")):
            async with context.database.unit_of_work() as unit:
                sums.append(await tally(side, ["order"], unit.connection))  # type: ignore[arg-type]
        if sums[0] != sums[1]:
            return False
        # Held once is not counted once: the sum by customer is kept by adding.
        (row,) = await self.stage.rows(self.stage.consumer, "select sum(amount)::bigint as sum from turnover")
        assert row["sum"] == sums[0][0].amount
        return True


def killed(cluster: Cluster, number: int) -> None:
    """A crash, some seconds without, and back."""
    cluster.kill(number)
    time.sleep(4)
    cluster.start()


class TestBrokers:
    async def test_the_leader_of_a_partition_is_killed(self, cluster: Cluster, trade: Trade) -> None:
        await trade.through(lambda: killed(cluster, cluster.leader(TOPIC, 0)))

    async def test_the_coordinator_of_the_group_is_killed(self, cluster: Cluster, trade: Trade) -> None:
        await trade.through(lambda: killed(cluster, cluster.coordinator("forewarn.alerting")))

    async def test_the_active_controller_is_killed(self, cluster: Cluster, trade: Trade) -> None:
        await trade.through(lambda: killed(cluster, cluster.controller() or 1))

    async def test_a_broker_stands_still(self, cluster: Cluster, trade: Trade) -> None:
        def paused() -> None:
            number = cluster.leader(TOPIC, 1)
            cluster.pause(number)
            time.sleep(8)
            cluster.resume(number)

        await trade.through(paused)

    async def test_two_of_three_are_away(self, cluster: Cluster, trade: Trade) -> None:
        def away() -> None:
            cluster.kill(1)
            cluster.kill(2)
            time.sleep(8)
            cluster.start()

        await trade.through(away)

    async def test_all_are_away(self, cluster: Cluster, trade: Trade) -> None:
        def away() -> None:
            for number in (1, 2, 3):
                cluster.kill(number)
            time.sleep(10)
            cluster.start()

        await trade.through(away)
