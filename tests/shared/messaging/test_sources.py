"""Sources: what they declare, and the beats they send or are sent for them."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.errors import InvalidInput, NotFound
from shared.events import Beat
from shared.messaging import sources
from shared.messaging.document_store import Stored
from tests.support.builders import day, order
from tests.support.stage import Stage


async def declare(stage: Stage, source: str = "erp", **fields: Any) -> Stored:
    values: dict[str, Any] = {"of": "order", "coverage": "all", "rhythm_hours": 24} | fields
    async with stage.producer.database.unit_of_work() as unit:
        return await sources.declare(stage.store, unit, source=source, **values)


async def advance(stage: Stage, until: datetime, source: str = "erp") -> Stored:
    async with stage.producer.database.unit_of_work() as unit:
        return await sources.advance(stage.store, unit, source=source, of="order", complete_until=until)


async def retire(stage: Stage, source: str = "erp") -> Stored:
    async with stage.producer.database.unit_of_work() as unit:
        return await sources.retire(stage.store, unit, source=source, of="order")


async def beat_of(stage: Stage, source: str = "erp") -> Beat:
    async with stage.producer.database.unit_of_work() as unit:
        stored = await stage.store.find("beat", f"{source}/order", unit.connection)
    assert stored is not None
    assert isinstance(stored.document, Beat)
    return stored.document


class TestDeclare:
    async def test_a_new_source_is_registered(self, stage: Stage) -> None:
        await declare(stage, coverage="named", rhythm_hours=None)
        beat = await beat_of(stage)
        assert (beat.coverage, beat.rhythm_hours, beat.activated_at) == ("named", None, day(0))
        assert beat.complete_until is None

    async def test_repeated_it_writes_nothing(self, stage: Stage) -> None:
        first = await declare(stage)
        stage.clock.at = day(3)
        assert (await declare(stage)).revision == first.revision

    async def test_it_changes_what_the_first_document_has_assumed(self, stage: Stage) -> None:
        await stage.accept(order())
        await declare(stage, coverage="named", rhythm_hours=1)
        beat = await beat_of(stage)
        assert (beat.coverage, beat.rhythm_hours) == ("named", 1)

    async def test_what_was_promised_stays(self, stage: Stage) -> None:
        await declare(stage)
        await advance(stage, day(-1))
        await declare(stage, rhythm_hours=1)
        assert (await beat_of(stage)).complete_until == day(-1)

    async def test_it_brings_a_retired_source_back(self, stage: Stage) -> None:
        await declare(stage)
        await retire(stage)
        await declare(stage)
        assert (await beat_of(stage)).retired_at is None


class TestAdvance:
    async def test_a_promise_is_kept(self, stage: Stage) -> None:
        await declare(stage)
        await advance(stage, day(-1))
        assert (await beat_of(stage)).complete_until == day(-1)

    @pytest.mark.parametrize("until", [day(-1), day(-2)])
    async def test_a_promise_that_is_not_higher_writes_nothing(self, stage: Stage, until: datetime) -> None:
        """INVARIANT: what was promised never falls. Broken, warnings that were right are taken back."""
        await declare(stage)
        first = await advance(stage, day(-1))
        assert (await advance(stage, until)).revision == first.revision

    async def test_two_promises_at_once_leave_the_higher(self, stage: Stage) -> None:
        await declare(stage)
        await asyncio.gather(*(advance(stage, day(-n)) for n in range(9, 0, -1)))
        assert (await beat_of(stage)).complete_until == day(-1)

    async def test_nobody_can_promise_the_future(self, stage: Stage) -> None:
        await declare(stage)
        with pytest.raises(InvalidInput):
            await advance(stage, day(0) + timedelta(seconds=1))

    async def test_a_source_nobody_knows_promises_nothing(self, stage: Stage) -> None:
        with pytest.raises(NotFound):
            await advance(stage, day(-1))

    async def test_the_beat_lies_behind_the_documents_it_covers_in_every_partition(self, stage: Stage) -> None:
        await stage.accept(*(order(f"O{n}", f"C{n}") for n in range(30)))
        await advance(stage, day(0))
        last: dict[int, str] = {}
        for event in await stage.outbox():
            last[event.partition] = event.kind
        assert set(last.values()) == {"beat"}


class TestRetire:
    async def test_it_ends_now_and_only_once(self, stage: Stage) -> None:
        await declare(stage)
        first = await retire(stage)
        stage.clock.at = day(3)
        assert (await retire(stage)).revision == first.revision
        assert (await beat_of(stage)).retired_at == day(0)


class TestBeatWithoutRhythm:
    """Today is day 100."""

    async def beat(self, stage: Stage) -> None:
        stage.clock.at = day(100)
        await sources.beat_without_rhythm(stage.store, stage.producer)

    @pytest.mark.parametrize("coverage", ["all", "named"])
    async def test_a_living_feed_is_complete_up_to_yesterday(self, stage: Stage, coverage: str) -> None:
        await declare(stage, rhythm_hours=None, coverage=coverage)
        await stage.accept(order(at=99))
        await self.beat(stage)
        assert (await beat_of(stage)).complete_until == day(99)

    async def test_a_feed_that_died_promises_nothing_beyond_three_days_after_its_last_document(
        self, stage: Stage
    ) -> None:
        """INVARIANT: silence of a feed is not silence of customers. Broken, a dead order feed loses every customer."""
        await declare(stage, rhythm_hours=None)
        await stage.accept(order(at=50))
        await self.beat(stage)
        assert (await beat_of(stage)).complete_until == day(53)

    async def test_without_a_document_nothing_is_promised(self, stage: Stage) -> None:
        await declare(stage, rhythm_hours=None)
        await self.beat(stage)
        assert (await beat_of(stage)).complete_until is None

    async def test_an_old_document_that_comes_late_takes_nothing_back_and_adds_nothing(self, stage: Stage) -> None:
        await declare(stage, rhythm_hours=None)
        await stage.accept(order("O1", at=50))
        await self.beat(stage)
        await stage.accept(order("O2", at=90), order("O3", at=2))
        await self.beat(stage)
        assert (await beat_of(stage)).complete_until == day(53)

    async def test_a_feed_of_history_promises_as_far_as_it_has_come(self, stage: Stage) -> None:
        await declare(stage, rhythm_hours=None, coverage="named")
        for at in (-900, -800, -700):
            await stage.accept(order(f"O{at}", at=at))
            await self.beat(stage)
            assert (await beat_of(stage)).complete_until == day(at + 3)

    async def test_documents_of_other_kinds_and_sources_say_nothing(self, stage: Stage) -> None:
        await declare(stage, rhythm_hours=None)
        await stage.accept(order("O1", at=50), order("O2", at=99, source="shop"))
        await self.beat(stage)
        assert (await beat_of(stage)).complete_until == day(53)

    async def test_sources_with_a_rhythm_and_retired_ones_speak_for_themselves(self, stage: Stage) -> None:
        await declare(stage, "erp")
        await declare(stage, "old", rhythm_hours=None)
        await stage.accept(order("O1", at=50), order("O2", at=50, source="old"))
        await retire(stage, "old")
        await self.beat(stage)
        assert ((await beat_of(stage, "erp")).complete_until, (await beat_of(stage, "old")).complete_until) == (
            None,
            None,
        )

    async def test_every_source_has_its_turn(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sources, "PAGE", 2)
        for number in range(5):
            await declare(stage, f"s{number}", rhythm_hours=None)
        await stage.accept(*(order(source=f"s{number}", at=50) for number in range(5)))
        await self.beat(stage)
        assert {(await beat_of(stage, f"s{number}")).complete_until for number in range(5)} == {day(53)}
