"""Held documents: the highest revision of each, whatever the order, and exactly what changed."""

import asyncio
import itertools
import random
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import pytest

from shared.messaging import projection
from shared.messaging.projection import FORKS, BadSnapshot, Change
from tests.shared.messaging.events import ID, OTHER, apply, beat, revision
from tests.support.builders import day, order, party, payment
from tests.support.service import event_of
from tests.support.stage import Stage
from tests.support.waiting import eventually


async def held(stage: Stage) -> list[tuple[int, int, int]]:
    """Epoch, revision and amount of what is held, by id."""
    rows = await stage.rows(stage.consumer, "select epoch, revision, amount from held_document order by id")
    return [tuple(row) for row in rows]


async def beats(stage: Stage) -> dict[int, Any]:
    rows = await stage.rows(stage.consumer, "select part, complete_until from beat")
    return {row["part"]: row["complete_until"] for row in rows}


async def _wait_for_locks(stage: Stage, sessions: int) -> bool:
    query = "select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    return len(await stage.rows(stage.consumer, query)) == sessions


class TestApply:
    async def test_a_new_document_has_nothing_before_it(self, stage: Stage) -> None:
        [change] = await apply(stage, revision(1))
        assert (change.id, change.document, change.previous) == (ID, order(amount=1), None)

    async def test_a_change_brings_what_was_held(self, stage: Stage) -> None:
        """INVARIANT: old and new snapshot come from the statement that locked the row.

        Broken, sums by new minus held go wrong for ever.
        """
        await apply(stage, revision(1))
        [change] = await apply(stage, revision(3))
        assert change.previous == order(amount=1)
        assert change.document == order(amount=3)

    @pytest.mark.parametrize("number", [1, 2])
    async def test_a_revision_that_is_not_higher_changes_nothing(self, stage: Stage, number: int) -> None:
        """INVARIANT: the higher revision wins, whenever it comes. Broken, a late copy brings an old state back."""
        await apply(stage, revision(2))
        assert await apply(stage, revision(number, amount=2)) == []
        assert await held(stage) == [(1, 2, 2)]

    async def test_a_higher_epoch_wins_over_any_revision(self, stage: Stage) -> None:
        await apply(stage, revision(9))
        [change] = await apply(stage, revision(1, epoch=2))
        assert change.previous == order(amount=9)
        assert await apply(stage, revision(10)) == []

    async def test_only_what_really_changed_comes_back(self, stage: Stage) -> None:
        await apply(stage, revision(2), revision(2, id_=OTHER, number="O2"))
        changes = await apply(stage, revision(1), revision(3, id_=OTHER, number="O2"), revision(2))
        assert [change.id for change in changes] == [OTHER]

    async def test_several_revisions_in_one_batch_are_one_change(self, stage: Stage) -> None:
        """INVARIANT: a batch is reduced to the highest revision of each document.

        Broken, PostgreSQL refuses the batch: a row cannot be affected a second time.
        """
        await apply(stage, revision(1))
        [change] = await apply(stage, revision(3), revision(2), revision(4), revision(4), revision(3))
        assert (change.document, change.previous) == (order(amount=4), order(amount=1))

    async def test_parties_of_both_snapshots_are_named(self, stage: Stage) -> None:
        await apply(stage, revision(1, customer="C1", bill_to=party("C2")))
        [change] = await apply(stage, revision(2, customer="C3"))
        assert change.parties() == {party("C1").id, party("C2").id, party("C3").id}

    @pytest.mark.parametrize("seed", range(5))
    async def test_the_order_of_arrival_is_of_no_account(self, stage: Stage, seed: int) -> None:
        """INVARIANT: what is held is a function of the set of events, however cut, repeated and shuffled."""
        rng = random.Random(seed)
        ids = [UUID(int=n) for n in range(1, 8)]
        events = [revision(n, id_=id_, number=str(id_)) for id_ in ids for n in range(1, 6)]
        stream = events + rng.choices(events, k=20)
        rng.shuffle(stream)
        while stream:
            size = rng.randint(1, 9)
            await apply(stage, *stream[:size])
            stream = stream[size:]
        assert await held(stage) == [(1, 5, 5)] * len(ids)

    async def test_two_revisions_at_once_are_applied_one_after_the_other(self, stage: Stage) -> None:
        """INVARIANT: the document is locked before anything that follows from it.

        Broken, both see nothing held, and a customer the document has left keeps his share for ever.
        """
        seen: dict[int, Change] = {}
        first_applied = asyncio.Event()

        async def first() -> None:
            async with stage.consumer.database.unit_of_work() as unit:
                [seen[1]] = await projection.apply([revision(1, customer="C1")], unit.connection)
                first_applied.set()
                await asyncio.sleep(0.05)

        async def second() -> None:
            await first_applied.wait()
            async with stage.consumer.database.unit_of_work() as unit:
                [seen[2]] = await projection.apply([revision(2, customer="C2")], unit.connection)

        await asyncio.gather(first(), second())
        assert (seen[1].previous, seen[2].previous) == (None, seen[1].document)

    async def test_the_same_documents_the_other_way_round_do_not_lock_each_other_out(self, stage: Stage) -> None:
        """INVARIANT: documents are locked in the order of their ids. Broken: a deadlock."""
        ids = [UUID(int=n) for n in range(1, 6)]
        await apply(stage, *(revision(1, id_=id_, number=str(id_)) for id_ in ids))

        async def run(order_of_ids: Sequence[UUID], number: int) -> None:
            await apply(stage, *(revision(number, id_=id_, number=str(id_)) for id_ in order_of_ids))

        async with stage.consumer.database.unit_of_work() as unit:
            # Whoever comes stops in the middle, with what he has locked until then.
            await unit.connection.execute("select from held_document where id = $1 for update", ids[2])
            running = [asyncio.create_task(run(ids, 2)), asyncio.create_task(run(ids[::-1], 3))]
            await eventually(lambda: _wait_for_locks(stage, 2))
        await asyncio.gather(*running)
        assert await held(stage) == [(1, 3, 3)] * len(ids)

    async def test_nothing_of_a_batch_with_an_unreadable_snapshot_is_kept(self, stage: Stage) -> None:
        bad = msgspec.structs.replace(revision(1, id_=OTHER), data=b"{}")
        with pytest.raises(BadSnapshot):
            await apply(stage, beat(1), revision(1), bad)
        assert (await held(stage), await beats(stage)) == ([], {})

    async def test_a_retracted_document_stays_held(self, stage: Stage) -> None:
        """INVARIANT: nothing is deleted. Broken, an old revision that comes late would be new again."""
        await apply(stage, revision(2, live=False))
        assert await apply(stage, revision(1)) == []

    async def test_two_contents_of_one_revision_are_an_alarm_and_change_nothing(self, stage: Stage) -> None:
        """INVARIANT: a fork is said aloud at once. Broken, a restored producer diverges silently."""
        before = FORKS.labels("order")._value.get()
        await apply(stage, revision(2, amount=5))
        await apply(stage, revision(2, amount=6), revision(1, amount=7))
        assert await held(stage) == [(1, 2, 5)]
        assert FORKS.labels("order")._value.get() == before + 1

    async def test_copies_of_one_revision_are_no_fork(self, stage: Stage) -> None:
        before = FORKS.labels("order")._value.get()
        await apply(stage, revision(2, partition=1), revision(2, partition=2))
        await apply(stage, revision(2, partition=3))
        assert FORKS.labels("order")._value.get() == before

    async def test_who_delivered_what_for_whom_is_remembered(self, stage: Stage) -> None:
        await apply(stage, revision(1, source="shop", bill_to=party("C2")))
        await apply(stage, event_of(payment(source="bank"), id_=OTHER))
        rows = await stage.rows(stage.consumer, "select party, of, source from party_source")
        assert {tuple(row) for row in rows} == {
            (party("C1").id, "order", "shop"),
            (party("C2").id, "order", "shop"),
            (party("C1").id, "payment", "bank"),
        }


class TestBeats:
    async def test_each_partition_has_its_own(self, stage: Stage) -> None:
        """INVARIANT: a beat says nothing of a partition it has not come through.

        Broken, one partition speaks for documents that are still under way in another: a false alarm.
        """
        await apply(stage, beat(2, partition=1))
        await apply(stage, beat(5, partition=2), beat(4, partition=2))
        assert await beats(stage) == {1: day(2), 2: day(5)}

    @pytest.mark.parametrize("order_of_events", list(itertools.permutations((1, 2, 3))))
    async def test_the_highest_revision_stands(self, stage: Stage, order_of_events: tuple[int, ...]) -> None:
        for number in order_of_events:
            await apply(stage, beat(number, partition=1))
        assert await beats(stage) == {1: day(3)}

    async def test_sources_and_kinds_do_not_mix(self, stage: Stage) -> None:
        await apply(stage, beat(1, source="erp", of="order"), beat(1, source="erp", of="payment"))
        await apply(stage, beat(2, source="shop", of="order"))
        rows = await stage.rows(stage.consumer, "select source, of from beat")
        assert {tuple(row) for row in rows} == {("erp", "order"), ("erp", "payment"), ("shop", "order")}

    async def test_beats_are_no_changes_of_documents(self, stage: Stage) -> None:
        assert await apply(stage, beat(1)) == []
