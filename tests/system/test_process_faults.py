"""Processes killed, stopped and replaced while orders go through Kafka: nothing is lost, nothing counts twice, and the
others go on as they are."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator

import pytest

from shared.database.embedded_postgres import EmbeddedPostgres
from shared.messaging.consumer import Consumer
from tests.support.crash_program import SESSION_SECONDS
from tests.support.kafka import Cluster, running_cluster
from tests.support.processes import Process, Processes
from tests.support.reported import REPORTED, Record
from tests.support.stage import Stage, hold
from tests.support.trade import Trade, stage_on
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.system, pytest.mark.timeout(200)]

MEMBERS = 6
STORM_SECONDS = 15


class Roles:
    """One relay and two consumers, each a process of its own; whoever was killed is replaced."""

    def __init__(self, stage: Stage) -> None:
        self.processes = Processes(stage.databases)
        self._playing: dict[str, Process] = {}

    async def begin(self) -> None:
        """Start all of them."""
        for name in ("relay", "consumer-1", "consumer-2"):
            await self.replace(name)

    async def kill(self, name: str) -> None:
        """kill -9."""
        await self.processes.kill(self._playing.pop(name))

    async def replace(self, name: str) -> None:
        """Start the process that takes this part now."""
        self._playing[name], _ = await self.processes.start(name.partition("-")[0])

    def signal(self, name: str, number: signal.Signals) -> None:
        """Any other signal."""
        self._playing[name].send_signal(number)

    def alive(self) -> bool:
        """Nobody has ended by himself."""
        return all(process.poll() is None for process in self._playing.values())


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster(brokers=1) as cluster:
        yield cluster


@pytest.fixture(scope="module")
async def stage(cluster: Cluster, postgres: EmbeddedPostgres) -> AsyncIterator[Stage]:
    async with stage_on(cluster.bootstrap, postgres) as stage:
        yield stage


@pytest.fixture(scope="module")
async def roles(stage: Stage) -> AsyncIterator[Roles]:
    roles = Roles(stage)
    try:
        await roles.begin()
        yield roles
    finally:
        roles.processes.end()


@pytest.fixture(scope="module")
def trade(stage: Stage, roles: Roles) -> Trade:
    return Trade(stage, alive=roles.alive)


class TestConsumer:
    async def test_another_takes_the_place_of_one_that_was_killed(
        self, trade: Trade, roles: Roles, record_property: Record
    ) -> None:
        """INVARIANT: effects and cursor are there together or not at all; the bus's own commits are never read."""

        async def fault() -> None:
            await roles.kill("consumer-1")
            await roles.replace("consumer-1")

        seconds = await trade.through(fault)
        record_property(REPORTED, f"equal again after {seconds:.1f} s")

    async def test_one_that_stood_still_past_its_session_spoils_nothing(
        self, trade: Trade, roles: Roles, record_property: Record
    ) -> None:
        """INVARIANT: it wakes up with batches in hand that the other has applied; the cursor turns them away."""

        async def fault() -> None:
            roles.signal("consumer-2", signal.SIGSTOP)
            await asyncio.sleep(SESSION_SECONDS)
            await trade.applied_from_now()
            roles.signal("consumer-2", signal.SIGCONT)

        seconds = await trade.through(fault)
        record_property(REPORTED, f"equal again after {seconds:.1f} s")


class TestRelay:
    async def test_rows_sent_and_not_deleted_are_sent_again_and_count_once(
        self, trade: Trade, roles: Roles, record_property: Record
    ) -> None:
        """INVARIANT: a relay deletes only what was acknowledged, and consumers hold a revision once."""
        before = await trade.sent_again()

        async def fault() -> None:
            doomed, _ = await roles.processes.start("relay", "relay sent, did not delete")
            await roles.kill("relay")
            await roles.processes.kill_at_its_point(doomed)
            await roles.replace("relay")

        seconds = await trade.through(fault)
        twice = await trade.sent_again() - before
        record_property(REPORTED, f"{twice} rows sent twice, equal again after {seconds:.1f} s")
        assert twice > 0


class TestMembers:
    async def test_a_group_whose_members_come_and_go_all_the_time_loses_nothing(
        self, trade: Trade, stage: Stage, roles: Roles, record_property: Record
    ) -> None:
        """INVARIANT: whoever gets a partition goes on at the cursor, and whoever lost it applies nothing more."""
        storm = Storm(stage)

        async def fault() -> None:
            try:
                await storm.rise()
                await storm.rage()
            finally:
                await storm.end()

        seconds = await trade.through(fault)
        record_property(REPORTED, f"equal again {seconds:.1f} s after {storm.changes} changes of the group")
        assert roles.alive()


class Storm:
    """Further members of the group, one of which goes, or comes back, every second."""

    def __init__(self, stage: Stage) -> None:
        self.changes = 0
        self._stage = stage
        self._members: list[tuple[asyncio.Event, asyncio.Task[None]]] = []

    async def rise(self) -> None:
        """All of them join."""
        for _ in range(MEMBERS):
            self._join()
        await eventually(self._complete)

    async def rage(self) -> None:
        """The one that has been there the longest leaves, then another joins, and so on."""
        for second in range(STORM_SECONDS):
            if second % 2:
                self._join()
            else:
                await self._leave()
            await asyncio.sleep(1)

    async def end(self) -> None:
        """All of them leave."""
        while self._members:
            await self._leave()

    async def _complete(self) -> bool:
        return await self._stage.bus.members("forewarn.alerting") >= MEMBERS + 2

    def _join(self) -> None:
        stop = asyncio.Event()
        member = Consumer(self._stage.consumer, self._stage.bus, ["orders"], hold)
        self._members.append((stop, asyncio.create_task(member.run(stop))))
        self.changes += 1

    async def _leave(self) -> None:
        stop, running = self._members.pop(0)
        stop.set()
        await running
        self.changes += 1
