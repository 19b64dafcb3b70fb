"""One service's database: units of work that are kept whole or not at all, and a server that comes and goes."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from shared.clock import SystemClock
from shared.database.database import AWAY, Database
from shared.errors import Unavailable
from shared.ids import Uuid7Ids
from tests.support.postgres import create_database, running_postgres
from tests.support.waiting import eventually

INSERT = "insert into thing values ($1)"


class Killed(BaseException):
    """What no handler of errors catches."""


def database_of(dsn: str) -> Database:
    return Database(dsn, clock=SystemClock(), ids=Uuid7Ids(), max_connections=4)


@pytest.fixture
async def database(database_dsn: str) -> AsyncIterator[Database]:
    database = database_of(database_dsn)
    async with database.unit_of_work() as unit:
        await unit.connection.execute("create table thing (id int primary key)")
    yield database
    await database.close()


async def things(database: Database) -> list[int]:
    async with database.unit_of_work() as unit:
        return [row["id"] for row in await unit.connection.fetch("select id from thing order by id")]


class TestUnitOfWork:
    async def test_what_a_block_did_is_there_when_it_ended_well(self, database: Database) -> None:
        async with database.unit_of_work() as unit:
            await unit.connection.execute(INSERT, 1)
        assert await things(database) == [1]

    @pytest.mark.parametrize("error", [ValueError, Killed])
    async def test_nothing_of_it_is_there_otherwise(self, database: Database, error: type[BaseException]) -> None:
        """INVARIANT: all or nothing. Broken, a document is there without its event, or half a batch."""

        async def work() -> None:
            async with database.unit_of_work() as unit:
                await unit.connection.execute(INSERT, 1)
                raise error

        with pytest.raises(error):
            await work()
        assert await things(database) == []

    async def test_nothing_of_it_is_there_when_the_caller_went_away(self, database: Database) -> None:
        wrote = asyncio.Event()

        async def work() -> None:
            async with database.unit_of_work() as unit:
                await unit.connection.execute(INSERT, 1)
                wrote.set()
                await asyncio.sleep(60)

        task = asyncio.create_task(work())
        await wrote.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await things(database) == []

    async def test_its_instant_is_when_it_began(self, database: Database) -> None:
        before = SystemClock().now()
        async with database.unit_of_work() as unit:
            assert before <= unit.now <= SystemClock().now()

    async def test_whoever_it_wakes_is_woken_after_the_commit(self, database: Database) -> None:
        """INVARIANT: a wake-up follows what it announces. Broken, the relay looks, finds nothing and goes to sleep."""
        listener = database.listener("things")
        await listener.wait(0.01)
        async with database.unit_of_work() as unit:
            await unit.connection.execute(INSERT, 1)
            unit.wake("things")
            assert not await listener.wait(0.05)
        assert await listener.wait(10)
        await listener.close()

    async def test_nobody_is_woken_after_a_rollback(self, database: Database) -> None:
        async def work() -> None:
            async with database.unit_of_work() as unit:
                unit.wake("things")
                raise Killed

        listener = database.listener("things")
        await listener.wait(0.01)
        with pytest.raises(Killed):
            await work()
        assert not await listener.wait(0.1)
        await listener.close()

    async def test_errors_of_the_data_stay_what_they_are(self, database: Database) -> None:
        """INVARIANT: an argument the driver cannot encode is no outage.

        Broken, a consumer tries the same bad record again for ever, and a client is told to come back for nothing.
        """
        for bad in (2**40, "text"):
            with pytest.raises(asyncpg.DataError):
                async with database.unit_of_work() as unit:
                    await unit.connection.execute(INSERT, bad)

    async def test_of_two_that_wait_for_each_other_one_is_told_to_come_back(self, database: Database) -> None:
        async with database.unit_of_work() as unit:
            await unit.connection.execute("insert into thing values (1), (2)")
        both = asyncio.Barrier(2)

        async def lock(first: int, second: int) -> None:
            async with database.unit_of_work() as unit:
                await unit.connection.execute("update thing set id = id where id = $1", first)
                await both.wait()
                await unit.connection.execute("update thing set id = id where id = $1", second)

        results = await asyncio.gather(lock(1, 2), lock(2, 1), return_exceptions=True)
        [error] = [result for result in results if result is not None]
        assert isinstance(error, Unavailable)
        assert error.code == "database_busy"


AWAY_ERRORS = (
    ConnectionResetError(),
    TimeoutError(),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress"),
    asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
    asyncpg.AdminShutdownError("terminating connection"),
    asyncpg.CannotConnectNowError("the database system is starting up"),
    asyncpg.TooManyConnectionsError("sorry, too many clients already"),
)


class TestServerAway:
    @pytest.mark.parametrize("error", AWAY_ERRORS, ids=lambda error: type(error).__name__)
    async def test_whatever_the_driver_says_of_it_callers_are_told_to_come_back(
        self, database: Database, error: Exception
    ) -> None:
        async def work() -> None:
            async with database.unit_of_work():
                raise error

        with pytest.raises(Unavailable):
            await work()

    async def test_a_server_that_never_was_is_unavailable(self) -> None:
        database = database_of("postgresql://nobody@/nothing?host=/nowhere")
        with pytest.raises(Unavailable):
            async with database.unit_of_work():
                raise AssertionError
        await database.close()

    async def test_it_outlives_restarts_of_the_server(self) -> None:
        """INVARIANT: while the server is away callers are told to come back, afterwards all goes on by itself."""
        with running_postgres() as server:
            database = database_of(create_database(server, "restarted"))
            async with database.unit_of_work() as unit:
                assert await unit.connection.fetchval("select 1") == 1
            await asyncio.to_thread(server.stop)
            with pytest.raises(Unavailable):
                async with database.unit_of_work() as unit:
                    await unit.connection.fetchval("select 1")
            await asyncio.to_thread(server.start)
            await eventually(lambda: _answers(database))
            await database.close()

    async def test_a_session_cut_in_the_middle_is_unavailable(self, database: Database) -> None:
        async def work() -> None:
            async with database.unit_of_work() as unit:
                await unit.connection.execute(INSERT, 1)
                await unit.connection.fetchval("select pg_terminate_backend(pg_backend_pid())")

        with pytest.raises(Unavailable):
            await work()
        await eventually(lambda: _answers(database))
        assert await things(database) == []


class TestClose:
    async def test_it_does_not_wait_for_those_at_work(self, database: Database) -> None:
        began = asyncio.Event()

        async def work() -> None:
            async with database.unit_of_work() as unit:
                began.set()
                await unit.connection.execute("select pg_sleep(60)")

        working = asyncio.create_task(work())
        await began.wait()
        await database.close()
        with pytest.raises((Unavailable, *AWAY)):
            await working


async def _answers(database: Database) -> bool:
    try:
        async with database.unit_of_work() as unit:
            return bool(await unit.connection.fetchval("select true"))
    except Unavailable:
        return False
