"""Documents known by their id alone: what they are called may move with what they say."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from services.orders.tables import METADATA
from shared.clock import SystemClock
from shared.database.database import Database
from shared.events import Order, cloudevents
from shared.ids import Uuid7Ids
from shared.messaging import outbox
from shared.messaging.document_store import DocumentStore, Snapshot, Stored
from tests.support.builders import order, party
from tests.support.schema import create_tables

store = DocumentStore("orders")
ONE, TWO = UUID(int=1), UUID(int=2)


@pytest.fixture
async def database(database_dsn: str) -> AsyncIterator[Database]:
    await create_tables(database_dsn, METADATA)
    database = Database(database_dsn, clock=SystemClock(), ids=Uuid7Ids())
    yield database
    await database.close()


async def put(database: Database, *documents: tuple[UUID, Order]) -> list[Stored]:
    async with database.unit_of_work() as unit:
        return await store.put([Snapshot(id_, document, "amended") for id_, document in documents], unit)


async def rows(database: Database) -> list[Any]:
    """Outbox rows, as (addressee, id, revision)."""
    async with database.unit_of_work() as unit:
        found = await unit.connection.fetch("select * from outbox order by id")
    events = [cloudevents.decode(outbox.decode_headers(row["headers"]), row["payload"], row["part"]) for row in found]
    return [(row["key"], event.id, event.revision) for row, event in zip(found, events, strict=True)]


class TestPut:
    async def test_new_documents_get_revision_one_and_a_row_each(self, database: Database) -> None:
        stored = await put(database, (TWO, order("O2")), (ONE, order("O1")))
        assert [(one.id, one.revision) for one in stored] == [(TWO, 1), (ONE, 1)]
        assert await rows(database) == [(party().id, TWO, 1), (party().id, ONE, 1)]

    async def test_an_unchanged_snapshot_writes_nothing(self, database: Database) -> None:
        """INVARIANT: one row per change; else every look at a warning would tell the world."""
        await put(database, (ONE, order()))
        assert await put(database, (ONE, order())) == []
        assert len(await rows(database)) == 1

    async def test_what_it_is_called_may_move(self, database: Database) -> None:
        await put(database, (ONE, order("O1")))
        [stored] = await put(database, (ONE, replace(order("O1"), number="O9", placed_at=order().at + timedelta(1))))
        assert stored.revision == 2
        async with database.unit_of_work() as unit:
            found = await store.get("order", ONE, unit.connection)
            assert await store.find("order", "erp/O9", unit.connection) is None
        assert found.document.natural_key == "erp/O9"

    async def test_two_documents_may_be_called_alike(self, database: Database) -> None:
        assert len(await put(database, (ONE, order()), (TWO, order()))) == 2

    async def test_goes_only_to_whom_it_names_now(self, database: Database) -> None:
        await put(database, (ONE, order()))
        await put(database, (ONE, order(customer="C2")))
        assert [key for key, _, _ in await rows(database)] == [party("C1").id, party("C2").id]

    async def test_nothing_to_put(self, database: Database) -> None:
        assert await put(database) == []
