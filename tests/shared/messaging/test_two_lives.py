"""A producer before and after its restore: what the two lives say of the same documents, in every order it can come."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from shared.database.unit_of_work import UnitOfWork
from shared.events import PARTITIONS, Event, Order, cloudevents, encode
from shared.messaging import incarnation, markers, projection, rebuild, republication, sources
from shared.messaging.bus import Message
from shared.messaging.document_store import DocumentStore
from shared.messaging.partitions import partition_of
from shared.messaging.replay import replay
from tests.support.builders import day, order
from tests.support.stage import TOPIC, Stage, hold
from tests.support.waiting import eventually

SOMEBODY_WAITS = """
select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')
"""
AS_ANOTHER_SERVER = "update incarnation set system_identifier = 1"


async def live(stage: Stage) -> list[str]:
    """Numbers of the orders that count at the consumer, each as often as it does."""
    rows = await stage.rows(stage.consumer, "select key from held_document where live and kind = 'order' order by key")
    return [row["key"] for row in rows]


async def closed(stage: Stage) -> list[str]:
    async with stage.consumer.database.unit_of_work() as unit:
        return await markers.closed(unit.connection)


async def work(stage: Stage) -> None:
    while await republication.work(stage.store, stage.producer):
        pass


async def fall_back(stage: Stage, *lost: str) -> None:
    """The restore of a backup without these orders, and the look of the relay; nothing is sent yet."""
    await incarnation.recognise(stage.producer, stage.bus)
    await stage.rows(stage.producer, "delete from document where key = any($1)", [f"erp/{number}" for number in lost])
    await stage.rows(stage.producer, AS_ANOTHER_SERVER)
    assert await incarnation.recognise(stage.producer, stage.bus)


async def pass_all(stage: Stage) -> None:
    await work(stage)
    await stage.relay()
    await stage.consume()


async def confirm(stage: Stage) -> None:
    async with stage.producer.database.unit_of_work() as unit:
        await republication.confirm(stage.store, unit)
    await stage.relay()


async def unsent(stage: Stage, document: Order) -> Event:
    """An order of the former life which its relay still has, and nobody else."""
    outcome = (await stage.accept(document))[0]
    [event] = [event for event in await stage.outbox() if event.id == outcome.stored.id]
    await stage.rows(stage.producer, "delete from outbox")
    return event


async def send_past_the_outbox(stage: Stage, event: Event) -> None:
    part = partition_of(str(event.party).encode(), PARTITIONS)
    await stage.append(part, Message(cloudevents.key(event), event.data, cloudevents.headers(event)))


class TestSecondComing:
    async def test_in_one_batch_with_the_lost_one_counts_once(self, stage: Stage) -> None:
        """INVARIANT: breaks when only what is held already is replaced: who was away gets both at once."""
        await stage.accept(order("O1"))
        await stage.relay()
        await fall_back(stage, "O1")
        await stage.accept(order("O1"))
        await pass_all(stage)
        assert await live(stage) == ["erp/O1"]

    async def test_before_the_lost_one_counts_once(self, stage: Stage) -> None:
        """INVARIANT: breaks when the lost document comes later, through the partition of another customer."""
        lost = await unsent(stage, order("O1", "C1"))
        await fall_back(stage, "O1")
        await stage.accept(order("O1", "C2"))
        await pass_all(stage)
        await send_past_the_outbox(stage, lost)
        await stage.consume()
        assert await live(stage) == ["erp/O1"]

    async def test_that_is_retracted_takes_nothing_away(self, stage: Stage) -> None:
        """INVARIANT: breaks when a warning taken back ends the one that became true again under the same number."""
        now = msgspec.structs.replace(await unsent(stage, order("O1")), epoch=1)
        await send_past_the_outbox(stage, now)
        await stage.consume()
        taken_back = msgspec.structs.replace(order("O1"), live=False)
        await send_past_the_outbox(
            stage, msgspec.structs.replace(now, id=stage.ids.new(), epoch=9, revision=2, data=encode(taken_back))
        )
        await stage.consume()
        assert await live(stage) == ["erp/O1"]


class TestNewEpoch:
    async def test_begins_in_front_of_everything_of_it(self, stage: Stage) -> None:
        """INVARIANT: breaks when a consumer sees a document of the new life before it knows that there is one."""
        await stage.pass_on(order("O1"))
        await fall_back(stage)
        await stage.accept(order("O2"))
        first = {event.partition: event.reason for event in reversed(await stage.outbox())}
        assert set(first.values()) == {"begun"}

    async def test_sends_nothing_that_waited(self, stage: Stage) -> None:
        """INVARIANT: breaks when revisions are given away a second time between the restore and the relay's look."""
        await stage.pass_on(order("O1", amount=100), source_revision=1)
        kept = (await stage.rows(stage.producer, "select data from document where kind = 'order'"))[0]["data"]
        await stage.pass_on(order("O1", amount=200), source_revision=2)
        await stage.rows(stage.producer, "update document set revision = 1, data = $1 where kind = 'order'", kept)
        await stage.accept(order("O1", amount=300), source_revision=3)
        forks = projection.FORKS.labels("order")._value.get()
        assert await incarnation.recognise(stage.producer, stage.bus)
        await pass_all(stage)
        assert projection.FORKS.labels("order")._value.get() == forks
        assert (await stage.held())["erp/O1"] == order("O1", amount=300)

    async def test_nothing_is_judged_until_all_of_it_is_there(self, stage: Stage) -> None:
        """INVARIANT: breaks when a beat of the new life passes what has not moved back to another customer yet."""
        await stage.pass_on(order("O1"))
        await fall_back(stage)
        await stage.relay()
        await stage.consume()
        assert await closed(stage) == ["orders"]
        await pass_all(stage)
        assert await closed(stage) == []

    async def test_an_ordinary_republication_closes_nothing(self, stage: Stage) -> None:
        await stage.pass_on(order("O1"))
        async with stage.producer.database.unit_of_work() as unit:
            await republication.request(unit)
        await republication.work(stage.store, stage.producer)
        await stage.relay()
        await stage.consume()
        assert await closed(stage) == []

    @pytest.mark.parametrize("act", ["work", "confirm"])
    async def test_and_a_marker_do_not_wait_for_each_other(self, stage: Stage, act: str) -> None:
        """INVARIANT: breaks when a row of `republication` is locked before `incarnation`: a deadlock."""
        await stage.pass_on(order("O1"), order("O2"))
        if act == "confirm":
            await fall_back(stage, "O2")
            await pass_all(stage)
        else:
            async with stage.producer.database.unit_of_work() as unit:
                await republication.request(unit)
        await stage.rows(stage.producer, "delete from document where key = 'erp/O1'")
        slow = _Slow("orders", lambda: incarnation.recognise(stage.producer, stage.bus))
        if act == "confirm":
            async with stage.producer.database.unit_of_work() as unit:
                name = await republication.confirm(slow, unit)
        else:
            await republication.work(slow, stage.producer)
        assert slow.beside is not None
        assert await slow.beside
        if act == "confirm":
            query = "select epoch from republication where confirmed_at is not null"
            assert [row["epoch"] for row in await stage.rows(stage.producer, query)] == [name.epoch]
            rows = await stage.rows(stage.producer, "select data, epoch from document where kind = 'marker'")
            assert b"confirmed" not in rows[0]["data"]

    async def test_waits_for_a_beat_on_its_way(self, stage: Stage) -> None:
        """INVARIANT: breaks when a beat that was allowed before is written after: it would be one of both lives."""
        await stage.pass_on(order("O1"), order("O2"))
        await incarnation.recognise(stage.producer, stage.bus)
        await stage.rows(stage.producer, AS_ANOTHER_SERVER)
        async with stage.producer.database.unit_of_work() as unit:
            await republication.check_not_restoring(unit.connection)
            recognising = asyncio.create_task(incarnation.recognise(stage.producer, stage.bus))
            await asyncio.sleep(0.3)
            waits = not recognising.done()
            await sources.advance(stage.store, unit, source="erp", of="order", complete_until=day(-1))
        assert await recognising
        assert waits
        assert [event for event in await stage.outbox() if event.kind == "beat"] == []


class _Slow(DocumentStore):
    """Somebody else acts while this one is about to write its marker."""

    def __init__(self, producer: str, act: Callable[[], Any]) -> None:
        super().__init__(producer)
        self._act = act
        self.beside: asyncio.Task[Any] | None = None

    async def accept(self, drafts: Any, unit: UnitOfWork) -> Any:
        if self.beside is None:
            self.beside = asyncio.create_task(self._act())
            await eventually(lambda: self._waits(unit))
        return await super().accept(drafts, unit)

    async def _waits(self, unit: UnitOfWork) -> bool:
        assert self.beside is not None
        await unit.connection.execute("select pg_stat_clear_snapshot()")
        return self.beside.done() or bool(await unit.connection.fetchval(SOMEBODY_WAITS))


class TestFormerLife:
    async def test_does_not_come_back_by_a_letter(self, stage: Stage) -> None:
        """INVARIANT: breaks when a dead letter goes around the fence."""
        lost = await unsent(stage, order("O1"))
        await send_past_the_outbox(stage, lost)

        async def refuse(events: Any, unit: Any, context: Any) -> None:
            if any(event.kind == "order" for event in events):
                raise RuntimeError
            await hold(events, unit, context)

        await stage.consume(refuse)
        await fall_back(stage, "O1")
        await pass_all(stage)
        await confirm(stage)
        await stage.consume()
        [row] = await stage.rows(stage.consumer, "select * from dead_letter")
        async with stage.consumer.database.unit_of_work() as unit:
            await replay(row, hold, unit, stage.consumer)
        assert await live(stage) == []

    async def test_is_not_heard_by_who_began_behind_its_end(self, stage: Stage) -> None:
        """INVARIANT: breaks when a consumer that goes on behind the confirmation never learns of it."""
        lost = await unsent(stage, order("O1"))
        await fall_back(stage, "O1")
        await pass_all(stage)
        await confirm(stage)
        async with stage.producer.database.unit_of_work() as unit:
            name = await republication.request(unit)
        bounds = await stage.bus.bounds([TOPIC])
        async with stage.consumer.database.unit_of_work() as unit:
            starts = {where: found.next for where, found in bounds.items()}
            await rebuild.empty(starts, {"orders": name}, None, unit)
        await pass_all(stage)
        await send_past_the_outbox(stage, lost)
        await stage.consume()
        assert await live(stage) == []
