"""What waits is shown where it waits, with its age; promises are as old as the partition that is furthest behind."""

from datetime import timedelta

from forewarn.lag import Lag, Watermark, lag_of
from shared.events import PARTITIONS, TOPICS
from shared.messaging import sources
from shared.messaging.bus import Message
from shared.messaging.partitions import partition_of
from tests.support.builders import day, order, party
from tests.support.operated import SERVICES, platform_of
from tests.support.stage import Stage

HOUR = timedelta(hours=1)


async def lag(stage: Stage) -> Lag:
    return await lag_of(SERVICES, platform_of(stage))


async def beat(stage: Stage, until: float) -> None:
    async with stage.producer.database.unit_of_work() as unit:
        await sources.advance(stage.store, unit, source="erp", of="order", complete_until=day(until))


async def watermark(stage: Stage) -> Watermark:
    [found] = (await lag(stage)).watermarks
    return found


class TestOutbox:
    async def test_shows_what_waits_and_how_long_the_first_has(self, stage: Stage) -> None:
        await stage.pass_on(order("O1"))
        await stage.accept(order("O2"))
        stage.clock.at += HOUR
        await stage.accept(order("O3"))
        [outbox] = (await lag(stage)).outboxes
        assert (outbox.service, outbox.topic, outbox.rows, outbox.age) == ("orders", TOPICS["orders"], 2, HOUR)

    async def test_shows_none_when_all_is_sent(self, stage: Stage) -> None:
        await stage.pass_on(order())
        [outbox] = (await lag(stage)).outboxes
        assert (outbox.rows, outbox.age) == (0, None)


class TestConsumers:
    async def test_show_per_partition_what_is_not_applied_and_how_old_it_is(self, stage: Stage) -> None:
        await stage.pass_on(order("O1", "C1"), order("O2", "C2"))
        stage.clock.at += HOUR
        await stage.accept(order("O3", "C1"), order("O4", "C1"))
        await stage.relay()
        stage.clock.at += HOUR
        consumers = (await lag(stage)).consumers
        assert len(consumers) == PARTITIONS
        [behind] = [one for one in consumers if one.records]
        assert behind.where == (TOPICS["orders"], partition_of(str(party("C1").id).encode(), PARTITIONS))
        assert (behind.service, behind.records, behind.age) == ("credit", 2, HOUR)

    async def test_who_has_never_read_is_behind_by_everything(self, stage: Stage) -> None:
        await stage.accept(order())
        await stage.relay()
        records = sum(one.records for one in (await lag(stage)).consumers)
        assert records == 1 + PARTITIONS, "the order, and the beat that says its source is there"

    async def test_a_record_nobody_can_read_is_counted_without_an_age(self, stage: Stage) -> None:
        await stage.append(3, Message(None, b"?", ()))
        [behind] = [one for one in (await lag(stage)).consumers if one.records]
        assert (behind.where.partition, behind.records, behind.age) == (3, 1, None)


class TestWatermarks:
    async def test_show_up_to_when_a_source_is_complete(self, stage: Stage) -> None:
        await stage.accept(order())
        await beat(stage, until=-1)
        await stage.relay()
        await stage.consume()
        found = await watermark(stage)
        assert (found.source, found.of, found.coverage) == ("erp", "order", "all")
        assert (found.complete_until, found.age, found.retired) == (day(-1), timedelta(days=1), False)

    async def test_a_promise_counts_once_it_has_come_through_every_partition(self, stage: Stage) -> None:
        """INVARIANT: absence is judged by the partition of the customer, so the slowest one is the truth."""
        await stage.pass_on(order())
        await beat(stage, until=-2)
        await stage.relay()
        await stage.consume()
        late = "update beat set complete_until = {} where part = 5 returning 1"
        await stage.rows(stage.consumer, late.format("complete_until - interval '3 days'"))
        assert (await watermark(stage)).complete_until == day(-5)
        await stage.rows(stage.consumer, late.format("null"))
        assert (await watermark(stage)).complete_until is None
        await stage.rows(stage.consumer, "delete from beat where part = 5 returning 1")
        assert (await watermark(stage)).complete_until is None

    async def test_a_retired_source_is_shown_as_such(self, stage: Stage) -> None:
        await stage.accept(order())
        async with stage.producer.database.unit_of_work() as unit:
            await sources.retire(stage.store, unit, source="erp", of="order")
        await stage.relay()
        await stage.consume()
        assert (await watermark(stage)).retired
