"""Both sides of every kind are held against each other, and what differs is named with its day and direction."""

import pytest

from forewarn.reconcile import PRODUCERS, Pair, Reconciliation, compare, pairs_of
from forewarn.services import all_services
from shared.events import PRODUCED_BY
from shared.runtime.service import Service
from tests.support.builders import day, order, returned
from tests.support.operated import CREDIT, SERVICES, platform_of
from tests.support.stage import Stage

DOCUMENTS = [*(order(f"O{number}", at=number / 4, amount=number) for number in range(12)), order("D", currency="USD")]


async def compared(stage: Stage) -> Reconciliation:
    return await compare(SERVICES, platform_of(stage))


async def lose(stage: Stage, side: str, condition: str) -> None:
    context = stage.producer if side == "document" else stage.consumer
    assert await stage.rows(context, f"delete from {side} where {condition} returning 1")


class TestCompare:
    async def test_finds_nothing_when_everything_was_taken_in(self, stage: Stage) -> None:
        await stage.pass_on(*DOCUMENTS, returned())
        found = await compared(stage)
        assert found.pairs == [Pair("orders", "credit", "order"), Pair("orders", "credit", "return")]
        assert (found.documents, found.differences) == (14, [])

    async def test_names_the_day_on_which_a_consumer_lacks_a_document(self, stage: Stage) -> None:
        """INVARIANT: one lost document of one day shows. Broken, nobody learns that a customer's debt is wrong."""
        await stage.pass_on(*DOCUMENTS)
        await lose(stage, "held_document", "amount = 7")
        [difference] = (await compared(stage)).differences
        assert difference.pair == Pair("orders", "credit", "order")
        assert (difference.day, difference.currency, difference.direction) == (day(7 / 4).date(), "CNY", "missing")
        assert difference.produced
        assert difference.held
        assert difference.produced.documents == difference.held.documents + 1

    async def test_names_a_day_of_which_a_consumer_has_nothing(self, stage: Stage) -> None:
        await stage.pass_on(*DOCUMENTS)
        await lose(stage, "held_document", "currency = 'USD'")
        [difference] = (await compared(stage)).differences
        assert (difference.currency, difference.direction, difference.held) == ("USD", "missing", None)

    async def test_names_what_a_consumer_has_too_many(self, stage: Stage) -> None:
        await stage.pass_on(*DOCUMENTS)
        await lose(stage, "document", "currency = 'USD'")
        [difference] = (await compared(stage)).differences
        assert (difference.currency, difference.direction, difference.produced) == ("USD", "surplus", None)

    async def test_names_an_old_revision_though_count_and_sum_are_right(self, stage: Stage) -> None:
        await stage.pass_on(order(), source_revision=1)
        await stage.accept(order(lines=3), source_revision=2)
        [difference] = (await compared(stage)).differences
        assert difference.direction == "other"


class TestPairs:
    def test_a_producer_that_is_not_there_is_left_out(self) -> None:
        assert pairs_of([CREDIT]) == []

    @pytest.mark.parametrize("service", all_services(), ids=lambda service: service.name)
    def test_every_kind_a_service_holds_has_a_producer(self, service: Service) -> None:
        """INVARIANT: a kind without a producer would never be reconciled."""
        held = service.subscription.holds if service.subscription else ()
        assert set(held) <= PRODUCERS.keys()

    def test_beats_and_markers_alone_have_several_producers(self) -> None:
        kinds = [model.kind for models in PRODUCED_BY.values() for model in models]
        assert {kind for kind in kinds if kinds.count(kind) > 1} == {"beat", "marker"}
