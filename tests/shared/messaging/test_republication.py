"""Republishing, rebuilding and restoring: nobody is disturbed, nothing is judged too early, nothing counts twice."""

import asyncio
from typing import Any

import pytest

from shared.context import Context
from shared.errors import Conflict, NotFound, Unavailable
from shared.events import PARTITIONS, Beat, Event, Marker, cloudevents, encode
from shared.messaging import horizon, incarnation, markers, rebuild, republication, sources
from shared.messaging.bus import Message
from shared.messaging.consumer import Consumer
from shared.messaging.document_store import DocumentStore
from shared.messaging.facts import tally
from shared.messaging.republication import Name
from tests.support.builders import day, draft, order, party
from tests.support.stage import TOPIC, Stage, hold


async def turnover(stage: Stage) -> dict[Any, int]:
    rows = await stage.rows(stage.consumer, "select party, amount from turnover where amount <> 0")
    return {row["party"]: row["amount"] for row in rows}


async def live(stage: Stage) -> list[str]:
    """Numbers of the orders that count at the consumer."""
    return sorted(key for key, document in (await stage.held()).items() if document.live)


async def request(stage: Stage, *, whole: bool = True) -> Name:
    async with stage.producer.database.unit_of_work() as unit:
        return await republication.request(unit, whole=whole)


async def work(stage: Stage) -> None:
    """Do all that was asked for."""
    while await republication.work(stage.store, stage.producer):
        pass


async def republish(stage: Stage, *, whole: bool = True) -> Name:
    """A republication, from the request to the last record applied."""
    name = await request(stage, whole=whole)
    await work(stage)
    await stage.relay()
    await stage.consume()
    return name


async def close_gate(stage: Stage, wanted: Name = markers.ANY) -> None:
    async with stage.consumer.database.unit_of_work() as unit:
        await markers.close("orders", range(PARTITIONS), unit.connection, wanted=wanted)


async def closed(stage: Stage) -> list[str]:
    async with stage.consumer.database.unit_of_work() as unit:
        return await markers.closed(unit.connection)


async def forget_order(stage: Stage, number: str) -> None:
    """What a restore from a backup taken before the order does."""
    await stage.rows(stage.producer, "delete from document where key = $1", f"erp/{number}")


async def restore(stage: Stage) -> bool:
    """The first look of the relay, and everything that follows from it."""
    found = await incarnation.recognise(stage.producer, stage.bus)
    await work(stage)
    await stage.relay()
    await stage.consume()
    return found


async def confirm(stage: Stage) -> None:
    async with stage.producer.database.unit_of_work() as unit:
        await republication.confirm(stage.store, unit)
    await stage.relay()
    await stage.consume()


async def tallies(context: Context, side: Any) -> Any:
    async with context.database.unit_of_work() as unit:
        return await tally(side, ["order"], unit.connection)


class TestRepublish:
    async def test_sends_every_document_between_two_markers(self, stage: Stage) -> None:
        await stage.pass_on(order("O1"), order("O2", "C2"))
        await request(stage)
        await work(stage)
        sent = await stage.outbox()
        by_part = [[event.reason for event in sent if event.partition == part] for part in range(PARTITIONS)]
        assert all(reasons[0] == "begun" and reasons[-1] == "complete" for reasons in by_part)
        assert sum(event.kind == "order" for event in sent) == 2

    async def test_beats_go_behind_all_documents(self, stage: Stage) -> None:
        """INVARIANT: breaks when a beat overtakes what it covers on the way to an emptied consumer."""
        await stage.pass_on(*(order(f"O{number}") for number in range(5)))
        await request(stage)
        await work(stage)
        kinds = [event.kind for event in await stage.outbox() if event.kind != Marker.kind]
        assert kinds == sorted(kinds, key=lambda kind: kind == Beat.kind)

    async def test_disturbs_nobody(self, stage: Stage) -> None:
        """INVARIANT: breaks when a republished document counts a second time."""
        await stage.pass_on(order("O1"), order("O2", "C2"))
        before = await turnover(stage)
        await republish(stage)
        assert await turnover(stage) == before
        assert await tallies(stage.producer, "document") == await tallies(stage.consumer, "held_document")

    async def test_goes_on_where_it_stood(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        await stage.accept(*(order(f"O{number}") for number in range(5)))
        await stage.relay()
        monkeypatch.setattr(republication, "PAGE", 2)
        await request(stage)
        for _ in range(3):
            assert await republication.work(DocumentStore("orders"), stage.producer)
        await work(stage)
        numbers = [event.id for event in await stage.outbox() if event.kind == "order"]
        assert len(numbers) == len(set(numbers)) == 5

    async def test_waits_while_the_outbox_is_full(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        """INVARIANT: breaks when all that is old queues before what is new."""
        await stage.accept(*(order(f"O{number}") for number in range(5)))
        await request(stage)
        monkeypatch.setattr(republication, "ROOM", 3)
        assert not await republication.work(stage.store, stage.producer)
        await stage.relay()
        assert await republication.work(stage.store, stage.producer)


class TestGate:
    async def test_nothing_is_complete_before_the_end(self, stage: Stage) -> None:
        await stage.pass_on(order())
        await close_gate(stage)
        assert await closed(stage) == ["orders"]
        await republish(stage)
        assert await closed(stage) == []

    async def test_a_republication_begun_before_does_not_open_it(self, stage: Stage) -> None:
        """INVARIANT: breaks when documents sent before the consumer was emptied are taken for sent again."""
        await stage.pass_on(order())
        await request(stage)
        await republication.work(stage.store, stage.producer)
        await stage.relay()
        await stage.consume()
        await close_gate(stage)
        await work(stage)
        await stage.relay()
        await stage.consume()
        assert await closed(stage) == ["orders"]

    async def test_an_older_one_in_the_log_does_not_open_it(self, stage: Stage) -> None:
        """INVARIANT: breaks when a rebuild from the log ends where an earlier republication ended."""
        name = await republish(stage)
        await stage.rows(stage.consumer, "update cursor set next_offset = 0")
        await close_gate(stage, Name(name.epoch, name.number + 1))
        await stage.consume()
        assert await closed(stage) == ["orders"]
        await republish(stage, whole=False)
        assert await closed(stage) == []

    async def test_absence_is_not_judged_meanwhile(self, stage: Stage) -> None:
        await stage.accept(order())
        await _beat(stage)
        await stage.pass_on()
        await close_gate(stage)
        group = frozenset({party("C1").id})
        async with stage.consumer.database.unit_of_work() as unit:
            found = (await horizon.load([group], unit.connection))[group]
            assert await horizon.ceilings(unit.connection) == {}
        assert {reason.code for reasons in found.reasons.values() for reason in reasons} == {"rebuild"}
        assert set(found.until.values()) == {None}

    async def test_history_that_was_trimmed_closes_it(self, stage: Stage) -> None:
        """INVARIANT: breaks when a new consumer takes the rest of the log for all of it."""
        await stage.accept(order("O1"), order("O2"))
        await stage.relay()
        full = next(where for where, found in (await stage.bus.bounds([TOPIC])).items() if found.next > 2)
        await stage.delete_from_log(full, 0, 0)
        await stage.consume()
        assert await closed(stage) == ["orders"]
        await republish(stage)
        assert await closed(stage) == []
        assert await live(stage) == ["erp/O1", "erp/O2"]

    async def test_who_waits_for_it_is_told_once(self, stage: Stage) -> None:
        told = []

        async def completed(*_: object) -> None:
            told.append(await closed(stage))

        await close_gate(stage)
        await request(stage)
        await work(stage)
        await stage.relay()
        consumer = Consumer(stage.consumer, stage.bus, ["orders"], hold, completed)
        async with stage.member() as member:
            while await consumer.step(member, timeout=0):
                pass
        assert len(told) == 1


class TestRebuild:
    @pytest.mark.parametrize("whole", [True, False], ids=["republish", "log"])
    async def test_makes_everything_again(self, stage: Stage, whole: bool) -> None:
        await stage.pass_on(order("O1"), order("O2", "C2"))
        before = await turnover(stage)
        bounds = await stage.bus.bounds([TOPIC])
        starts = {where: found.next if whole else 0 for where, found in bounds.items()}

        async def forget(unit: Any) -> None:
            await unit.connection.execute("truncate turnover")

        async with stage.consumer.database.unit_of_work() as unit:
            await rebuild.empty(starts, {"orders": Name(1, 1)}, forget, unit)
        assert await live(stage) == []
        await republish(stage, whole=whole)
        assert await closed(stage) == []
        assert await turnover(stage) == before


class TestRecognise:
    async def test_a_database_that_knows_what_was_said_is_the_same(self, stage: Stage) -> None:
        await stage.pass_on(order("O1"), order("O2"))
        assert not await incarnation.recognise(stage.producer, stage.bus)
        assert not await incarnation.recognise(stage.producer, stage.bus)
        assert {row["epoch"] for row in await stage.rows(stage.producer, "select epoch from document")} == {1}

    @pytest.mark.parametrize(
        "harm",
        [
            "delete from document where key = 'erp/O2'",
            "update incarnation set system_identifier = 1",
            "update incarnation set timeline = timeline + 1",
        ],
    )
    async def test_an_older_or_another_one_begins_a_new_epoch(self, stage: Stage, harm: str) -> None:
        await stage.pass_on(order("O1"), order("O2"))
        await incarnation.recognise(stage.producer, stage.bus)
        await stage.rows(stage.producer, harm)
        assert await incarnation.recognise(stage.producer, stage.bus)
        rows = await stage.rows(stage.producer, "select min(epoch) as epoch from document")
        assert rows[0]["epoch"] > 1
        assert not await incarnation.recognise(stage.producer, stage.bus)

    async def test_a_forgotten_revision_is_noticed(self, stage: Stage) -> None:
        await stage.pass_on(order("O1", amount=100), source_revision=1)
        kept = (await stage.rows(stage.producer, "select data from document where kind = 'order'"))[0]["data"]
        await stage.pass_on(order("O1", amount=200), source_revision=2)
        await stage.rows(stage.producer, "update document set revision = 1, data = $1 where kind = 'order'", kept)
        assert await incarnation.recognise(stage.producer, stage.bus)

    async def test_who_is_writing_is_waited_for(self, stage: Stage) -> None:
        """INVARIANT: breaks when a document gets the old epoch after the new one began: the fence would drop it."""
        await stage.pass_on(order("O1"))
        await stage.rows(stage.producer, "delete from document where kind = 'order'")
        async with stage.producer.database.unit_of_work() as unit:
            recognising = asyncio.create_task(_look_into(stage, unit))
            await asyncio.sleep(0.3)
            assert not recognising.done()
        await recognising
        await stage.accept(order("O3"))
        epochs = await stage.rows(stage.producer, "select distinct epoch from document where kind <> 'marker'")
        assert len(epochs) == 1
        assert epochs[0]["epoch"] > 1


async def _look_into(stage: Stage, unit: Any) -> None:
    await stage.store.accept([draft(order("O2"))], unit)
    await incarnation.recognise(stage.producer, stage.bus)


class TestRestore:
    @pytest.fixture
    async def restored(self, stage: Stage) -> Stage:
        """A producer that lost O2, and has sent again what it knows."""
        await stage.pass_on(order("O1"), order("O2", "C2"))
        await forget_order(stage, "O2")
        assert await restore(stage)
        return stage

    async def test_keeps_what_was_lost_until_somebody_confirms(self, restored: Stage) -> None:
        """INVARIANT: breaks when a restore alone takes back what was accepted."""
        assert await live(restored) == ["erp/O1", "erp/O2"]
        async with restored.consumer.database.unit_of_work() as unit:
            epoch = (await markers.states(unit.connection))["orders"].complete
            assert [row["kind"] for row in await markers.lost("orders", epoch, unit.connection)] == ["order"]

    async def test_retracts_it_then(self, restored: Stage) -> None:
        await confirm(restored)
        assert await live(restored) == ["erp/O1"]
        assert set(await turnover(restored)) == {party("C1").id}
        assert await tallies(restored.producer, "document") == await tallies(restored.consumer, "held_document")

    async def test_is_confirmed_once(self, restored: Stage) -> None:
        await confirm(restored)
        with pytest.raises(Conflict, match="confirmed"):
            await confirm(restored)

    async def test_that_never_was_cannot_be_confirmed(self, stage: Stage) -> None:
        with pytest.raises(NotFound):
            await confirm(stage)

    async def test_what_is_sent_again_counts_once_before_and_after(self, restored: Stage) -> None:
        """INVARIANT: breaks when a lost document and its second coming, under another id, both count."""
        before = await turnover(restored)
        await restored.pass_on(order("O2", "C2"))
        assert await turnover(restored) == before
        await confirm(restored)
        assert await turnover(restored) == before
        assert await live(restored) == ["erp/O1", "erp/O2"]

    async def test_its_former_life_is_not_heard_any_more(self, restored: Stage) -> None:
        """INVARIANT: breaks when a relay that was forgotten somewhere brings lost documents back."""
        event = Event(
            kind="order",
            reason="placed",
            id=restored.ids.new(),
            epoch=1,
            revision=1,
            recorded_at=day(0),
            producer="orders",
            party=party("C1").id,
            data=encode(order("O9")),
        )
        await confirm(restored)
        await restored.append(0, Message(cloudevents.key(event), event.data, cloudevents.headers(event)))
        await restored.consume()
        assert await live(restored) == ["erp/O1"]

    async def test_no_beat_until_it_has_said_what_it_knows(self, stage: Stage) -> None:
        await stage.pass_on(order("O1"), order("O2", "C2"))
        await forget_order(stage, "O2")
        await incarnation.recognise(stage.producer, stage.bus)
        with pytest.raises(Unavailable):
            await _beat(stage)
        await work(stage)
        await _beat(stage)

    async def test_a_document_taken_meanwhile_has_the_new_epoch(self, restored: Stage) -> None:
        await restored.pass_on(order("O3", "C3"))
        await confirm(restored)
        assert await live(restored) == ["erp/O1", "erp/O3"]


async def _beat(stage: Stage) -> None:
    async with stage.producer.database.unit_of_work() as unit:
        await sources.advance(stage.store, unit, source="erp", of="order", complete_until=day(-1))
