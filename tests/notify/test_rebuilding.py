"""A rebuild of what notify holds: nobody is told anything while owners are unknown, and nobody anything twice."""

from services.notify.consumers import forget, on_completed
from shared.events import PARTITIONS
from shared.messaging import markers
from tests.notify.test_consumers import OVER, customer, revision, told
from tests.support.service import Served
from tests.support.warnings import warning


async def begin(notify: Served) -> None:
    """Empty what was made of events, as `forewarn rebuild` does."""
    async with notify.context.database.unit_of_work() as unit:
        await markers.close("alerting", range(PARTITIONS), unit.connection)
        await forget(unit)
        await unit.connection.execute("truncate held_document")


async def end(notify: Served) -> None:
    """Everything has come again."""
    async with notify.context.database.unit_of_work() as unit:
        await unit.connection.execute("update marker set closed = false")
        await on_completed(unit, notify.context)


class TestRebuild:
    async def test_repeats_nothing(self, notify: Served) -> None:
        """INVARIANT: breaks when a warning is told again, or taken back from its owner, because he comes later."""
        events = [customer("chen"), revision(1, warning())]
        await notify.handle(events)
        before = await told(notify)
        await begin(notify)
        await notify.handle(events[1:])
        assert await told(notify) == before
        await notify.handle(events[:1])
        await end(notify)
        assert await told(notify) == before

    async def test_tells_what_came_meanwhile(self, notify: Served) -> None:
        events = [customer("chen"), revision(1, warning())]
        await notify.handle(events)
        await begin(notify)
        await notify.handle([revision(2, warning(**OVER)), events[0]])
        assert len(await told(notify)) == 2
        await end(notify)
        assert sorted((await told(notify))[2:]) == [("role:credit", "resolved"), ("user:chen", "resolved")]

    async def test_a_warning_lost_by_a_restore_is_taken_back(self, notify: Served) -> None:
        """INVARIANT: breaks when somebody goes on believing a warning that its producer has forgotten."""
        await notify.handle([customer("chen"), revision(1, warning())])
        await notify.handle([revision(2, warning(live=False))])
        assert ("user:chen", "taken_back") in await told(notify)
