"""One service's PostgreSQL database: a pool, units of work on it, and a connection that listens for wake-ups."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Final

import asyncpg
import structlog

from shared.clock import Clock
from shared.database.unit_of_work import UnitOfWork
from shared.database.wakeup import Listener, Waker
from shared.errors import Unavailable
from shared.ids import Ids

AWAY: Final = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
)
"""What the driver raises when the server is away; nothing was committed unless the COMMIT itself was cut off."""

BLAMELESS: Final = (
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.InternalServerError,
    asyncpg.SyntaxOrAccessError,
    asyncpg.InvalidCachedStatementError,
)
"""Errors no data are to blame for: others were in the way, the disk is full, tables and program do not fit."""

_SESSION: Final = {
    "application_name": "forewarn",
    "timezone": "UTC",
    # A process that stands still in a transaction holds its row locks; others wait for them at most so long.
    "idle_in_transaction_session_timeout": "30s",
}

log = structlog.get_logger(__name__)


class Database:
    """A pool of connections that opens lazily and outlives restarts of the server."""

    def __init__(self, dsn: str, *, clock: Clock, ids: Ids, max_connections: int = 8) -> None:
        self.dsn = dsn
        self._clock = clock
        self._ids = ids
        self._max_connections = max_connections
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._opening = asyncio.Lock()
        self._waker = Waker(dsn)

    async def pool(self) -> "asyncpg.Pool[asyncpg.Record]":
        """The pool, opened on first use. Raises `database_unavailable` while the server is away."""
        if self._pool is None:
            async with self._opening:
                if self._pool is None:
                    with unavailable_when_away():
                        self._pool = await asyncpg.create_pool(
                            self.dsn,
                            min_size=0,
                            max_size=self._max_connections,
                            command_timeout=60,
                            timeout=10,
                            server_settings=_SESSION,
                        )
        return self._pool

    @contextlib.asynccontextmanager
    async def unit_of_work(self) -> AsyncIterator[UnitOfWork]:
        """One transaction: committed when the block ends well, rolled back otherwise; wake-ups only after commit."""
        pool = await self.pool()
        with unavailable_when_away():
            async with pool.acquire() as connection:
                unit = UnitOfWork(connection, now=self._clock.now(), ids=self._ids)
                async with connection.transaction():
                    yield unit
            for channel in unit.channels:
                self._waker.wake(channel)

    def wake(self, channel: str) -> None:
        """Hint whoever listens on `channel`, soon and outside any transaction; returns at once."""
        self._waker.wake(channel)

    def listener(self, channel: str) -> Listener:
        """A connection of its own that hears `wake`."""
        return Listener(self.dsn, channel)

    async def close(self) -> None:
        """Close all connections; those in use are cut after a second."""
        await self._waker.close()
        if self._pool is not None:
            try:
                await asyncio.wait_for(self._pool.close(), timeout=1)
            except (TimeoutError, *AWAY):
                self._pool.terminate()
            self._pool = None


@contextlib.contextmanager
def unavailable_when_away() -> Iterator[None]:
    """Turn what a second attempt mends into 503: `database_unavailable`, or after a deadlock `database_busy`."""
    try:
        yield
    except AWAY as error:
        log.warning("database_away", error=type(error).__name__)
        raise Unavailable("database_unavailable", "The database is away; try again.", retry_after=1) from error
    except asyncpg.TransactionRollbackError as error:
        log.warning("database_busy", error=type(error).__name__)
        message = "Two writes were in each other's way; nothing was kept, try again."
        raise Unavailable("database_busy", message, retry_after=1) from error
