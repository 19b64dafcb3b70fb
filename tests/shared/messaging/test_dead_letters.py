"""Dead letters: kept whole, open until a revision as high is held or a person has answered."""

from typing import Any

import msgspec
import pytest

from shared.errors import Conflict, NotFound
from shared.events import PARTITIONS, cloudevents
from shared.events.document import Event
from shared.messaging import dead_letters, horizon, projection
from shared.messaging.bus import Record
from shared.messaging.partitions import partition_of
from shared.messaging.replay import replay
from tests.shared.messaging.events import ID, OTHER, apply, beat, revision
from tests.support.builders import party
from tests.support.stage import TOPIC, Stage, hold

C1 = frozenset({party("C1").id})
C2 = frozenset({party("C2").id})
PART = partition_of(str(party("C1").id).encode(), PARTITIONS)


def record_of(event: Event, offset: int = 0, *, value: bytes | None = None, **fields: Any) -> Record:
    """An event as it came through the log, its snapshot replaced by `value` if given."""
    record = Record(
        topic=TOPIC,
        partition=event.partition,
        offset=offset,
        key=cloudevents.key(event),
        value=event.data if value is None else value,
        headers=cloudevents.headers(event),
    )
    return record._replace(**fields)


async def store(stage: Stage, record: Record, error: Exception | None = None) -> None:
    async with stage.consumer.database.unit_of_work() as unit:
        await dead_letters.store(record, error or projection.BadSnapshot("bad"), unit)


async def letter(stage: Stage, offset: int = 0, part: int = PART) -> Any:
    async with stage.consumer.database.unit_of_work() as unit:
        return await dead_letters.find(TOPIC, part, offset, unit.connection)


async def reasons(stage: Stage, group: frozenset[Any] = C1) -> set[str]:
    """Codes of what holds back the horizon of a group of customers for orders."""
    async with stage.consumer.database.unit_of_work() as unit:
        found = await horizon.load([group], unit.connection)
    return {reason.code for reason in found[group].reasons["order"]}


class TestStore:
    async def test_the_record_is_kept_whole(self, stage: Stage) -> None:
        record = record_of(revision(3, partition=PART), value=b"\0bad")
        await store(stage, record)
        kept = await letter(stage)
        assert (kept["key"], kept["value"]) == (record.key, record.value)
        assert msgspec.msgpack.decode(kept["headers"], type=cloudevents.Headers) == record.headers
        assert (kept["kind"], kept["document"], kept["revision"]) == ("order", ID, 3)

    async def test_a_rewind_opens_no_letter_again(self, stage: Stage) -> None:
        """INVARIANT: answered letters keep their row. Broken, a replay from zero stops customers again."""
        record = record_of(revision(1, partition=PART), value=b"bad")
        await store(stage, record)
        async with stage.consumer.database.unit_of_work() as unit:
            await dead_letters.resolve(await letter(stage), unit)
        await store(stage, record)
        assert await stage.letters() == []
        assert len(await stage.letters(resolved=True)) == 1

    async def test_the_event_names_the_customer_where_the_key_does_not(self, stage: Stage) -> None:
        event = msgspec.structs.replace(revision(1, partition=PART), party=party("C2").id)
        await store(stage, record_of(event, key=b"\xff"))
        assert (await letter(stage))["party"] == party("C2").id


class TestOpen:
    async def test_a_letter_freezes_its_customer_and_nobody_else(self, stage: Stage) -> None:
        """INVARIANT: while a customer has an open letter, his horizon stands.

        Broken, a good beat passes the order that could not be read: a false alarm.
        """
        await store(stage, record_of(revision(1, partition=PART), value=b"bad"))
        assert await reasons(stage, C1) == {"dead_letter"}
        assert await reasons(stage, C1 | C2) == {"dead_letter"}
        assert await reasons(stage, C2) == {"no_source"}

    async def test_the_key_names_the_customer_when_nothing_else_can_be_read(self, stage: Stage) -> None:
        await store(stage, record_of(revision(1, partition=PART), headers=()))
        assert await reasons(stage, C1) == {"dead_letter"}

    async def test_without_a_readable_key_the_partition_is_frozen(self, stage: Stage) -> None:
        await store(stage, record_of(revision(1, partition=PART), headers=(), key=b"\xff"))
        assert await reasons(stage, C1) == {"dead_letter"}
        other = next(
            group
            for n in range(99)
            if partition_of(str(*(group := frozenset({party(f"X{n}").id}))).encode(), PARTITIONS) != PART
        )
        assert await reasons(stage, other) == {"no_source"}

    async def test_a_beat_that_cannot_be_read_freezes_nobody(self, stage: Stage) -> None:
        """INVARIANT: a bad beat only delays. Broken, one of them closes a partition although the next is there."""
        await store(stage, record_of(beat(1, partition=PART), value=b"bad"))
        assert len(await stage.letters()) == 1
        assert await reasons(stage, C1) == {"no_source"}

    async def test_a_higher_revision_frees(self, stage: Stage) -> None:
        await store(stage, record_of(revision(2, partition=PART), value=b"bad"))
        await apply(stage, revision(1))
        assert await reasons(stage) == {"dead_letter"}
        await apply(stage, revision(3))
        assert await reasons(stage) == {"no_source"}
        assert await stage.letters() == []

    async def test_the_same_revision_frees_too_whatever_way_it_came(self, stage: Stage) -> None:
        await store(stage, record_of(revision(2, partition=PART), value=b"bad"))
        await apply(stage, revision(2, partition=PART + 1))
        assert await stage.letters() == []

    async def test_a_letter_behind_what_is_held_was_never_open(self, stage: Stage) -> None:
        """INVARIANT: open is asked of what is held, not kept as a flag.

        Broken, a letter stored after its answer, or beside it in another transaction, closes a customer for ever.
        """
        await apply(stage, revision(3))
        await store(stage, record_of(revision(2, partition=PART), value=b"bad"))
        assert await reasons(stage) == {"no_source"}
        assert await stage.letters() == []

    async def test_another_document_frees_nothing(self, stage: Stage) -> None:
        await store(stage, record_of(revision(1, partition=PART), value=b"bad"))
        await apply(stage, revision(5, id_=OTHER, number="O2"))
        assert await reasons(stage) == {"dead_letter"}

    async def test_a_later_beat_of_the_partition_answers_a_beat(self, stage: Stage) -> None:
        await store(stage, record_of(beat(2, partition=PART), value=b"bad"))
        await apply(stage, beat(1, partition=PART), beat(3, partition=PART + 1))
        assert len(await stage.letters()) == 1
        await apply(stage, beat(3, partition=PART))
        assert await stage.letters() == []

    async def test_open_letters_are_shown(self, stage: Stage) -> None:
        for offset, number in enumerate((1, 2, 3)):
            await store(stage, record_of(revision(number, partition=PART), offset, value=b"bad"))
        await apply(stage, revision(1))
        async with stage.consumer.database.unit_of_work() as unit:
            assert (await dead_letters.count_open(unit.connection))["open"] == 2


class TestReplay:
    async def test_what_can_be_applied_now_is_applied_and_answered(self, stage: Stage) -> None:
        await store(stage, record_of(revision(1, partition=PART)), KeyError("a bug that was mended"))
        async with stage.consumer.database.unit_of_work() as unit:
            await replay(await letter(stage), hold, unit, stage.consumer)
        assert set(await stage.held()) == {"erp/O1"}
        assert (await letter(stage))["resolved_at"] is not None

    async def test_what_cannot_be_applied_yet_stays_open(self, stage: Stage) -> None:
        await store(stage, record_of(revision(1, partition=PART), value=b"bad"))
        with pytest.raises(projection.BadSnapshot):
            async with stage.consumer.database.unit_of_work() as unit:
                await replay(await letter(stage), hold, unit, stage.consumer)
        assert len(await stage.letters()) == 1

    async def test_what_is_none_of_our_events_cannot_be_replayed(self, stage: Stage) -> None:
        await store(stage, record_of(revision(1, partition=PART), headers=()))
        async with stage.consumer.database.unit_of_work() as unit:
            with pytest.raises(Conflict):
                await replay(await letter(stage), hold, unit, stage.consumer)

    async def test_a_letter_that_is_not_there_is_not_found(self, stage: Stage) -> None:
        with pytest.raises(NotFound):
            await letter(stage, offset=9)


class TestCodeOf:
    @pytest.mark.parametrize(
        ("error", "code"),
        [
            (projection.BadSnapshot(), "bad_snapshot"),
            (cloudevents.Undecodable(), "undecodable"),
            (KeyError(), "key_error"),
            (UnicodeDecodeError("utf-8", b"", 0, 1, ""), "unicode_decode_error"),
            (Conflict("document_differs", ""), "document_differs"),
        ],
    )
    def test_it_is_stable_and_readable(self, error: Exception, code: str) -> None:
        assert dead_letters.code_of(error) == code
