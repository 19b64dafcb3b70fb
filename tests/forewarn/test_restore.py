"""Operators' commands of republish, rebuild and restore, over one producer and one consumer."""

import asyncio
from collections.abc import Sequence

import pytest

from forewarn import rebuild, republish
from forewarn.reconcile import compare
from forewarn.restore import confirm_restore, restore_of
from forewarn.topics import topics_of
from shared.context import Context
from shared.database.unit_of_work import UnitOfWork
from shared.errors import Conflict
from shared.events import TOPICS, Event
from shared.messaging import incarnation, markers, republication
from shared.messaging.republication import Name
from tests.support.builders import order
from tests.support.operated import CREDIT, ORDERS, SERVICES, platform_of
from tests.support.stage import Stage, hold


async def pass_on(stage: Stage) -> None:
    """What the worker does, until all has come through."""
    while await republication.work(stage.store, stage.producer):
        pass
    await stage.relay()
    await stage.consume()


async def lose(stage: Stage, number: str) -> None:
    await stage.rows(stage.producer, "delete from document where key = $1", f"erp/{number}")
    assert await incarnation.recognise(stage.producer, stage.bus)


class TestRepublish:
    async def test_waits_for_its_end_and_counts(self, stage: Stage) -> None:
        await stage.pass_on(order("O1"), order("O2"))
        name = await republish.ask(stage.producer)
        waiting = asyncio.create_task(republish.until_complete(name, stage.producer))
        await pass_on(stage)
        # Two orders, and what their source has declared.
        assert await waiting == 3


class TestRebuild:
    @pytest.mark.parametrize("source", ["log", "republish"])
    async def test_makes_equal_again_what_was_harmed(self, stage: Stage, source: rebuild.From) -> None:
        await stage.pass_on(order("O1"), order("O2", "C2"))
        await stage.rows(stage.consumer, "update held_document set amount = 7")
        platform = platform_of(stage)
        assert (await compare(SERVICES, platform)).differences
        await rebuild.begin(CREDIT, source, platform)
        waiting = asyncio.create_task(rebuild.until_complete(CREDIT, platform))
        await pass_on(stage)
        await waiting
        assert not (await compare(SERVICES, platform)).differences

    async def test_is_not_over_with_the_markers_of_another_operator(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """INVARIANT: breaks when a run without documents, asked for meanwhile, opens the gate of an empty consumer."""
        await stage.pass_on(order("O1"))

        async def ask_behind_another(context: Context, *, whole: bool = True) -> Name:
            await republish.ask(context, whole=False)
            return await republish.ask(context, whole=whole)

        monkeypatch.setattr(rebuild, "ask", ask_behind_another)
        await rebuild.begin(CREDIT, "republish", platform_of(stage))
        for _ in range(2):
            await republication.work(stage.store, stage.producer)
        await stage.relay()
        await stage.consume()
        async with stage.consumer.database.unit_of_work() as unit:
            assert await markers.closed(unit.connection) == ["orders"]
        await pass_on(stage)
        assert len(await stage.held()) == 1

    async def test_from_a_log_without_its_beginning_is_refused_before_anything_is_emptied(self, stage: Stage) -> None:
        """INVARIANT: breaks when a rebuild empties what it cannot fill again."""
        await stage.pass_on(order("O1"), order("O2"))
        full = next(where for where, found in (await stage.bus.bounds([TOPICS["orders"]])).items() if found.next > 2)
        await stage.delete_from_log(full, 0, 0)
        with pytest.raises(Conflict, match="republish"):
            await rebuild.begin(CREDIT, "log", platform_of(stage))
        assert len(await stage.held()) == 2


class TestRestore:
    async def test_never_was(self, stage: Stage) -> None:
        assert await restore_of(ORDERS, SERVICES, platform_of(stage)) is None

    async def test_cannot_be_confirmed_before_the_list_is_complete(self, stage: Stage) -> None:
        """INVARIANT: breaks when somebody confirms a list on which documents stand that are only on their way."""
        await stage.pass_on(order("O1"), order("O2"))
        await lose(stage, "O2")
        found = await restore_of(ORDERS, SERVICES, platform_of(stage))
        assert found is not None
        assert found.awaited == ("credit",)
        with pytest.raises(Conflict):
            await confirm_restore(ORDERS, SERVICES, platform_of(stage))

    async def test_cannot_be_confirmed_while_documents_lie_in_letters(self, stage: Stage) -> None:
        """INVARIANT: breaks when what a consumer could not read is retracted as if its producer had lost it."""
        await stage.pass_on(order("O1"), order("O2"))
        await lose(stage, "O2")

        async def refuse(events: Sequence[Event], unit: UnitOfWork, context: Context) -> None:
            if any(event.kind == "order" for event in events):
                raise RuntimeError
            await hold(events, unit, context)

        while await republication.work(stage.store, stage.producer):
            pass
        await stage.relay()
        await stage.consume(refuse)
        with pytest.raises(Conflict, match="letters"):
            await confirm_restore(ORDERS, SERVICES, platform_of(stage))

    async def test_lists_what_is_lost_with_its_amount_and_holders(self, stage: Stage) -> None:
        await stage.pass_on(order("O1"), order("O2", amount=12_345))
        await lose(stage, "O2")
        await pass_on(stage)
        found = await restore_of(ORDERS, SERVICES, platform_of(stage))
        assert found is not None
        (lost,) = found.lost
        assert (lost.kind, lost.key, lost.amount, lost.held_by) == ("order", "erp/O2", "123.45", ("credit",))

    async def test_is_over_when_it_was_confirmed(self, stage: Stage) -> None:
        await stage.pass_on(order("O1"), order("O2"))
        await lose(stage, "O2")
        await pass_on(stage)
        assert (await compare(SERVICES, platform_of(stage))).differences
        await confirm_restore(ORDERS, SERVICES, platform_of(stage))
        await pass_on(stage)
        found = await restore_of(ORDERS, SERVICES, platform_of(stage))
        assert found is not None
        assert (found.confirmed, found.lost) == (True, [])
        assert not (await compare(SERVICES, platform_of(stage))).differences


class TestTopics:
    async def test_that_are_missing_are_told(self, stage: Stage) -> None:
        states, bounds = await topics_of(stage.bus)
        assert {state.topic for state in states if not state.differences} == {TOPICS["orders"]}
        assert {where.topic for where in bounds} == {TOPICS["orders"]}
