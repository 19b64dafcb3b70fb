"""The consumer: batches with their cursor in one transaction, nothing left out, nothing bad in the way."""

import asyncio
from collections.abc import Mapping, Sequence

import asyncpg
import pytest

from shared.context import Context
from shared.database.database import AWAY
from shared.database.unit_of_work import UnitOfWork
from shared.errors import Conflict, Unavailable
from shared.events.document import Event
from shared.messaging import consumer as module
from shared.messaging.bus import Bus, BusError, Message, Record, TopicPartition
from shared.messaging.consumer import Consumer, CursorMoved, Handler, HoleFound
from tests.shared.messaging.events import WHERE, end_of_log, sent
from tests.support.builders import order, party
from tests.support.harmed_bus import HarmedBus
from tests.support.stage import Stage, hold
from tests.support.waiting import eventually


class Killed(BaseException):
    """What ends a process ends the handler: nothing after it runs."""


class Heard:
    """A handler that holds documents and remembers in which order it was told of them."""

    def __init__(self, error: BaseException | None = None, times: int = 1) -> None:
        self.error = error
        self.left = times
        self.numbers: list[str] = []
        self.calls = 0

    async def __call__(self, events: Sequence[Event], unit: UnitOfWork, context: Context) -> None:
        self.calls += 1
        await hold(events, unit, context)
        if self.error is not None and self.left:
            self.left -= 1
            raise self.error
        self.numbers += [number_of(event.data) for event in events if event.kind == "order"]


class LeavesOut(HarmedBus):
    """Brings records of C1's partition but for some offsets, as often as told."""

    offsets: frozenset[int] = frozenset()
    times = 1

    async def on_poll(self, records: list[Record]) -> list[Record]:
        left = [record for record in records if record.partition != WHERE.partition or not self._missing(record)]
        if len(left) < len(records):
            self.times -= 1
        return left

    def _missing(self, record: Record) -> bool:
        return self.times > 0 and record.offset in self.offsets


class Hints(HarmedBus):
    """Remembers what it is told of how far the group is."""

    def __init__(self, inner: Bus) -> None:
        super().__init__(inner)
        self.given: list[dict[TopicPartition, int]] = []

    async def on_commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        self.given.append(dict(offsets))


def number_of(data: bytes) -> str:
    return data.partition(b'"number":"')[2].partition(b'"')[0].decode()


def consumer_of(stage: Stage, handler: Handler = hold) -> Consumer:
    return Consumer(stage.consumer, stage.bus, ["orders"], handler)


async def cursor(stage: Stage) -> int:
    [row] = await stage.rows(stage.consumer, "select next_offset from cursor where part = $1", WHERE.partition)
    return int(row["next_offset"])


async def turnover(stage: Stage) -> int:
    rows = await stage.rows(stage.consumer, "select amount from turnover where party = $1", party("C1").id)
    return int(rows[0]["amount"]) if rows else 0


class TestStep:
    async def test_what_was_sent_is_held(self, stage: Stage) -> None:
        await sent(stage, "O1", "O2")
        await stage.consume()
        assert set(await stage.held()) == {"erp/O1", "erp/O2"}
        assert await cursor(stage) == await end_of_log(stage)

    async def test_a_new_member_goes_on_behind_what_was_applied(self, stage: Stage) -> None:
        await sent(stage, "O1")
        await stage.consume()
        await sent(stage, "O2")
        heard = Heard()
        await stage.consume(heard)
        assert heard.numbers == ["O2"]

    async def test_who_dies_between_effects_and_commit_leaves_nothing(self, stage: Stage) -> None:
        """INVARIANT: effects and cursor are one transaction. Broken, a crash loses a batch or counts it twice."""
        await sent(stage, "O1")
        with pytest.raises(Killed):
            await stage.consume(Heard(Killed()))
        assert (await stage.held(), await turnover(stage), await cursor(stage)) == ({}, 0, 0)
        await stage.consume()
        assert await turnover(stage) == 10_000

    async def test_who_dies_after_the_commit_repeats_nothing(self, stage: Stage) -> None:
        class Dies(HarmedBus):
            async def on_commit(self, _: Mapping[TopicPartition, int]) -> None:
                raise Killed

        await sent(stage, "O1")
        with pytest.raises(Killed):
            await stage.consume(bus=Dies(stage.bus))
        heard = Heard()
        await stage.consume(heard)
        assert heard.calls == 0
        assert await turnover(stage) == 10_000

    async def test_the_hint_covers_what_was_applied_only(self, stage: Stage) -> None:
        await sent(stage, "O1")
        hints = Hints(stage.bus)
        await stage.consume(bus=hints)
        await sent(stage, "O2")
        await stage.consume(bus=hints)
        assert hints.given[-1] == {WHERE: await end_of_log(stage)}

    async def test_two_at_once_apply_each_record_once(self, stage: Stage) -> None:
        """INVARIANT: the cursor moves by compare-and-set. Broken, it can go back and every repetition is work."""
        await sent(stage, "O1")
        first, second = consumer_of(stage), consumer_of(stage)
        other = HarmedBus(stage.bus, "-zombie")
        async with stage.member() as member, stage.member(other) as zombie:
            await second._position(zombie)
            await first.step(member, timeout=0)
            with pytest.raises(CursorMoved):
                await second.step(zombie, timeout=0)
        assert await cursor(stage) == await end_of_log(stage)


class TestHoles:
    async def test_records_that_a_fetch_left_out_are_fetched_again(self, stage: Stage) -> None:
        """INVARIANT: records follow one another. Broken, what a client swallowed is never applied."""
        await sent(stage, "O1", "O2", "O3")
        end = await end_of_log(stage)
        bus = LeavesOut(stage.bus)
        bus.offsets = frozenset({end - 2})
        consumer = consumer_of(stage)
        async with stage.member(bus) as member:
            with pytest.raises(HoleFound):
                await consumer.step(member, timeout=0)
        assert await stage.held() == {}
        async with stage.member(bus) as member:
            await consumer.step(member, timeout=0)
        assert set(await stage.held()) == {"erp/O1", "erp/O2", "erp/O3"}

    async def test_the_first_record_follows_the_cursor(self, stage: Stage) -> None:
        await sent(stage, "O1")
        bus = LeavesOut(stage.bus)
        bus.offsets = frozenset({0})
        async with stage.member(bus) as member:
            with pytest.raises(HoleFound):
                await consumer_of(stage).step(member, timeout=0)

    async def test_holes_that_are_still_there_are_real(self, stage: Stage) -> None:
        """INVARIANT: a hole found again after a rebuild is passed, several in one batch too.

        Broken, compaction or transaction markers stop a partition for ever.
        """
        await sent(stage, "O1", "O2", "O3", "O4")
        end = await end_of_log(stage)
        bus = LeavesOut(stage.bus)
        bus.offsets, bus.times = frozenset({end - 4, end - 2}), 99
        before = module.HOLES.labels("alerting")._value.get()
        consumer = consumer_of(stage)
        async with stage.member(bus) as member:
            with pytest.raises(HoleFound):
                await consumer.step(member, timeout=0)
        async with stage.member(bus) as member:
            await consumer.step(member, timeout=0)
        assert set(await stage.held()) == {"erp/O2", "erp/O4"}
        assert await cursor(stage) == end
        assert module.HOLES.labels("alerting")._value.get() == before + 2

    async def test_the_same_hole_after_a_rewind_is_looked_at_anew(self, stage: Stage) -> None:
        await sent(stage, "O1", "O2")
        bus = LeavesOut(stage.bus)
        bus.offsets = frozenset({await end_of_log(stage) - 2})
        consumer = consumer_of(stage)
        for _ in range(2):
            async with stage.member(bus) as member:
                with pytest.raises(HoleFound):
                    await consumer.step(member, timeout=0)
            async with stage.member(bus) as member:
                await consumer.step(member, timeout=0)
            await stage.rows(stage.consumer, "update cursor set next_offset = 0 returning 1")
            bus.times = 1

    async def test_records_before_the_cursor_are_never_applied(self, stage: Stage) -> None:
        class Repeats(HarmedBus):
            async def on_poll(self, records: list[Record]) -> list[Record]:
                return records[:1] + records

        await sent(stage, "O1")
        consumer = consumer_of(stage)
        for _ in range(2):
            async with stage.member(Repeats(stage.bus)) as member:
                with pytest.raises(HoleFound):
                    await consumer.step(member, timeout=0)


class TestLostHistory:
    async def test_a_partition_without_what_comes_next_stops_and_the_others_go_on(self, stage: Stage) -> None:
        """INVARIANT: a position outside the log is an alarm, not a jump. Broken, lost history goes unnoticed."""
        await sent(stage, "O1", "O2")
        await stage.accept(order("P1", "C2"))
        await stage.relay()
        await stage.delete_from_log(WHERE, 0, 0)
        await stage.rows(
            stage.consumer, "insert into cursor values ($1, $2, 0) returning 1", WHERE.topic, WHERE.partition
        )
        consumer = consumer_of(stage)
        async with stage.member() as member:
            for _ in range(3):
                await consumer.step(member, timeout=0)
            assert set(await stage.held()) == {"erp/P1"}
            assert await cursor(stage) == 0

            await stage.rows(stage.consumer, "update cursor set next_offset = 1 where part = $1", WHERE.partition)
            await consumer.step(member, timeout=0)
            assert await cursor(stage) == await end_of_log(stage)

    async def test_a_cursor_behind_the_end_stops_too(self, stage: Stage) -> None:
        await sent(stage, "O1")
        await stage.rows(
            stage.consumer, "insert into cursor values ($1, $2, 99) returning 1", WHERE.topic, WHERE.partition
        )
        await stage.consume()
        assert (await stage.held(), await cursor(stage)) == ({}, 99)

    async def test_a_new_consumer_begins_with_the_first_record_there_is(self, stage: Stage) -> None:
        await sent(stage, "O1", "O2")
        await stage.delete_from_log(WHERE, 0, await end_of_log(stage) - 2)
        await stage.consume()
        assert set(await stage.held()) == {"erp/O2"}


BAD: dict[str, tuple[Message, str]] = {}
"""Records nobody can apply, and the code of the letter each becomes."""


def _bad(name: str, code: str, value: bytes = b"{}", **headers: bytes | None) -> None:
    sound = {
        "ce_specversion": b"1.0",
        "ce_id": b"1",
        "ce_source": b"/forewarn/orders",
        "ce_type": b"forewarn.order.placed.v1",
        "ce_time": b"2026-01-05T09:00:00+00:00",
        "ce_documentid": str(party("X").id).encode(),
        "ce_epoch": b"1",
        "ce_revision": b"1",
        "ce_partitionkey": str(party("C1").id).encode(),
    } | headers
    attributes = tuple((key, text) for key, text in sound.items() if text is not None)
    BAD[name] = (Message(str(party("C1").id).encode(), value, attributes), code)


WHOLE = b'{"source":"erp","number":"X","party":{"id":"%s"},"currency":"CNY","amount":%d,"placed_at":"%s"}'


def _whole(amount: int = 1, at: bytes = b"2026-01-05T09:00:00Z", number: bytes = b"X") -> bytes:
    return (WHOLE % (str(party("C1").id).encode(), amount, at)).replace(b'"X"', b'"%s"' % number)


_bad("no_json", "bad_snapshot", b"{")
_bad("a_field_is_missing", "bad_snapshot", b"{}")
_bad("an_unknown_kind", "bad_snapshot", _whole(), ce_type=b"forewarn.flower.placed.v1")
_bad("a_kind_postgresql_cannot_store", "bad_snapshot", _whole(), ce_type=b"forewarn.fl\0wer.placed.v1")
_bad("no_attributes", "undecodable", _whole(), ce_type=None)
_bad("a_revision_out_of_range", "undecodable", _whole(), ce_revision=b"9" * 30)
_bad("attributes_that_are_no_text", "undecodable", _whole(), ce_documentid=b"\xff\xfe")
_bad("a_number_the_driver_cannot_encode", "data_error", _whole(amount=2**70))


class TestBadRecords:
    @pytest.mark.parametrize("name", BAD)
    async def test_a_bad_record_is_kept_and_passed(self, stage: Stage, name: str) -> None:
        """INVARIANT: whatever is in a record, it neither stops its partition nor takes others with it."""
        message, code = BAD[name]
        await sent(stage, "O1", "O2")
        await stage.append(WHERE.partition, message)
        await sent(stage, "O3")
        heard = Heard()
        await stage.consume(heard)
        assert heard.numbers == ["O1", "O2", "O3"]
        assert await cursor(stage) == await end_of_log(stage)
        [letter] = await stage.letters()
        assert (letter["code"], letter["party"]) == (code, party("C1").id)

    async def test_many_bad_records_cost_only_themselves(self, stage: Stage) -> None:
        for number in range(6):
            await sent(stage, f"O{number}")
            await stage.append(WHERE.partition, *(message for message, _ in BAD.values()))
        heard = Heard()
        await stage.consume(heard)
        assert heard.numbers == [f"O{number}" for number in range(6)]
        assert len(await stage.letters()) == 6 * len(BAD)
        assert await turnover(stage) == 60_000

    @pytest.mark.parametrize(
        ("error", "code"), [(KeyError("x"), "key_error"), (Conflict("order_unclear", ""), "order_unclear")]
    )
    async def test_the_letter_names_what_the_handler_raised(self, stage: Stage, error: Exception, code: str) -> None:
        await sent(stage, "O1")
        await stage.consume(Heard(error, times=99))
        assert {letter["code"] for letter in await stage.letters()} == {code}

    async def test_the_message_of_an_error_may_hold_anything(self, stage: Stage) -> None:
        await sent(stage, "O1")
        await stage.consume(Heard(ValueError("\0\ud800"), times=99))
        assert await cursor(stage) == await end_of_log(stage)


PASSING: tuple[Exception, ...] = (
    asyncpg.SerializationError("could not serialize"),
    asyncpg.DeadlockDetectedError("deadlock"),
    asyncpg.AdminShutdownError("terminating connection"),
    asyncpg.QueryCanceledError("statement timeout"),
    asyncpg.DiskFullError("no space left"),
    asyncpg.ConnectionDoesNotExistError("closed in the middle"),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.UndefinedColumnError("not migrated yet"),
    Unavailable("busy", "busy"),
    BusError("away"),
    TimeoutError(),
    OSError("connection refused"),
)


class TestPassingErrors:
    @pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__)
    async def test_no_record_is_blamed_for_them(self, stage: Stage, error: Exception) -> None:
        """INVARIANT: what a second attempt mends is tried again. Broken, an outage turns good records into letters."""
        await sent(stage, "O1")
        with pytest.raises((*module._PASSING, *AWAY)):
            await stage.consume(Heard(error, times=99))
        assert (await stage.letters(), await cursor(stage)) == ([], 0)
        await stage.consume()
        assert set(await stage.held()) == {"erp/O1"}


class TestRun:
    async def test_it_applies_what_comes_until_it_is_stopped(self, stage: Stage) -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(consumer_of(stage).run(stop))
        await sent(stage, "O1")
        await eventually(lambda: _holds(stage, "O1"))
        await sent(stage, "O2")
        await eventually(lambda: _holds(stage, "O2"))
        stop.set()
        await running

    async def test_it_begins_again_after_an_error_from_where_the_database_says(self, stage: Stage) -> None:
        await sent(stage, "O1")
        stop, heard = asyncio.Event(), Heard(Unavailable("busy", "busy"))
        running = asyncio.create_task(consumer_of(stage, heard).run(stop))
        await eventually(lambda: _holds(stage, "O1"))
        stop.set()
        await running
        assert (await turnover(stage), await stage.letters()) == (10_000, [])

    async def test_a_hole_is_accepted_across_the_member_that_found_it(self, stage: Stage) -> None:
        await sent(stage, "O1", "O2")
        bus = LeavesOut(stage.bus)
        bus.offsets, bus.times = frozenset({await end_of_log(stage) - 2}), 99
        stop = asyncio.Event()
        running = asyncio.create_task(Consumer(stage.consumer, bus, ["orders"], hold).run(stop))
        await eventually(lambda: _holds(stage, "O2"))
        stop.set()
        await running
        assert set(await stage.held()) == {"erp/O2"}

    async def test_a_member_that_was_cut_off_is_replaced(self, stage: Stage) -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(consumer_of(stage).run(stop))
        await sent(stage, "O1")
        await eventually(lambda: _holds(stage, "O1"))
        connection = await asyncpg.connect(stage.databases.bus)
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        await connection.close()
        await sent(stage, "O2")
        await eventually(lambda: _holds(stage, "O2"))
        stop.set()
        await running


async def _holds(stage: Stage, number: str) -> bool:
    return f"erp/{number}" in await stage.held()
