"""The relay: what is present, in id order, deleted exactly when it was acknowledged."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence

import asyncpg
import pytest

from shared.errors import Unavailable
from shared.events import PARTITIONS, Document
from shared.messaging.bus import Bus, BusError, BusProducer, Message, Record, TopicPartition
from shared.messaging.partitions import partition_of
from shared.messaging.relay import Relay
from tests.support.builders import order, party
from tests.support.harmed_bus import HarmedBus
from tests.support.stage import TOPIC, Stage
from tests.support.waiting import eventually


def part_of(customer: str) -> int:
    return partition_of(str(party(customer).id).encode(), PARTITIONS)


async def in_log(stage: Stage, customer: str = "C1") -> list[Record]:
    """Records of documents in the partition of a customer."""
    records = await stage.bus.read(TopicPartition(TOPIC, part_of(customer)), 0, 10_000)
    return [record for record in records if record.key is not None]


async def waiting(stage: Stage, customer: str = "C1") -> list[int]:
    """Ids of rows that wait for the partition of a customer."""
    rows = await stage.rows(stage.producer, "select id from outbox where part = $1 order by id", part_of(customer))
    return [row["id"] for row in rows]


class LosesBatches(HarmedBus):
    """Refuses what is sent to one partition."""

    refused: int | None = None

    async def on_send(self, partition: int, messages: Sequence[Message]) -> Sequence[Message]:
        if partition == self.refused:
            raise BusError("no leader")
        return messages


class LosesAcknowledgements(HarmedBus):
    """Takes what is sent and says that it did not, once."""

    left = 1

    async def on_sent(self, partition: int) -> None:  # noqa: ARG002
        if self.left:
            self.left -= 1
            raise BusError("the answer got lost")


class TestSendPresent:
    async def test_what_was_acknowledged_is_in_the_log_and_deleted(self, stage: Stage) -> None:
        await stage.accept(order(), order("O2", "C2", bill_to=party("C1")))
        sent = await stage.outbox()
        await stage.relay()
        assert await stage.outbox() == []
        assert [record.value for record in await in_log(stage)] == [
            event.data for event in sent if event.party == party("C1").id
        ]
        assert {record.key for record in await in_log(stage, "C1")} == {str(party("C1").id).encode()}

    async def test_a_batch_that_got_lost_is_kept(self, stage: Stage) -> None:
        """INVARIANT: only what was acknowledged is deleted. Broken, an accepted document is lost for everyone else."""
        bus = LosesBatches(stage.bus)
        bus.refused = part_of("C1")
        await stage.accept(order(customer="C1"), order("O2", "C2"))
        before = await waiting(stage, "C1")
        with pytest.raises(BusError):
            await stage.relay(Relay(stage.producer, bus))
        assert await waiting(stage, "C1") == before
        assert await waiting(stage, "C2") == []
        assert len(await in_log(stage, "C2")) == 1

    async def test_a_lost_acknowledgement_doubles_the_record(self, stage: Stage) -> None:
        await stage.accept(order())
        relay = Relay(stage.producer, LosesAcknowledgements(stage.bus))
        with pytest.raises(BusError):
            await stage.relay(relay)
        await stage.relay(relay)
        first, second = [record for record in await in_log(stage) if record.key]
        assert (first.value, first.headers) == (second.value, second.headers)

    async def test_a_row_committed_late_under_a_lower_id_is_neither_deleted_nor_forgotten(self, stage: Stage) -> None:
        """INVARIANT: rows are deleted by their own ids and selected because they are there, never by `id > last`.

        Broken, a transaction that took its ids first and committed last would vanish: ids are handed out before commit.
        """
        slow_wrote, may_commit = asyncio.Event(), asyncio.Event()

        async def slow() -> None:
            async with stage.producer.database.unit_of_work() as unit:
                await unit.connection.execute(
                    "insert into outbox (part, key, headers, payload)"
                    " select $1, $2, headers, 'slow' from outbox limit 1",
                    part_of("C1"),
                    party("C1").id,
                )
                slow_wrote.set()
                await may_commit.wait()

        class CommitsMeanwhile(HarmedBus):
            async def on_sent(self, partition: int) -> None:  # noqa: ARG002
                may_commit.set()
                await writing

        await stage.accept(order())
        writing = asyncio.create_task(slow())
        await slow_wrote.wait()
        await stage.accept(order("O2"))
        relay = Relay(stage.producer, CommitsMeanwhile(stage.bus))
        async with stage.session(stage.producer) as connection:
            await relay.send_present(connection)
            assert len(await waiting(stage)) == 1
            await relay.send_present(connection)
        await relay.drop_producer()
        assert [record.value == b"slow" for record in await in_log(stage)] == [False, False, True]

    async def test_rows_go_in_the_order_of_their_ids(self, stage: Stage) -> None:
        """INVARIANT: id order within a partition. Broken, a beat overtakes the documents it covers: a false alarm."""
        await stage.accept(*(order(f"O{n}") for n in range(9, -1, -1)))
        events = [event for event in await stage.outbox() if event.party == party("C1").id]
        # What was updated lies at the end of the table.
        await stage.rows(stage.producer, "update outbox set payload = payload where id % 2 = 0")
        await stage.relay(Relay(stage.producer, stage.bus, quota=3))
        assert [record.value for record in await in_log(stage)] == [event.data for event in events]

    async def test_a_full_partition_does_not_take_the_turn_of_the_others(self, stage: Stage) -> None:
        """INVARIANT: a quota per partition. Broken, the rows of one without a leader fill every pass, others wait."""
        bus = LosesBatches(stage.bus)
        bus.refused = part_of("C1")
        await stage.accept(*(order(f"O{n}", "C1") for n in range(9)))
        await stage.accept(order("P", "C2"))
        with pytest.raises(BusError):
            await stage.relay(Relay(stage.producer, bus, quota=2))
        assert len(await in_log(stage, "C2")) == 1

    async def test_it_says_whether_a_quota_was_full(self, stage: Stage) -> None:
        await stage.accept(*(order(f"O{n}") for n in range(3)))
        relay = Relay(stage.producer, stage.bus, quota=3)
        async with stage.session(stage.producer) as connection:
            assert [await relay.send_present(connection) for _ in range(3)] == [True, False, False]
        await relay.drop_producer()

    async def test_one_batch_of_a_partition_is_on_its_way_at_a_time(self, stage: Stage) -> None:
        """INVARIANT: what comes behind a batch waits for its answer. Broken, a beat lands before what it covers."""

        class Counts(HarmedBus):
            def __init__(self, inner: Bus) -> None:
                super().__init__(inner)
                self.now: Counter[int] = Counter()
                self.most = 0

            async def on_send(self, partition: int, messages: Sequence[Message]) -> Sequence[Message]:
                self.now[partition] += 1
                self.most = max(self.most, self.now[partition])
                await asyncio.sleep(0.01)
                return messages

            async def on_sent(self, partition: int) -> None:
                self.now[partition] -= 1

        bus = Counts(stage.bus)
        await stage.accept(*(order(f"O{n}") for n in range(5)))
        await stage.relay(Relay(stage.producer, bus, quota=2))
        assert bus.most == 1
        assert len(await in_log(stage)) == 5


class TestRun:
    async def test_it_sends_what_is_written_while_it_runs(self, stage: Stage) -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(Relay(stage.producer, stage.bus).run(stop))
        await stage.accept(order())
        await eventually(lambda: _is_empty(stage))
        stop.set()
        await running
        assert len(await in_log(stage)) == 1

    async def test_a_producer_that_failed_is_dropped(self, stage: Stage) -> None:
        """INVARIANT: after any error another producer is used, from the first present row on.

        Broken, a client in an unknown state sends on, and what failed may land behind what came after it.
        """

        class Remembers(LosesAcknowledgements):
            made = 0

            async def producer(self) -> BusProducer:
                self.made += 1
                return await super().producer()

        bus, stop = Remembers(stage.bus), asyncio.Event()
        await stage.accept(order())
        running = asyncio.create_task(Relay(stage.producer, bus).run(stop))
        await eventually(lambda: _is_empty(stage))
        stop.set()
        await running
        assert bus.made == 2

    async def test_only_one_of_two_relays_sends(self, stage: Stage) -> None:
        stop, second_bus = asyncio.Event(), LosesBatches(stage.bus)
        await stage.accept(order())
        async with stage.session(stage.producer) as leader:
            assert await leader.fetchval("select pg_try_advisory_lock(hashtext('forewarn_relay'))")
            running = asyncio.create_task(Relay(stage.producer, second_bus).run(stop))
            await asyncio.sleep(0.2)
            assert await waiting(stage) != []
        await eventually(lambda: _is_empty(stage))
        stop.set()
        await running

    async def test_it_goes_on_when_its_session_was_cut(self, stage: Stage) -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(Relay(stage.producer, stage.bus).run(stop))
        await stage.accept(order())
        await eventually(lambda: _is_empty(stage))
        await _cut_sessions(stage)
        await eventually(lambda: _accepts(stage, order("O2")))
        await eventually(lambda: _is_empty(stage))
        stop.set()
        await running
        assert len(await in_log(stage)) == 2


async def _is_empty(stage: Stage) -> bool:
    return await stage.outbox() == []


async def _accepts(stage: Stage, document: Document) -> bool:
    with contextlib.suppress(Unavailable):
        await stage.accept(document)
        return True
    return False


async def _cut_sessions(stage: Stage) -> None:
    connection = await asyncpg.connect(stage.databases.producer)
    try:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
    finally:
        await connection.close()
