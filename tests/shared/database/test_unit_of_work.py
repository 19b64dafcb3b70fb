"""One transaction as use cases see it."""

import asyncpg

from shared.database.unit_of_work import UnitOfWork
from shared.ids import Uuid7Ids
from tests.support.builders import day


class TestUnitOfWork:
    async def test_ids_ascend(self, database_dsn: str) -> None:
        connection = await asyncpg.connect(database_dsn)
        unit = UnitOfWork(connection, now=day(0), ids=Uuid7Ids())
        made = [unit.new_id() for _ in range(100)]
        assert made == sorted(made)
        await connection.close()

    async def test_a_channel_is_woken_once_however_often_it_is_asked_for(self, database_dsn: str) -> None:
        connection = await asyncpg.connect(database_dsn)
        unit = UnitOfWork(connection, now=day(0), ids=Uuid7Ids())
        unit.wake("here")
        unit.wake("here")
        assert unit.channels == {"here"}
        await connection.close()
