"""Wake-ups: hints across processes that cost nobody a commit, and survive the server."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from shared.database.wakeup import Listener, Waker
from tests.support.waiting import eventually


@pytest.fixture
async def waker(database_dsn: str) -> AsyncIterator[Waker]:
    waker = Waker(database_dsn)
    yield waker
    await waker.close()


@pytest.fixture
async def listener(database_dsn: str) -> AsyncIterator[Listener]:
    listener = Listener(database_dsn, "here")
    # The first wait hears what may have been said before it listened.
    assert await listener.wait(10)
    yield listener
    await listener.close()


async def _cut(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )
    await connection.close()


class TestWake:
    async def test_who_listens_is_woken(self, waker: Waker, listener: Listener) -> None:
        waker.wake("here")
        assert await listener.wait(10)

    async def test_who_listens_elsewhere_is_not(self, waker: Waker, listener: Listener) -> None:
        waker.wake("there")
        waker.wake("nowhere")
        assert not await listener.wait(0.1)

    async def test_many_wishes_are_one_notification(self, waker: Waker, database_dsn: str) -> None:
        heard: list[str] = []
        connection = await asyncpg.connect(database_dsn)
        for channel in ("here", "there"):
            await connection.add_listener(channel, lambda *said: heard.append(said[2]))
        for _ in range(1_000):
            waker.wake("here")
            waker.wake("there")
        await eventually(lambda: _is(sorted(heard) == ["here", "there"]))
        await connection.close()

    async def test_it_returns_while_nobody_answers(self) -> None:
        waker = Waker("postgresql://nobody@/nothing?host=/nowhere")
        waker.wake("here")
        await asyncio.sleep(0)
        await waker.close()

    async def test_it_goes_on_after_its_session_was_cut(
        self, waker: Waker, listener: Listener, database_dsn: str
    ) -> None:
        """INVARIANT: wake-ups come back by themselves. Broken, everything is only as quick as its polling."""
        waker.wake("here")
        assert await listener.wait(10)
        waiting = asyncio.create_task(listener.wait(20))
        await asyncio.sleep(0.01)
        await _cut(database_dsn)
        assert await waiting

        async def woken() -> bool:
            waker.wake("here")
            return await listener.wait(0.2)

        await eventually(woken)


class TestWait:
    async def test_it_ends_with_its_time(self, listener: Listener) -> None:
        assert not await listener.wait(0.01)

    async def test_what_came_between_two_waits_is_heard(self, waker: Waker, listener: Listener) -> None:
        """INVARIANT: a wake-up between look and wait is not lost. Broken, work lies until the next poll."""
        waker.wake("here")
        await eventually(lambda: _is(listener._heard.is_set()))
        assert await listener.wait(0)

    async def test_each_wake_up_is_heard_once(self, waker: Waker, listener: Listener) -> None:
        waker.wake("here")
        assert await listener.wait(10)
        assert not await listener.wait(0.05)

    async def test_while_the_server_is_away_it_only_times_out(self) -> None:
        listener = Listener("postgresql://nobody@/nothing?host=/nowhere", "here")
        assert not await listener.wait(0.01)
        await listener.close()


async def _is(fact: bool) -> bool:
    return fact
