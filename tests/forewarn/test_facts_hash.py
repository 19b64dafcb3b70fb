"""One figure for all documents: the same for the same facts, another for one cent, whoever has them."""

import random

from forewarn.facts_hash import ServiceFacts, facts_of_all, total
from shared.messaging import sources
from tests.support.builders import day, order, returned
from tests.support.operated import SERVICES, platform_of
from tests.support.stage import Stage

DOCUMENTS = [*(order(f"O{number}", amount=100 + number) for number in range(6)), order("D", currency="USD"), returned()]


async def facts_of(stage: Stage) -> list[ServiceFacts]:
    return await facts_of_all(SERVICES, platform_of(stage))


async def total_of(stage: Stage) -> str:
    return total(await facts_of(stage))


class TestFactsOfAll:
    async def test_shows_what_is_produced_and_what_is_held(self, stage: Stage) -> None:
        await stage.pass_on(*DOCUMENTS)
        found = {(one.service, one.side, one.facts.kind): one for one in await facts_of(stage)}
        assert list(found) == [
            ("orders", "document", "order"),
            ("orders", "document", "return"),
            ("credit", "held_document", "order"),
            ("credit", "held_document", "return"),
        ]
        assert found["orders", "document", "order"].facts == found["credit", "held_document", "order"].facts
        assert found["orders", "document", "order"].sums == {"CNY": "6.15", "USD": "100.00"}


class TestTotal:
    async def test_does_not_depend_on_order_ids_and_recorded_times(self, stage: Stage) -> None:
        """INVARIANT: systems that know the same facts have the same total, or comparing two of them proves nothing."""
        await stage.pass_on(*DOCUMENTS)
        expected = await total_of(stage)
        await stage.databases.clear()
        for document in random.Random(1).sample(DOCUMENTS, len(DOCUMENTS)):
            await stage.pass_on(document)
        assert await total_of(stage) == expected

    async def test_one_cent_changes_it(self, stage: Stage) -> None:
        await stage.pass_on(*DOCUMENTS)
        before = await total_of(stage)
        await stage.pass_on(order("O0", amount=101), source_revision=1)
        assert await total_of(stage) != before

    async def test_a_document_only_its_producer_has_changes_it(self, stage: Stage) -> None:
        await stage.accept(*DOCUMENTS)
        before = await total_of(stage)
        await stage.relay()
        await stage.consume()
        assert await total_of(stage) != before

    async def test_what_a_source_promises_is_no_fact(self, stage: Stage) -> None:
        """INVARIANT: a job beats by the clock, so with beats in it the total of the same documents would wander."""
        await stage.pass_on(*DOCUMENTS)
        before = await total_of(stage)
        async with stage.producer.database.unit_of_work() as unit:
            await sources.advance(stage.store, unit, source="erp", of="order", complete_until=day(-1))
        assert await total_of(stage) == before

    async def test_does_not_depend_on_the_order_of_services(self, stage: Stage) -> None:
        await stage.pass_on(*DOCUMENTS)
        found = await facts_of(stage)
        assert total(found[::-1]) == total(found)
