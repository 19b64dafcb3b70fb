"""Up to when absence may be judged: the lowest promise of whoever speaks for a customer, in every partition of his."""

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from shared.events import PARTITIONS, Beat, Party
from shared.events.document import Event
from shared.messaging import horizon
from shared.messaging.horizon import Horizon, Reason
from shared.messaging.partitions import partition_of
from tests.shared.messaging.events import apply, revision
from tests.support.builders import day, party
from tests.support.service import event_of
from tests.support.stage import Stage


def part_of(who: Party) -> int:
    return partition_of(str(who.id).encode(), PARTITIONS)


C1, C2 = party("C1"), party("C2")
assert part_of(C1) != part_of(C2)


def said(
    source: str = "erp", until: float | None = 10, *, part: int | None = None, revision: int = 1, **fields: Any
) -> list[Event]:
    """A beat as it came through one partition, or through all."""
    promised = None if until is None else day(until)
    values: dict[str, Any] = {"source": source, "of": "order", "activated_at": day(0), "complete_until": promised}
    beat = Beat(**(values | fields))
    parts = range(PARTITIONS) if part is None else [part]
    id_ = UUID(int=hash(beat.natural_key) % 2**64)
    return [event_of(beat, id_=id_, revision=revision, partition=part) for part in parts]


async def load(stage: Stage, *group: Party) -> Horizon:
    members = frozenset(who.id for who in group or (C1,))
    async with stage.consumer.database.unit_of_work() as unit:
        return (await horizon.load([members], unit.connection))[members]


async def until(stage: Stage, *group: Party, kind: str = "order") -> datetime | None:
    return (await load(stage, *group)).until[kind]


class TestLoad:
    async def test_without_a_source_absence_is_not_judged(self, stage: Stage) -> None:
        found = await load(stage)
        assert set(found.until.values()) == {None}
        assert found.reasons["payment"] == (Reason("no_source", ""),)

    async def test_the_promise_of_one_source_is_the_horizon(self, stage: Stage) -> None:
        await apply(stage, *said(until=10))
        found = await load(stage)
        assert (found.until["order"], found.reasons["order"]) == (day(10), (Reason("source", "erp"),))
        assert found.until["payment"] is None

    async def test_the_lowest_promise_counts(self, stage: Stage) -> None:
        """INVARIANT: minimum over the sources that serve everyone. Broken, the fast one speaks for the slow one."""
        await apply(stage, *said("fast", 20), *said("slow", 10))
        found = await load(stage)
        assert (found.until["order"], found.reasons["order"]) == (day(10), (Reason("source", "slow"),))

    async def test_a_source_that_has_promised_nothing_closes(self, stage: Stage) -> None:
        await apply(stage, *said("erp", 20), *said("new", None))
        found = await load(stage)
        assert (found.until["order"], found.reasons["order"]) == (None, (Reason("source_silent", "new"),))

    async def test_a_source_not_heard_of_in_a_partition_yet_closes_it(self, stage: Stage) -> None:
        """INVARIANT: what is under way in a partition is not taken for absent.

        Broken, a customer is judged before the first documents of a new source have come through his partition.
        """
        await apply(stage, *said("erp", 20), *said("new", 20, part=part_of(C2)))
        assert (await load(stage, C1)).reasons["order"] == (Reason("source_silent", "new"),)
        assert await until(stage, C2) == day(20)

    async def test_kinds_do_not_answer_for_each_other(self, stage: Stage) -> None:
        await apply(stage, *said(until=10), *said(until=20, of="payment"))
        assert (await until(stage), await until(stage, kind="payment")) == (day(10), day(20))


class TestNamedSources:
    async def test_one_that_delivered_nothing_for_a_customer_does_not_count_for_him(self, stage: Stage) -> None:
        await apply(stage, *said("erp", 20), *said("file", 5, coverage="named"))
        assert await until(stage) == day(20)

    async def test_one_that_delivered_for_a_member_counts_for_his_group(self, stage: Stage) -> None:
        """INVARIANT: a `named` source counts for those it has delivered the kind for.

        Broken, customers of a file import are judged beyond what the file says.
        """
        await apply(stage, *said("erp", 20), *said("file", 5, coverage="named"))
        await apply(stage, revision(1, source="file", customer="C1"))
        assert await until(stage, C1) == day(5)
        assert await until(stage, C1, C2) == day(5)
        assert await until(stage, C2) == day(20)

    async def test_it_counts_for_the_kind_it_delivered_only(self, stage: Stage) -> None:
        await apply(stage, *said("file", 5, coverage="named"), *said("file", 5, of="payment", coverage="named"))
        await apply(stage, revision(1, source="file"))
        assert (await until(stage), await until(stage, kind="payment")) == (day(5), None)

    async def test_alone_it_is_the_horizon_of_those_it_serves(self, stage: Stage) -> None:
        await apply(stage, *said("file", 5, coverage="named"), revision(1, source="file"))
        assert await until(stage, C1) == day(5)
        assert (await load(stage, C2)).reasons["order"] == (Reason("no_source", ""),)

    async def test_it_counts_for_the_payer_too(self, stage: Stage) -> None:
        await apply(stage, *said("file", 5, coverage="named"), revision(1, source="file", bill_to=C2))
        assert await until(stage, C2) == day(5)

    @pytest.mark.parametrize(("first", "then", "expected"), [("all", "named", 20), ("named", "all", 5)])
    async def test_coverage_is_what_the_newest_beat_of_the_partition_says(
        self, stage: Stage, first: str, then: str, expected: int
    ) -> None:
        await apply(stage, *said("erp", 20), *said("shop", 5, coverage=first))
        await apply(stage, *said("shop", 5, coverage=then, revision=2, part=part_of(C1)))
        assert await until(stage, C1) == day(expected)
        assert await until(stage, C2) == day(25 - expected)


class TestRetiredSources:
    async def test_one_that_has_ended_holds_nothing_back(self, stage: Stage) -> None:
        await apply(stage, *said("erp", 20), *said("old", 5, retired_at=day(6)))
        assert await until(stage) == day(20)

    async def test_alone_it_leaves_nothing_to_judge_by(self, stage: Stage) -> None:
        await apply(stage, *said("old", 5, retired_at=day(6)))
        assert (await load(stage)).reasons["order"] == (Reason("no_source", ""),)

    async def test_the_end_counts_where_it_has_come_through(self, stage: Stage) -> None:
        await apply(stage, *said("erp", 20), *said("old", 5))
        await apply(stage, *said("old", 5, retired_at=day(6), revision=2, part=part_of(C1)))
        assert (await until(stage, C1), await until(stage, C2), await until(stage, C1, C2)) == (day(20), day(5), day(5))

    async def test_one_that_came_back_counts_again(self, stage: Stage) -> None:
        await apply(stage, *said("erp", 20), *said("old", 5, retired_at=day(6)), *said("old", 7, revision=2))
        assert await until(stage) == day(7)


class TestGroups:
    async def test_every_partition_of_a_member_has_to_have_the_beat(self, stage: Stage) -> None:
        """INVARIANT: minimum over all members' partitions.

        Broken, the root's partition speaks for documents of a member that are still under way: a false alarm.
        """
        await apply(stage, *said(until=20, part=part_of(C1)), *said(until=10, part=part_of(C2)))
        assert [await until(stage, *group) for group in ((C1,), (C2,), (C1, C2))] == [day(20), day(10), day(10)]

    async def test_many_groups_are_answered_at_once(self, stage: Stage) -> None:
        await apply(stage, *said(until=10))
        groups = [frozenset({C1.id}), frozenset({C1.id, C2.id})]
        async with stage.consumer.database.unit_of_work() as unit:
            found = await horizon.load(groups, unit.connection)
        assert set(found) == set(groups)
