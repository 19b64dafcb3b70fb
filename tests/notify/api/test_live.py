"""Lines handed to the streams of a process: to each his own, once, until he is too slow or nobody is left."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from services.notify.api.live import Live, Subscription
from services.notify.schemas import LineEvent
from tests.support import builders as build
from tests.support.service import Served, event_of
from tests.support.waiting import eventually
from tests.support.warnings import warning

CREDIT, CHEN, MANAGER = "role:credit", "user:chen", "role:manager"


@pytest.fixture
async def live(notify: Served) -> AsyncIterator[Live]:
    await notify.take(build.customer(owner="chen"))
    yield Live(notify.context, max_waiting=3)
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "inbox-lines"]


async def fire(notify: Served, *numbers: int) -> None:
    """Two lines each: to credit and to Chen."""
    await notify.handle([event_of(warning(), id_=UUID(int=number)) for number in numbers])


async def take(subscription: Subscription, count: int) -> list[int]:
    return [(await asyncio.wait_for(anext(subscription), 20)).id for _ in range(count)]


class TestSubscription:
    async def test_one_line_too_many_ends_it_behind_what_waits(self) -> None:
        """INVARIANT: a line left out of the middle would be missed for good: its reader resumes behind a later one."""
        subscription = Subscription(2)
        for id_ in (1, 2, 3, 4):
            subscription.offer(LineEvent(id_, b""))
        assert [line.id async for line in subscription] == [1, 2]
        assert subscription.behind


class TestLive:
    async def test_everybody_gets_the_lines_of_his_inboxes(self, notify: Served, live: Live) -> None:
        async with live.subscribe([CREDIT]) as credit, live.subscribe([CHEN, MANAGER]) as chen:
            async with live.subscribe([CREDIT, CHEN]) as both:
                await fire(notify, 1)
                lines = await take(both, 2)
                assert [await take(credit, 1), await take(chen, 1)] == [lines[:1], lines[1:]]

    async def test_what_was_before_is_not_handed_out(self, notify: Served, live: Live) -> None:
        await fire(notify, 1)
        async with live.subscribe([CREDIT]) as credit:
            await fire(notify, 2)
            assert await take(credit, 1) == [3]

    async def test_a_slow_stream_ends_and_no_other_with_it(self, notify: Served, live: Live) -> None:
        async with live.subscribe([CREDIT]) as slow, live.subscribe([CREDIT]) as quick:
            for number in range(5):
                await fire(notify, number)
                await take(quick, 1)
            assert len([line async for line in slow]) == 3

    async def test_it_begins_again_after_a_pause(self, notify: Served, live: Live) -> None:
        for number in (1, 2):
            async with live.subscribe([CREDIT]) as credit:
                await fire(notify, number)
                assert await take(credit, 1) == [2 * number - 1]

    async def test_it_goes_on_when_the_database_was_away(self, notify: Served, live: Live) -> None:
        async with live.subscribe([CREDIT]) as credit:
            await fire(notify, 1)
            await take(credit, 1)
            pool = await notify.context.database.pool()
            others = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
            await pool.execute(f"select pg_terminate_backend(pid) {others}")
            await eventually(lambda: self._fired(notify, 2))
            # The wake-up of the second went the way of the old connection.
            await fire(notify, 3)
            assert await take(credit, 2) == [3, 5]

    async def test_its_failure_ends_every_stream(
        self, notify: Served, live: Live, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """INVARIANT: a stream that goes on without its reader would be silent for ever, and look sound."""
        async with live.subscribe([CREDIT]) as credit:
            monkeypatch.setattr("services.notify.api.live.show_event", None)
            await fire(notify, 1)
            assert [line async for line in credit] == []
            assert not credit.behind
            monkeypatch.undo()
            async with live.subscribe([CREDIT]) as again:
                await fire(notify, 2)
                assert await take(again, 1) == [3]

    @staticmethod
    async def _fired(notify: Served, number: int) -> bool:
        try:
            await fire(notify, number)
        except Exception:  # noqa: BLE001 - whatever a cut connection is called
            return False
        return True
