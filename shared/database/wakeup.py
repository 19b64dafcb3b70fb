"""Wake-ups across processes by LISTEN/NOTIFY: hints only, everyone also looks by himself after a while."""

import asyncio
import contextlib
from typing import Final

import asyncpg

JOBS: Final = "forewarn_jobs"
"""Runs every job of the service whose database it is now."""

RETRY_SECONDS: Final = 1.0

ANSWER_SECONDS: Final = 10
"""What connecting and a statement may take: a server that vanished without a word must not hold a waiter for ever."""

_AWAY: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, TimeoutError)


class Waker:
    """Sends at most one NOTIFY per channel at a time, on a connection of its own and outside any transaction.

    In the transaction it would serialise all commits on one lock of the server (15.7k -> 6.3k commits/s measured).
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._pending: set[str] = set()
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def wake(self, channel: str) -> None:
        """Ask for a NOTIFY soon; returns at once."""
        self._pending.add(channel)
        self._wanted.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="waker")

    async def _run(self) -> None:
        while True:
            try:
                connection = await _connect(self._dsn)
            except _AWAY:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            try:
                await self._send(connection)
            except _AWAY:
                continue
            finally:
                connection.terminate()

    async def _send(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            channels, self._pending = self._pending, set()
            await connection.execute("".join(f'NOTIFY "{channel}";' for channel in sorted(channels)))

    async def close(self) -> None:
        """Stop sending; what was asked for and not sent is left to the listeners' own polling."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None


class Listener:
    """Waits for one channel; while the server is away it only times out."""

    def __init__(self, dsn: str, channel: str) -> None:
        self._dsn = dsn
        self._channel = channel
        self._heard = asyncio.Event()
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    async def wait(self, timeout: float) -> bool:
        """True once the channel was, or may have been, notified since the last call; False after `timeout` seconds."""
        await self._connect()
        if not self._heard.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._heard.wait(), timeout)
        heard = self._heard.is_set()
        self._heard.clear()
        return heard

    async def _connect(self) -> None:
        if self._connection is not None and not self._connection.is_closed():
            return
        with contextlib.suppress(*_AWAY):
            connection = await _connect(self._dsn)
            try:
                await connection.add_listener(self._channel, self._on_notify)
            except BaseException:
                connection.terminate()
                raise
            # A session that was cut is noticed by who waits on it; the next call listens again.
            connection.add_termination_listener(self._on_notify)
            self._connection = connection
            # What came before the LISTEN was not heard.
            self._heard.set()

    def _on_notify(self, *_: object) -> None:
        self._heard.set()

    async def close(self) -> None:
        """Stop listening."""
        if self._connection is not None:
            self._connection.remove_termination_listener(self._on_notify)
            self._connection.terminate()
            self._connection = None


async def _connect(dsn: str) -> "asyncpg.Connection[asyncpg.Record]":
    return await asyncpg.connect(dsn, timeout=ANSWER_SECONDS, command_timeout=ANSWER_SECONDS)
