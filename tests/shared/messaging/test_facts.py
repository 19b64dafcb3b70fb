"""Figures to reconcile by: equal on both sides at every quiet point, and one cent changes them."""

import random

import pytest

from shared.database.unit_of_work import Connection
from shared.messaging import facts
from shared.messaging.facts import Facts, Tally
from tests.support.builders import order, party, returned
from tests.support.stage import Stage

KINDS = ("order", "return")
DOCUMENTS = [
    *(order(f"O{n}", f"C{n % 5}", at=n / 3, amount=n) for n in range(12)),
    order("D1", currency="USD", amount=7),
    order("B1", bill_to=party("C9"), amount=3),
    order("X1", live=False, amount=1_000),
    returned("R1", amount=5),
]


async def produced(stage: Stage) -> list[Tally]:
    async with stage.producer.database.unit_of_work() as unit:
        return await facts.tally("document", KINDS, unit.connection)


async def held(stage: Stage) -> list[Tally]:
    async with stage.consumer.database.unit_of_work() as unit:
        return await facts.tally("held_document", KINDS, unit.connection)


async def facts_of(stage: Stage) -> list[Facts]:
    async with stage.producer.database.unit_of_work() as unit:
        return await facts.facts("document", KINDS, unit.connection)


async def change_one_cent(connection: Connection) -> None:
    await connection.execute(
        "update held_document set amount = amount + 1, data = replace(encode(data, 'escape'), '\"amount\":7',"
        " '\"amount\":8')::bytea where convert_from(data, 'UTF8') like '%D1%'"
    )


class TestTally:
    async def test_both_sides_agree_when_all_is_quiet(self, stage: Stage) -> None:
        """INVARIANT: count, sum and hash per kind and day are those of the producer. Broken, nobody notices a loss."""
        await stage.pass_on(*DOCUMENTS)
        assert await held(stage) == await produced(stage)
        assert sum(tally.documents for tally in await held(stage)) == len(DOCUMENTS)

    async def test_they_agree_after_amendments_too(self, stage: Stage) -> None:
        await stage.pass_on(order(amount=1), source_revision=1)
        await stage.pass_on(order(amount=2, at=3), source_revision=2)
        [tally] = await held(stage)
        assert [tally] == await produced(stage)
        assert (tally.documents, tally.amount) == (1, 2)

    async def test_a_missing_document_shows(self, stage: Stage) -> None:
        await stage.pass_on(*DOCUMENTS)
        await stage.rows(stage.consumer, "delete from held_document where currency = 'USD' returning 1")
        assert await held(stage) != await produced(stage)

    async def test_one_cent_shows_in_sum_and_hash(self, stage: Stage) -> None:
        await stage.pass_on(*DOCUMENTS)
        async with stage.consumer.database.unit_of_work() as unit:
            await change_one_cent(unit.connection)
        different = [(ours, theirs) for ours, theirs in zip(await held(stage), await produced(stage), strict=True)]
        [(ours, theirs)] = [(one, other) for one, other in different if one != other]
        assert ours.amount == theirs.amount + 1
        assert ours.hash != theirs.hash

    async def test_an_old_revision_shows_even_if_its_sum_is_right(self, stage: Stage) -> None:
        await stage.pass_on(order(), source_revision=1)
        await stage.accept(order(lines=3), source_revision=2)
        [ours], [theirs] = await held(stage), await produced(stage)
        assert (ours.documents, ours.amount) == (theirs.documents, theirs.amount)
        assert ours.hash != theirs.hash

    async def test_documents_that_count_as_never_been_add_nothing(self, stage: Stage) -> None:
        await stage.pass_on(order(live=False))
        [tally] = await held(stage)
        assert (tally.documents, tally.amount) == (1, 0)


class TestFacts:
    @pytest.mark.parametrize("seed", range(3))
    async def test_order_ids_and_recorded_times_are_of_no_account(self, stage: Stage, seed: int) -> None:
        """INVARIANT: two systems that know the same facts have the same hash, whatever way they came to know them."""
        await stage.accept(*DOCUMENTS)
        expected = await facts_of(stage)
        await stage.databases.clear()
        shuffled = random.Random(seed).sample(DOCUMENTS, len(DOCUMENTS))
        for document in shuffled:
            await stage.accept(document)
        assert await facts_of(stage) == expected

    async def test_sums_are_per_currency_and_of_live_documents(self, stage: Stage) -> None:
        await stage.accept(*DOCUMENTS)
        orders, returns = await facts_of(stage)
        assert (orders.documents, orders.sums) == (15, {"CNY": 66 + 3, "USD": 7})
        assert (returns.documents, returns.sums) == (1, {"CNY": 5})

    async def test_one_cent_changes_the_hash(self, stage: Stage) -> None:
        await stage.accept(order(amount=1), source_revision=1)
        [before, _] = await facts_of(stage)
        await stage.accept(order(amount=2), source_revision=2)
        [after, _] = await facts_of(stage)
        assert before.hash != after.hash

    async def test_both_sides_have_the_same(self, stage: Stage) -> None:
        await stage.pass_on(*DOCUMENTS)
        async with stage.consumer.database.unit_of_work() as unit:
            assert await facts.facts("held_document", KINDS, unit.connection) == await facts_of(stage)
