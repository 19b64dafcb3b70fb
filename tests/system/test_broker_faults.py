"""Three brokers, killed and paused while orders go through the real relay and the real consumer: nothing is lost,
nothing counts twice, and all goes on without a restart of anybody but the brokers."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from shared.database.embedded_postgres import EmbeddedPostgres
from shared.messaging.consumer import Consumer
from shared.messaging.relay import Relay
from tests.support.kafka import Cluster, running_cluster
from tests.support.reported import REPORTED, Record
from tests.support.stage import TOPIC, hold
from tests.support.trade import Trade, stage_on

pytestmark = [pytest.mark.kafka, pytest.mark.system, pytest.mark.timeout(200)]

Through = Callable[[Callable[[], None]], Awaitable[None]]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster(brokers=3) as cluster:
        yield cluster


@pytest.fixture(scope="module")
async def trade(cluster: Cluster, postgres: EmbeddedPostgres) -> AsyncIterator[Trade]:
    """One relay and two consumers, which stay the same through all faults."""
    async with stage_on(cluster.bootstrap, postgres) as stage:
        stop = asyncio.Event()
        runs = [Relay(stage.producer, stage.bus).run]
        runs += [Consumer(stage.consumer, stage.bus, ["orders"], hold).run for _ in range(2)]
        running = [asyncio.create_task(run(stop)) for run in runs]
        yield Trade(stage, alive=lambda: not any(task.done() for task in running))
        stop.set()
        await asyncio.wait(running, timeout=30)


@pytest.fixture
def through(trade: Trade, record_property: Record) -> Through:
    """Goes through a fault, and tells how long it took until all was equal again."""

    async def go(fault: Callable[[], None]) -> None:
        seconds = await trade.through(lambda: asyncio.to_thread(fault))
        record_property(REPORTED, f"equal again after {seconds:.1f} s")

    return go


def killed(cluster: Cluster, number: int) -> None:
    """A crash, some seconds without, and back."""
    cluster.kill(number)
    time.sleep(4)
    cluster.start()


class TestBrokers:
    async def test_the_leader_of_a_partition_is_killed(self, cluster: Cluster, through: Through) -> None:
        await through(lambda: killed(cluster, cluster.leader(TOPIC, 0)))

    async def test_the_coordinator_of_the_group_is_killed(self, cluster: Cluster, through: Through) -> None:
        await through(lambda: killed(cluster, cluster.coordinator("forewarn.alerting")))

    async def test_the_active_controller_is_killed(self, cluster: Cluster, through: Through) -> None:
        await through(lambda: killed(cluster, cluster.controller() or 1))

    async def test_a_broker_stands_still(self, cluster: Cluster, through: Through) -> None:
        def paused() -> None:
            number = cluster.leader(TOPIC, 1)
            cluster.pause(number)
            time.sleep(8)
            cluster.resume(number)

        await through(paused)

    async def test_two_of_three_are_away(self, cluster: Cluster, through: Through) -> None:
        def away() -> None:
            cluster.kill(1)
            cluster.kill(2)
            time.sleep(8)
            cluster.start()

        await through(away)

    async def test_all_are_away(self, cluster: Cluster, through: Through) -> None:
        def away() -> None:
            for number in (1, 2, 3):
                cluster.kill(number)
            time.sleep(10)
            cluster.start()

        await through(away)
