"""Runs the jobs of one service: each led by one process, at least as often as it asks, at once when woken."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Final

import asyncpg
import structlog

from shared.context import Context
from shared.database.database import AWAY
from shared.database.leadership import leading_session
from shared.database.wakeup import JOBS
from shared.runtime.service import Job
from shared.runtime.tasks import Backoff, pause

CHANNEL: Final = JOBS
"""`context.database.wake(CHANNEL)` runs every job of that service now."""

RETRY_SECONDS: Final = 1.0

LEAD_POLL_SECONDS: Final = 5.0
"""How often a process that does not lead a job asks whether it may, and one that leads shows that it is there."""

_LEAD: Final = "SELECT pg_try_advisory_lock(hashtext('forewarn_job'), hashtext($1))"

log = structlog.get_logger(__name__)


class JobRunner:
    """The jobs of one service in one process. A job's failure is logged and tried again; it ends nothing else.

    Leadership saves work, it protects nothing: a job whose leader lost its session may run twice for a moment.
    """

    def __init__(self, context: Context, jobs: Sequence[Job]) -> None:
        self._context = context
        self._jobs = jobs

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop`, from the start again whenever the database was away."""
        while not stop.is_set():
            try:
                await self._lead(stop)
            except (*AWAY, asyncpg.PostgresError, TimeoutError) as error:
                log.warning("jobs_start_again", service=self._context.service, error=repr(error))
            await pause(stop, RETRY_SECONDS)

    async def _lead(self, stop: asyncio.Event) -> None:
        session = await _Session.open(self._context.database.dsn, [job.name for job in self._jobs])
        ending = asyncio.create_task(session.end_at(stop))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(session.stay(), name=f"{self._context.service}.stay")
                for job in self._jobs:
                    group.create_task(self._repeat(job, session), name=f"{self._context.service}.{job.name}")
        finally:
            ending.cancel()
            session.close()

    async def _repeat(self, job: Job, session: "_Session") -> None:
        structlog.contextvars.bind_contextvars(service=self._context.service, job=job.name)
        backoff = Backoff()
        while not session.over.is_set():
            if not await session.leads(job.name):
                await pause(session.over, LEAD_POLL_SECONDS)
                continue
            began = asyncio.get_running_loop().time()
            try:
                more = await job.run(self._context)
            except Exception:
                log.exception("job_failed")
                await pause(session.over, backoff.after(asyncio.get_running_loop().time() - began))
                continue
            backoff = Backoff()
            if not more:
                await session.wait(job.name, job.every.total_seconds())
            # A job that always finds more must not keep the others from their turn.
            await asyncio.sleep(0)


class _Session:
    """The connection that holds the leader's locks and hears wake-ups; both end with it."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", names: Sequence[str]) -> None:
        self.over = asyncio.Event()
        self._connection = connection
        self._one_at_a_time = asyncio.Lock()
        self._led: set[str] = set()
        self._woken = {name: asyncio.Event() for name in names}

    @classmethod
    async def open(cls, dsn: str, names: Sequence[str]) -> "_Session":
        connection = await leading_session(dsn, command_timeout=10)
        session = cls(connection, names)
        connection.add_termination_listener(session._lost)
        await connection.add_listener(CHANNEL, session._wake)
        return session

    async def leads(self, name: str) -> bool:
        """Whether this session has, or now gets, the lock of a job; asks each time, to notice a dead connection."""
        if name in self._led:
            await self._say("SELECT 1")
        elif await self._say(_LEAD, name):
            self._led.add(name)
        return name in self._led and not self.over.is_set()

    async def stay(self) -> None:
        """Be heard until all is over, or the server would end a session whose jobs have nothing to do or take long."""
        while not self.over.is_set():
            await self._say("SELECT 1")
            await pause(self.over, LEAD_POLL_SECONDS)

    async def _say(self, statement: str, *arguments: str) -> Any:
        """What the server answers; None, and all is over, if it does not."""
        try:
            async with self._one_at_a_time:
                return await self._connection.fetchval(statement, *arguments)
        except (*AWAY, asyncpg.PostgresError, TimeoutError):
            self._lost()
            return None

    async def wait(self, name: str, seconds: float) -> None:
        """Until the job is woken, its time has come, or all is over."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken[name].wait(), seconds)
        self._woken[name].clear()

    async def end_at(self, stop: asyncio.Event) -> None:
        """Let the jobs end after the run they are in."""
        await stop.wait()
        self._end()

    def close(self) -> None:
        """Give the locks back."""
        self._connection.remove_termination_listener(self._lost)
        self._connection.terminate()

    def _lost(self, *_: object) -> None:
        if not self.over.is_set():
            log.warning("jobs_lost_their_session")
            self._end()

    def _end(self) -> None:
        self.over.set()
        self._wake()

    def _wake(self, *_: object) -> None:
        for event in self._woken.values():
            event.set()
