"""The gauges tell what waits and what stands still, whoever should be doing the work, and whether he does it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final

import asyncpg
import pytest
from prometheus_client import REGISTRY

from shared.events import PARTITIONS
from shared.messaging import gauges as module
from shared.messaging import incarnation, markers, republication, sources
from shared.messaging.bus import Bounds, BusError, Message, TopicPartition
from shared.messaging.consumer import Consumer
from shared.messaging.gauges import Gauges
from tests.shared.messaging.events import WHERE, end_of_log, sent
from tests.support.builders import day, order
from tests.support.harmed_bus import HarmedBus
from tests.support.stage import Stage, hold
from tests.support.waiting import eventually

MINUTE: Final = timedelta(minutes=1)
PLACE: Final = {"topic": WHERE.topic, "partition": str(WHERE.partition)}


def shown(name: str, service: str = "alerting", **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, {"service": service, **labels})


class AwayBus(HarmedBus):
    """Answers nobody."""

    async def bounds(self, topics: Sequence[str]) -> dict[TopicPartition, Bounds]:  # noqa: ARG002
        raise BusError("away")


@pytest.fixture
def consumer(stage: Stage) -> Gauges:
    return Gauges(stage.consumer, stage.bus, publishes=False, producers=["orders"])


@pytest.fixture
def producer(stage: Stage) -> Gauges:
    return Gauges(stage.producer, stage.bus, publishes=True, producers=[])


async def beat(stage: Stage, until: float) -> None:
    async with stage.producer.database.unit_of_work() as unit:
        await sources.advance(stage.store, unit, source="erp", of="order", complete_until=day(until))


class TestOutbox:
    async def test_what_waits_is_shown_also_while_the_bus_is_away(self, stage: Stage) -> None:
        """INVARIANT: the figure that tells how long the bus may stay away must not stand still because it is away."""
        await stage.accept(order())
        stage.clock.at = day(1)
        await Gauges(stage.producer, AwayBus(stage.bus), publishes=True, producers=[]).look()
        assert shown("outbox_rows", "orders") == len(await stage.outbox())
        assert shown("outbox_limit_rows", "orders") == stage.settings.outbox_limit
        assert shown("outbox_oldest_age_seconds", "orders") == 86_400
        assert shown("bus_reachable", "orders") == 0

    async def test_an_empty_one_is_shown_too(self, stage: Stage, producer: Gauges) -> None:
        await stage.accept(order())
        await producer.look()
        await stage.relay()
        stage.clock.at = day(1)
        await producer.look()
        assert shown("outbox_rows", "orders") == shown("outbox_oldest_age_seconds", "orders") == 0
        assert shown("bus_reachable", "orders") == 1

    async def test_a_restore_waits_for_its_confirmation(self, stage: Stage, producer: Gauges) -> None:
        await stage.pass_on(order("O1"), order("O2"))
        await producer.look()
        assert shown("producer_unconfirmed_restore", "orders") == 0
        await stage.rows(stage.producer, "delete from document where key = 'erp/O2'")
        await incarnation.recognise(stage.producer, stage.bus)
        await producer.look()
        assert shown("producer_unconfirmed_restore", "orders") == 1
        while await republication.work(stage.store, stage.producer):
            pass
        async with stage.producer.database.unit_of_work() as unit:
            await republication.confirm(stage.store, unit)
        await producer.look()
        assert shown("producer_unconfirmed_restore", "orders") == 0


class TestLag:
    async def test_is_what_nobody_of_the_group_has_applied(self, stage: Stage, consumer: Gauges) -> None:
        await sent(stage, "O1")
        await stage.consume()
        await sent(stage, "O2", "O3")
        await consumer.look()
        assert shown("consumer_lag_records", **PLACE) == 2
        await stage.consume()
        await consumer.look()
        assert shown("consumer_lag_records", **PLACE) == shown("consumer_lag_seconds", **PLACE) == 0

    async def test_grows_while_nothing_is_applied(self, stage: Stage, consumer: Gauges) -> None:
        """INVARIANT: a consumer that hangs applies nothing, looks at nothing and says nothing; its lag has to grow."""
        await sent(stage, "O1")
        await stage.consume()
        await consumer.look()
        stage.clock.at += MINUTE
        await sent(stage, "O2")
        await consumer.look()
        assert shown("consumer_lag_seconds", **PLACE) == 0
        for minutes in (1, 2):
            stage.clock.at += MINUTE
            await consumer.look()
            assert shown("consumer_lag_seconds", **PLACE) == 60 * minutes

    async def test_grows_while_nothing_can_be_looked_at(self, stage: Stage, consumer: Gauges) -> None:
        """INVARIANT: with its database or the bus away a figure must not stay at its last good value."""
        await sent(stage, "O1")
        await consumer.look()
        stage.clock.at += 3 * MINUTE
        assert shown("consumer_lag_seconds", **PLACE) == 180
        measured = shown("gauges_measured_timestamp_seconds")
        await Gauges(stage.consumer, AwayBus(stage.bus), publishes=False, producers=["orders"]).look()
        assert shown("consumer_lag_seconds", **PLACE) == 180
        assert shown("gauges_measured_timestamp_seconds") == measured

    async def test_of_what_was_there_before_the_first_look_is_as_old_as_the_record(
        self, stage: Stage, consumer: Gauges
    ) -> None:
        await sent(stage, "O1")
        stage.clock.at += MINUTE
        await sent(stage, "O2")
        stage.clock.at += MINUTE
        await consumer.look()
        assert shown("consumer_lag_seconds", **PLACE) == 120

    async def test_a_document_sent_again_is_not_late_since_it_was_recorded(
        self, stage: Stage, consumer: Gauges
    ) -> None:
        """INVARIANT: a republication of years must not look like a consumer that hangs for years."""
        [outcome] = await stage.pass_on(order())
        stage.clock.at = day(400)
        await consumer.look()
        async with stage.producer.database.unit_of_work() as unit:
            await stage.store.republish([outcome.stored], unit)
        await stage.relay()
        await consumer.look()
        stage.clock.at += MINUTE
        assert (shown("consumer_lag_records", **PLACE), shown("consumer_lag_seconds", **PLACE)) == (1, 60)

    async def test_a_record_nobody_can_read_counts_from_the_first_look(self, stage: Stage, consumer: Gauges) -> None:
        await stage.append(WHERE.partition, Message(None, b"?", ()))
        await consumer.look()
        stage.clock.at += MINUTE
        await consumer.look()
        assert (shown("consumer_lag_records", **PLACE), shown("consumer_lag_seconds", **PLACE)) == (1, 60)


class TestStopped:
    @pytest.mark.parametrize("position", ["0", "1000"])
    async def test_counts_partitions_whose_log_lacks_what_comes_next(
        self, stage: Stage, consumer: Gauges, position: str
    ) -> None:
        await sent(stage, "O1", "O2")
        await stage.consume()
        await consumer.look()
        assert shown("consumer_stopped_partitions") == 0
        await stage.delete_from_log(WHERE, 0, 0)
        await stage.rows(stage.consumer, f"update cursor set next_offset = {position} where part = $1", WHERE.partition)
        await consumer.look()
        assert shown("consumer_stopped_partitions") == 1

    async def test_a_partition_nobody_has_begun_is_not_stopped(self, stage: Stage, consumer: Gauges) -> None:
        await sent(stage, "O1", "O2")
        await stage.delete_from_log(WHERE, 0, 0)
        await consumer.look()
        assert shown("consumer_stopped_partitions") == 0
        assert shown("consumer_lag_records", **PLACE) == await end_of_log(stage) - 1

    async def test_a_cursor_that_moves_while_we_look_is_not_behind_the_end(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """INVARIANT: a false alarm at every look under load would teach people to ignore it."""

        class Overtaken(HarmedBus):
            async def bounds(self, topics: Sequence[str]) -> dict[TopicPartition, Bounds]:
                found = await super().bounds(topics)
                monkeypatch.setattr(Overtaken, "bounds", HarmedBus.bounds)
                await sent(stage, "O1")
                await stage.consume()
                return found

        await Gauges(stage.consumer, Overtaken(stage.bus), publishes=False, producers=["orders"]).look()
        assert shown("consumer_stopped_partitions") == 0


class TestPromises:
    async def test_a_watermark_is_as_old_as_the_partition_that_is_furthest_behind(
        self, stage: Stage, consumer: Gauges
    ) -> None:
        await stage.accept(order())
        await beat(stage, -1)
        await stage.pass_on()
        await consumer.look()
        assert shown("watermark_age_seconds", kind="order") == 86_400
        late = "update beat set complete_until = complete_until - interval '1 day' where part = 5"
        await stage.rows(stage.consumer, late)
        await consumer.look()
        assert shown("watermark_age_seconds", kind="order") == 2 * 86_400
        assert shown("watermark_age_seconds", kind="invoice") is None, "nobody delivers invoices"

    async def test_it_grows_while_nothing_moves(self, stage: Stage, consumer: Gauges) -> None:
        await stage.accept(order())
        await beat(stage, 0)
        await stage.pass_on()
        await consumer.look()
        stage.clock.at = day(2)
        assert shown("watermark_age_seconds", kind="order") == 2 * 86_400

    async def test_a_source_without_a_promise_counts_from_its_activation(self, stage: Stage, consumer: Gauges) -> None:
        await stage.pass_on(order())
        stage.clock.at = day(3)
        await consumer.look()
        assert shown("watermark_age_seconds", kind="order") == 3 * 86_400

    async def test_a_rebuild_closes_the_gate_of_its_producer(self, stage: Stage, consumer: Gauges) -> None:
        await stage.accept(order())
        await beat(stage, 0)
        await stage.pass_on()
        await consumer.look()
        assert shown("consumer_gate_closed", producer="orders") == 0
        async with stage.consumer.database.unit_of_work() as unit:
            await markers.close("orders", range(PARTITIONS), unit.connection)
        await consumer.look()
        assert shown("consumer_gate_closed", producer="orders") == 1
        assert shown("watermark_age_seconds", kind="order") is None, "the gate is the reason, not a source"

    async def test_open_letters_are_counted_and_age(self, stage: Stage, consumer: Gauges) -> None:
        await stage.append(0, Message(None, b"?", ()))
        await stage.consume()
        await consumer.look()
        stage.clock.at = day(1)
        assert shown("consumer_open_dead_letters") == 1
        assert shown("consumer_oldest_dead_letter_seconds") == 86_400


class TestRun:
    async def test_looks_again_and_again_whatever_fails(
        self, stage: Stage, consumer: Gauges, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "EVERY_SECONDS", 0.01)
        stop = asyncio.Event()
        running = asyncio.create_task(consumer.run(stop))
        await sent(stage, "O1")
        await eventually(_lag_is(await end_of_log(stage)))
        await _cut_sessions(stage.databases.consumer)
        await _cut_sessions(stage.databases.bus)
        await stage.consume()
        await eventually(_lag_is(0))
        stop.set()
        await running

    async def test_a_consumer_that_hangs_does_not_keep_it_from_looking(
        self, stage: Stage, consumer: Gauges, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "EVERY_SECONDS", 0.01)

        hangs = asyncio.Event()

        class Hangs(HarmedBus):
            async def on_commit(self, offsets: object) -> None:  # noqa: ARG002
                hangs.set()
                await asyncio.Event().wait()

        stop = asyncio.Event()
        await sent(stage, "O1")
        hanging = asyncio.create_task(Consumer(stage.consumer, Hangs(stage.bus), ["orders"], hold).run(stop))
        running = asyncio.create_task(consumer.run(stop))
        await hangs.wait()
        await sent(stage, "O2")
        await eventually(_lag_is(1))
        stage.clock.at += MINUTE
        assert shown("consumer_lag_seconds", **PLACE) == 60
        stop.set()
        hanging.cancel()
        await asyncio.gather(running, hanging, return_exceptions=True)


def _lag_is(records: int) -> Callable[[], Awaitable[bool]]:
    async def fact() -> bool:
        return shown("consumer_lag_records", **PLACE) == records

    return fact


async def _cut_sessions(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
    finally:
        await connection.close()
