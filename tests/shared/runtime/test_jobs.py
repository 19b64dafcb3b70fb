"""Jobs: one leader each, in time, at once when woken or when there is more, unharmed by failures and a lost server."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from shared.clock import SystemClock
from shared.context import Context
from shared.database import leadership
from shared.database.database import Database
from shared.database.embedded_postgres import EmbeddedPostgres
from shared.ids import Uuid7Ids
from shared.runtime import jobs as module
from shared.runtime.jobs import CHANNEL, JobRunner
from shared.runtime.service import Job
from shared.settings import Settings
from tests.support.postgres import OWNER, running_postgres

HOUR = timedelta(hours=1)


class Count:
    """A job that counts its runs and does what it is told."""

    def __init__(self, act: Callable[[int], Awaitable[bool]] | None = None) -> None:
        self.runs = 0
        self._act = act
        self._changed = asyncio.Condition()

    async def __call__(self, _: Context) -> bool:
        self.runs += 1
        async with self._changed:
            self._changed.notify_all()
        return await self._act(self.runs) if self._act else False

    async def reach(self, runs: int, timeout: float = 5) -> None:
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(lambda: self.runs >= runs)


@asynccontextmanager
async def process(dsn: str, *jobs: Job) -> AsyncIterator[Context]:
    """A runner of its own, as in a process of its own."""
    clock, ids = SystemClock(), Uuid7Ids()
    context = Context("orders", Database(dsn, clock=clock, ids=ids), Settings(), clock, ids)
    stop = asyncio.Event()
    running = asyncio.create_task(JobRunner(context, jobs).run(stop))
    try:
        yield context
    finally:
        stop.set()
        await asyncio.wait_for(running, 5)
        await context.database.close()


class TestJobRunner:
    async def test_runs_at_once_and_then_every_interval(self, database_dsn: str) -> None:
        count = Count()
        async with process(database_dsn, Job("count", timedelta(milliseconds=20), count)):
            await count.reach(3)

    async def test_runs_again_at_once_while_there_is_more(self, database_dsn: str) -> None:
        async def more_until_five(runs: int) -> bool:
            return runs < 5

        count = Count(more_until_five)
        async with process(database_dsn, Job("count", HOUR, count)):
            await count.reach(5)
            await asyncio.sleep(0.1)
        assert count.runs == 5

    async def test_a_leader_with_nothing_to_do_leads_on(
        self, database_dsn: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """INVARIANT: the server ends silent sessions; broken, a rare job would be run by everybody in turn."""
        monkeypatch.setattr(leadership, "SILENT_SECONDS", 1)
        monkeypatch.setattr(module, "LEAD_POLL_SECONDS", 0.2)
        first, second = Count(), Count()
        async with process(database_dsn, Job("rare", HOUR, first)):
            await first.reach(1)
            async with process(database_dsn, Job("rare", HOUR, second)):
                await asyncio.sleep(2.5)
        assert (first.runs, second.runs) == (1, 0)

    async def test_runs_when_woken(self, database_dsn: str) -> None:
        count = Count()
        async with process(database_dsn, Job("count", HOUR, count)) as context:
            await count.reach(1)
            await asyncio.sleep(0.1)
            context.database.wake(CHANNEL)
            await count.reach(2)

    async def test_of_two_processes_one_leads_and_the_other_takes_over(
        self, database_dsn: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """INVARIANT: without the lock every replica would send every reminder."""
        monkeypatch.setattr(module, "LEAD_POLL_SECONDS", 0.05)
        first, second = Count(), Count()
        tick = timedelta(milliseconds=10)
        async with process(database_dsn, Job("count", tick, second)):
            await second.reach(1)
            async with process(database_dsn, Job("count", tick, first)):
                await second.reach(10)
                assert first.runs == 0
        async with process(database_dsn, Job("count", tick, first)):
            await first.reach(1)

    async def test_jobs_of_one_name_in_two_databases_know_nothing_of_each_other(
        self, fresh_database: Callable[[str], str]
    ) -> None:
        first, second = Count(), Count()
        async with process(fresh_database("a"), Job("count", HOUR, first)):
            async with process(fresh_database("b"), Job("count", HOUR, second)):
                await first.reach(1)
                await second.reach(1)

    async def test_a_failure_is_tried_again_and_stops_no_other_job(self, database_dsn: str) -> None:
        async def fail_first(runs: int) -> bool:
            if runs == 1:
                raise ValueError("no luck")
            return False

        failing, other = Count(fail_first), Count()
        async with process(
            database_dsn, Job("failing", HOUR, failing), Job("other", timedelta(milliseconds=20), other)
        ):
            await failing.reach(2)
            await other.reach(3)

    async def test_a_stop_lets_the_run_end(self, database_dsn: str) -> None:
        ended = []

        async def slow(_: int) -> bool:
            await asyncio.sleep(0.2)
            ended.append(True)
            return True

        count = Count(slow)
        async with process(database_dsn, Job("slow", HOUR, count)):
            await count.reach(1)
        assert ended == [True]


class TestServerAway:
    @pytest.mark.system
    async def test_runs_go_on_after_the_server_was_killed_and_is_back(self) -> None:
        """INVARIANT: a restart of PostgreSQL must not need a restart of the worker."""
        with running_postgres() as server:
            count = Count()
            async with process(server.dsn(OWNER), Job("count", timedelta(milliseconds=20), count)):
                await count.reach(2)
                kill(server)
                await asyncio.sleep(0.3)
                await asyncio.to_thread(server.start)
                await count.reach(count.runs + 5, timeout=20)


def kill(server: EmbeddedPostgres) -> None:
    pid = server.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
