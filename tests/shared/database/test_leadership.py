"""Who stands still does not lead for ever."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from shared.database import leadership
from shared.database.leadership import leading_session
from tests.support.waiting import eventually

LOCK = "select pg_try_advisory_lock(7)"


@pytest.fixture
async def leader(database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[asyncpg.Connection]:
    """A session that leads, and is deposed after a second of silence."""
    monkeypatch.setattr(leadership, "SILENT_SECONDS", 1)
    session = await leading_session(database_dsn, command_timeout=10)
    assert await session.fetchval(LOCK)
    yield session
    session.terminate()


class TestLeadingSession:
    async def test_a_silent_leader_is_followed_by_another(self, leader: asyncpg.Connection, database_dsn: str) -> None:
        """INVARIANT: a process that was stopped keeps its connections; broken, nobody works until it is killed."""
        other = await leading_session(database_dsn, command_timeout=10)
        await eventually(lambda: other.fetchval(LOCK))
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
            await leader.fetchval("select 1")
        other.terminate()

    async def test_who_says_something_now_and_then_leads_on(
        self, leader: asyncpg.Connection, database_dsn: str
    ) -> None:
        other = await leading_session(database_dsn, command_timeout=10)
        for _ in range(8):
            await leader.fetchval("select 1")
            assert not await other.fetchval(LOCK)
            await asyncio.sleep(0.2)
        other.terminate()
