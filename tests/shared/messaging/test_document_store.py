"""The producer's side of the protocol, on a real PostgreSQL."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec
import pytest

from services.orders.tables import METADATA
from shared.clock import SystemClock
from shared.database.database import Database
from shared.database.unit_of_work import UnitOfWork
from shared.errors import Conflict, NotFound, TooLarge
from shared.events import Order, cloudevents, encode
from shared.ids import Uuid7Ids
from shared.messaging import outbox
from shared.messaging.document_store import DocumentStore, Draft, Key, Outcome, Stored
from tests.support import builders
from tests.support.builders import draft, order, party
from tests.support.schema import create_tables
from tests.support.waiting import eventually

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


async def wait_for_locks(database: Database, sessions: int) -> bool:
    query = "select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    async with database.unit_of_work() as unit:
        return len(await unit.connection.fetch(query)) == sessions


def assert_told_in_order(copies: Sequence[dict[str, Any]]) -> None:
    """Revisions of one document as they lie in the outbox: none missing, none out of turn, everyone concerned told."""
    revisions = [row["event"].revision for row in copies]
    assert revisions == sorted(revisions)
    assert set(revisions) == set(range(1, revisions[-1] + 1))
    before: set[UUID] = set()
    for revision in range(1, revisions[-1] + 1):
        mine = [row for row in copies if row["event"].revision == revision]
        named = {one.id for one in msgspec.json.decode(mine[0]["event"].data, type=Order).parties()}
        assert sorted(row["key"] for row in mine) == sorted(named | before)
        before = named


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

    async def test_the_same_new_documents_the_other_way_round_do_not_lock_each_other_out(
        self, database: Database
    ) -> None:
        """INVARIANT: new documents are written in the order of their keys. Broken: a deadlock."""
        await accept(database, order("O0"))
        documents = [order(f"O{n}") for n in range(1, 6)]
        async with database.unit_of_work() as unit:
            # Whoever comes stops in the middle, with what he has written until then.
            await store.accept([draft(order("O3"))], unit)
            calls = [
                asyncio.create_task(accept(database, *each)) for each in (documents, documents[::-1], documents[1:])
            ]
            await eventually(lambda: wait_for_locks(database, len(calls)))
        statuses = [outcome.status for call in calls for outcome in await call]
        assert statuses.count("accepted") == 4

    async def test_who_lost_a_race_does_not_hold_what_the_winner_waits_for(self, database: Database) -> None:
        """INVARIANT: who begins again gives back what he has made and locked meanwhile.

        Broken, two flushes wait for each other: one of them is thrown away after a second.
        """
        await accept(database, order("O0"))
        looked, may_write, looks_again = asyncio.Event(), asyncio.Event(), asyncio.Event()

        class Slow(DocumentStore):
            async def lock(self, keys: Iterable[Key], unit: UnitOfWork) -> dict[Key, Stored]:
                if looked.is_set():
                    looks_again.set()
                    await asyncio.wait([others], timeout=2)
                held = await super().lock(keys, unit)
                looked.set()
                await may_write.wait()
                return held

        async def slow() -> list[Outcome]:
            async with database.unit_of_work() as unit:
                return await Slow("orders").accept([draft(order("O1")), draft(order("O2"))], unit)

        async def other() -> list[Outcome]:
            await looks_again.wait()
            return await accept(database, order("O2"), order("O1", amount=5))

        losing, others = asyncio.create_task(slow()), asyncio.create_task(other())
        await looked.wait()
        await accept(database, order("O2"))
        may_write.set()
        assert [outcome.status for outcome in await losing] == ["differs", "duplicate"]
        assert [outcome.status for outcome in await others] == ["duplicate", "accepted"]

    @pytest.mark.parametrize("seed", range(4))
    async def test_any_interleaving_leaves_one_order_of_revisions(self, database: Database, seed: int) -> None:
        """INVARIANT: revisions are 1 to n without gaps, each told to whoever the last or the new snapshot names, and
        what stands at the end is what the source said last.

        Broken, consumers keep another content than the producer, or a customer keeps a document he no longer has.
        """
        rng = random.Random(seed)
        said = [
            draft(order(f"O{number}", rng.choice("ABC"), amount=revision, bill_to=party(rng.choice("ABC"))), revision)
            for number in range(6)
            for revision in range(1, 9)
        ]
        rng.shuffle(said)

        async def caller(drafts: Sequence[Draft]) -> None:
            while drafts:
                # No document twice in one call: then every revision is told.
                call = {draft.document.natural_key: draft for draft in drafts[:4]}
                drafts = drafts[4:]
                async with database.unit_of_work() as unit:
                    await store.accept(list(call.values()), unit)

        await asyncio.gather(*(caller(said[n::3]) for n in range(3)))
        told: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in await rows(database):
            told[msgspec.json.decode(row["event"].data, type=Order).number].append(row)
        assert len(told) == 6
        for copies in told.values():
            assert_told_in_order(copies)
            async with database.unit_of_work() as unit:
                stored = await store.get("order", copies[0]["event"].id, unit.connection)
            assert encode(stored.document) == copies[-1]["event"].data
            assert stored.source_revision == stored.document.sums()[1]

    async def test_the_same_document_twice_in_one_call_is_decided_in_order(self, database: Database) -> None:
        outcomes = await accept(database, order(amount=1), order(amount=1), order(amount=2))
        assert [outcome.status for outcome in outcomes] == ["accepted", "duplicate", "differs"]
        assert len(await rows(database)) == 1

    async def test_unchanged_content_under_a_higher_source_revision_tells_nobody(self, database: Database) -> None:
        """INVARIANT: an unchanged document is no event. Broken, a nightly export of everything wakes every consumer."""
        await accept(database, order(), source_revision=1)
        [outcome] = await accept(database, order(), source_revision=5)
        assert (outcome.status, outcome.stored.revision) == ("duplicate", 1)
        assert len(await rows(database)) == 1

    async def test_it_still_supersedes_what_comes_late(self, database: Database) -> None:
        await accept(database, order(amount=1), source_revision=1)
        await accept(database, order(amount=1), source_revision=5)
        [outcome] = await accept(database, order(amount=3), source_revision=3)
        assert outcome.status == "superseded"

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
