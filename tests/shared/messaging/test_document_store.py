"""The producer's side of the protocol, on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from services.orders.tables import METADATA
from shared.clock import SystemClock
from shared.database.database import Database
from shared.errors import Conflict, NotFound, TooLarge
from shared.events import cloudevents
from shared.ids import Uuid7Ids
from shared.messaging import outbox
from shared.messaging.document_store import DocumentStore, Outcome
from tests.support import builders
from tests.support.builders import draft, order, party
from tests.support.schema import create_tables

store = DocumentStore("orders")


@pytest.fixture
async def database(database_dsn: str) -> AsyncIterator[Database]:
    await create_tables(database_dsn, METADATA)
    database = Database(database_dsn, clock=SystemClock(), ids=Uuid7Ids())
    yield database
    await database.close()


async def accept(database: Database, *documents: Any, source_revision: int | None = None) -> list[Outcome]:
    async with database.unit_of_work() as unit:
        return await store.accept([draft(document, source_revision) for document in documents], unit)


async def rows(database: Database) -> list[dict[str, Any]]:
    """Outbox rows of documents (not of sources), with their attributes."""
    async with database.unit_of_work() as unit:
        found = await unit.connection.fetch("select * from outbox order by id")
    events = [cloudevents.decode(outbox.decode_headers(row["headers"]), row["payload"], row["part"]) for row in found]
    return [
        {"key": row["key"], "event": event} for row, event in zip(found, events, strict=True) if event.kind != "beat"
    ]


class TestAccept:
    async def test_a_new_document_gets_revision_one_and_a_row_per_party(self, database: Database) -> None:
        [outcome] = await accept(database, order(bill_to=party("C2")))
        assert (outcome.status, outcome.stored.revision) == ("accepted", 1)
        assert {row["key"] for row in await rows(database)} == {party("C1").id, party("C2").id}

    async def test_a_repeated_document_writes_nothing(self, database: Database) -> None:
        """INVARIANT: a repeated request writes neither document nor outbox row.

        Broken, every retry of a client would count as a change and wake every consumer.
        """
        [first] = await accept(database, order())
        [second] = await accept(database, order())
        assert (second.status, second.stored.id) == ("duplicate", first.stored.id)
        assert len(await rows(database)) == 1

    async def test_other_content_without_a_revision_differs(self, database: Database) -> None:
        await accept(database, order(amount=1))
        [outcome] = await accept(database, order(amount=2))
        assert outcome.status == "differs"
        assert outcome.stored.document.sums()[1] == 1

    async def test_a_higher_source_revision_amends(self, database: Database) -> None:
        await accept(database, order(amount=1), source_revision=1)
        [outcome] = await accept(database, order(amount=2), source_revision=2)
        assert (outcome.status, outcome.stored.revision) == ("amended", 2)

    async def test_a_lower_source_revision_is_superseded(self, database: Database) -> None:
        await accept(database, order(amount=2), source_revision=2)
        [outcome] = await accept(database, order(amount=1), source_revision=1)
        assert outcome.status == "superseded"

    async def test_an_equal_source_revision_with_other_content_differs(self, database: Database) -> None:
        await accept(database, order(amount=2), source_revision=2)
        [outcome] = await accept(database, order(amount=1), source_revision=2)
        assert outcome.status == "differs"

    async def test_the_previous_customer_of_an_amended_document_is_told_too(self, database: Database) -> None:
        """INVARIANT: addressees are the parties of the previous and of the new snapshot.

        Broken, the old customer keeps the order until the other partition happens to catch up: a false alarm.
        """
        await accept(database, order(customer="C1"), source_revision=1)
        await accept(database, order(customer="C2"), source_revision=2)
        second = [row["key"] for row in await rows(database) if row["event"].revision == 2]
        assert set(second) == {party("C1").id, party("C2").id}

    async def test_several_revisions_in_one_call_leave_the_last(self, database: Database) -> None:
        async with database.unit_of_work() as unit:
            outcomes = await store.accept([draft(order(amount=n), n) for n in (1, 3, 2)], unit)
        assert [outcome.status for outcome in outcomes] == ["accepted", "amended", "superseded"]
        [row] = await rows(database)
        assert row["event"].revision == 2

    async def test_a_failure_writes_neither_document_nor_event(self, database: Database) -> None:
        """INVARIANT: document and outbox rows are one transaction.

        Broken, an accepted document could stay unknown to everyone else for ever.
        """

        async def fail() -> None:
            async with database.unit_of_work() as unit:
                await store.accept([draft(order())], unit)
                raise RuntimeError

        with pytest.raises(RuntimeError):
            await fail()
        assert await rows(database) == []
        async with database.unit_of_work() as unit:
            assert await store.find("order", "erp/O1", unit.connection) is None

    async def test_a_document_the_bus_would_refuse_is_refused_here(self, database: Database) -> None:
        with pytest.raises(TooLarge):
            await accept(database, order(cancelled_at=None, seller_entity="x" * outbox.MAX_PAYLOAD))

    async def test_the_first_document_registers_its_source(self, database: Database) -> None:
        await accept(database, order())
        async with database.unit_of_work() as unit:
            source = await store.find("beat", "erp/order", unit.connection)
        assert source is not None
        assert source.document.complete_until is None  # type: ignore[attr-defined]

    async def test_concurrent_calls_with_the_same_documents_make_each_once(self, database: Database) -> None:
        """INVARIANT: one document per natural key, whoever comes first.

        Broken, two callers would each create the document and it would count twice.
        """
        documents = [order(f"O{n}") for n in range(50)]
        results = await asyncio.gather(
            *(accept(database, *(documents if n % 2 else reversed(documents))) for n in range(6))
        )
        statuses = [outcome.status for result in results for outcome in result]
        assert statuses.count("accepted") == 50
        assert len(await rows(database)) == 50

    async def test_concurrent_amendments_leave_distinct_revisions(self, database: Database) -> None:
        """INVARIANT: the revision grows under the document's row lock.

        Broken, two contents share one revision and consumers keep whichever came first.
        """
        await accept(database, order(amount=0), source_revision=0)
        await asyncio.gather(*(accept(database, order(amount=n), source_revision=n) for n in range(1, 12)))
        revisions = [row["event"].revision for row in await rows(database)]
        assert len(revisions) == len(set(revisions))
        async with database.unit_of_work() as unit:
            stored = await store.find("order", "erp/O1", unit.connection)
        assert stored is not None
        assert stored.document.sums()[1] == 11


class TestChange:
    async def test_an_unchanged_snapshot_writes_nothing(self, database: Database) -> None:
        [outcome] = await accept(database, order())
        async with database.unit_of_work() as unit:
            await store.change("order", outcome.stored.id, unit, lambda held: (held.document, "amended"))
        assert len(await rows(database)) == 1

    async def test_a_retracted_document_stays_and_is_not_live(self, database: Database) -> None:
        [outcome] = await accept(database, order())
        async with database.unit_of_work() as unit:
            stored = await store.retract("order", outcome.stored.id, unit)
        assert (stored.revision, stored.document.live) == (2, False)

    async def test_a_document_keeps_its_number(self, database: Database) -> None:
        [outcome] = await accept(database, order())
        with pytest.raises(Conflict):
            async with database.unit_of_work() as unit:
                await store.change(
                    "order",
                    outcome.stored.id,
                    unit,
                    lambda held: (msgspec.structs.replace(held.document, number="O2"), "amended"),
                )

    async def test_an_unknown_document_is_not_found(self, database: Database) -> None:
        with pytest.raises(NotFound):
            async with database.unit_of_work() as unit:
                await store.retract("order", builders.party().id, unit)
