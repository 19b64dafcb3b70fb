"""Documents that do not get on, and why."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from forewarn.doctor import flow
from forewarn.doctor.findings import Check, Finding, Patient, examine
from shared.events import PARTITIONS
from shared.messaging import incarnation, markers, republication, sources
from shared.messaging.backlog import LATE
from shared.messaging.bus import Message, Record, TopicPartition
from shared.messaging.relay import Relay
from shared.runtime.service import Service, Subscription
from tests.shared.messaging.events import WHERE, sent
from tests.support.builders import day, order
from tests.support.harmed_bus import HarmedBus
from tests.support.operated import ORDERS
from tests.support.stage import CONSUMER, TOPIC, Stage, hold
from tests.support.waiting import eventually

ALERTING: Final = Service("alerting", CONSUMER, Path(), subscription=Subscription(("orders",), hold))
LATER: Final = LATE + timedelta(seconds=1)


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "MOVES_SECONDS", 0.0)


async def producer(stage: Stage) -> dict[str, Finding]:
    return await _examined(Patient(ORDERS, stage.producer, stage.bus, (), embedded=True))


async def consumer(stage: Stage, bus: HarmedBus | None = None) -> dict[str, Finding]:
    return await _examined(Patient(ALERTING, stage.consumer, bus or stage.bus, (), embedded=True))


async def _examined(patient: Patient) -> dict[str, Finding]:
    checks: tuple[Check, ...] = (*flow.CHECKS, *flow.LOG_CHECKS)
    found = await examine(patient, checks)
    assert all(finding.subject == patient.service.name for finding in found)
    assert len({finding.code for finding in found}) == len(found)
    return {finding.code: finding for finding in found}


class TestSound:
    async def test_nothing_is_wrong(self, stage: Stage) -> None:
        await stage.accept(order())
        async with stage.producer.database.unit_of_work() as unit:
            await sources.advance(stage.store, unit, source="erp", of="order", complete_until=day(0))
        await stage.relay()
        await stage.consume()
        async with stage.member():
            assert (await producer(stage), await consumer(stage)) == ({}, {})

    async def test_what_is_on_its_way_is_not_wrong(self, stage: Stage) -> None:
        await stage.pass_on(order("O1"))
        await sent(stage, "O2")
        await stage.accept(order("O3"))
        async with stage.member():
            assert (await producer(stage), await consumer(stage)) == ({}, {})


class TestOutbox:
    async def test_that_nobody_sends(self, stage: Stage) -> None:
        await stage.accept(order())
        stage.clock.at += LATER
        found = await producer(stage)
        assert set(found) == {"outbox_old"}
        assert "start a worker" in found["outbox_old"].remedy

    async def test_that_a_relay_cannot_send(self, stage: Stage) -> None:
        """INVARIANT: who is told to start a worker although one runs looks in the wrong place."""

        class Takes(HarmedBus):
            async def on_sent(self, partition: int) -> None:  # noqa: ARG002
                await asyncio.Event().wait()

        await stage.accept(order())
        stage.clock.at += LATER
        stop = asyncio.Event()
        relay = asyncio.create_task(Relay(stage.producer, Takes(stage.bus)).run(stop))
        await eventually(lambda: _relay_runs(stage))
        stop.set()
        await relay

    @pytest.mark.parametrize(("room", "code"), [(0, "outbox_full"), (1, "outbox_filling"), (2, None)])
    async def test_without_room(self, stage: Stage, room: int, code: str | None) -> None:
        await stage.accept(order())
        rows = len(await stage.outbox())
        object.__setattr__(stage.settings, "outbox_limit", {0: rows - 1, 1: rows + 1, 2: 2 * rows}[room])
        assert set(await producer(stage)) == ({code} if code else set())


class TestRestore:
    async def test_waits_until_it_is_confirmed(self, stage: Stage) -> None:
        await stage.pass_on(order("O1"), order("O2"))
        await stage.rows(stage.producer, "delete from document where key = 'erp/O2'")
        await incarnation.recognise(stage.producer, stage.bus)
        while await republication.work(stage.store, stage.producer):
            pass
        await stage.relay()
        assert set(await producer(stage)) == {"restore_unconfirmed"}
        async with stage.producer.database.unit_of_work() as unit:
            await republication.confirm(stage.store, unit)
        assert await producer(stage) == {}


class TestConsumer:
    async def test_letters_are_named(self, stage: Stage) -> None:
        await stage.append(0, Message(None, b"?", ()))
        await stage.consume()
        async with stage.member():
            assert set(await consumer(stage)) == {"dead_letters"}

    async def test_a_closed_gate_names_what_opens_it(self, stage: Stage) -> None:
        async with stage.consumer.database.unit_of_work() as unit:
            await markers.close("orders", range(PARTITIONS), unit.connection)
        async with stage.member():
            found = await consumer(stage)
        assert set(found) == {"gate_closed"}
        assert "forewarn republish orders" in found["gate_closed"].remedy

    async def test_a_silent_source_is_named(self, stage: Stage) -> None:
        await stage.pass_on(order())
        async with stage.member():
            assert await consumer(stage) == {}
            stage.clock.at = day(2)
            found = await consumer(stage)
        assert set(found) == {"source_silent"}
        assert "forewarn sources retire erp order" in found["source_silent"].remedy

    async def test_nobody_consumes(self, stage: Stage) -> None:
        await stage.pass_on(order())
        assert set(await consumer(stage)) == {"nobody_consumes"}

    async def test_records_that_nobody_applies(self, stage: Stage) -> None:
        await sent(stage, "O1")
        stage.clock.at += LATER
        async with stage.member():
            found = await consumer(stage)
        assert set(found) == {"behind"}
        assert "does not move" in found["behind"].problem

    async def test_who_catches_up_is_told_from_who_stands_still(self, stage: Stage) -> None:
        await sent(stage, "O1", "O2", "O3")
        stage.clock.at += LATER
        position = "insert into cursor values ($1, $2, $3) on conflict (topic, part) do update set next_offset = $3"
        await stage.rows(stage.consumer, position, WHERE.topic, WHERE.partition, 0)

        class Applies(HarmedBus):
            async def read(self, where: TopicPartition, offset: int, max_records: int) -> list[Record]:
                await stage.rows(stage.consumer, position, WHERE.topic, WHERE.partition, 1)
                return await super().read(where, offset, max_records)

        async with stage.member():
            found = await consumer(stage, Applies(stage.bus))
        assert "catches up" in found["behind"].problem

    async def test_what_was_applied_at_the_second_look_was_on_its_way(self, stage: Stage) -> None:
        """INVARIANT: documents sent again are old and still not late: no false finding while they pass."""
        await sent(stage, "O1")
        stage.clock.at += LATER

        class Applies(HarmedBus):
            async def read(self, where: TopicPartition, offset: int, max_records: int) -> list[Record]:
                records = await super().read(where, offset, max_records)
                await stage.consume()
                return records

        assert "behind" not in await consumer(stage, Applies(stage.bus))

    @pytest.mark.parametrize("position", [0, 1000])
    async def test_history_that_is_gone_stops_a_partition(self, stage: Stage, position: int) -> None:
        await sent(stage, "O1", "O2")
        await stage.consume()
        await stage.delete_from_log(WHERE, 0, 0)
        await stage.rows(
            stage.consumer, "update cursor set next_offset = $2 where part = $1", WHERE.partition, position
        )
        async with stage.member():
            found = await consumer(stage)
        assert set(found) == {"partition_stopped"}
        assert f"{TOPIC}/{WHERE.partition}" in found["partition_stopped"].problem


async def _relay_runs(stage: Stage) -> bool:
    found = await producer(stage)
    return "outbox_old" in found and "its relay runs" in found["outbox_old"].remedy
