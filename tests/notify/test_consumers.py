"""Warnings and customers come in, lines are written: on a real database."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from services.notify import consumers
from services.notify.repository import lines
from shared.events import Warning as WarningDocument
from shared.events.document import Document, Event
from tests.support import builders as build
from tests.support.service import Served, event_of
from tests.support.waiting import eventually
from tests.support.warnings import warning

ID, OTHER = UUID(int=1), UUID(int=2)

SEEDED: dict[str, Any] = {"suppression": ("seeded",)}
OVER: dict[str, Any] = {"condition": "resolved"}
JOINED: dict[str, Any] = {"condition": "retracted", "retraction": "joined", "into": str(OTHER)}


def revision(number: int, document: WarningDocument, id_: UUID = ID) -> Event:
    return event_of(document, revision=number, id_=id_)


def customer(owner: str | None, number: int = 1, **fields: Any) -> Event:
    document: Document = build.customer(owner=owner, **fields)
    return event_of(document, revision=number, id_=build.party("C1").id)


async def told(notify: Served) -> list[tuple[str, str]]:
    """(recipient, what) of every line, in order."""
    return [(line.recipient, line.told) for line in await everything(notify)]


async def everything(notify: Served, after: int = 0) -> list[lines.InboxLine]:
    pool = await notify.context.database.pool()
    async with pool.acquire() as connection:
        return await lines.find_anyones_after(after, 1000, connection)


class TestWarnings:
    async def test_are_told_to_whoever_is_concerned(self, notify: Served) -> None:
        await notify.handle([customer("chen"), revision(1, warning())])
        assert await told(notify) == [("role:credit", "firing"), ("user:chen", "firing")]

    async def test_a_line_keeps_the_figures_of_its_moment(self, notify: Served) -> None:
        await notify.handle([customer("chen"), revision(1, warning(code="churn", numbers={"silent_days": "40"}))])
        later = warning(code="churn", tier="critical", numbers={"silent_days": "60"})
        await notify.handle([revision(2, later)])
        found = [line for line in await everything(notify) if line.recipient == "user:chen"]
        assert [(line.told, line.tier, line.numbers) for line in found] == [
            ("firing", "warning", {"silent_days": "40"}),
            ("raised", "critical", {"silent_days": "60"}),
        ]

    async def test_repetition_and_old_revisions_add_nothing(self, notify: Served) -> None:
        """INVARIANT: the log is replayed after a crash; nobody may be told twice."""
        story = [revision(1, warning()), revision(2, warning(tier="critical")), revision(3, warning(**OVER))]
        for event in story:
            await notify.handle([event])
        before = await told(notify)
        for events in (story, story[::-1], story[:1]):
            await notify.handle(events)
        assert await told(notify) == before

    async def test_fired_and_resolved_in_one_batch_is_one_quiet_line(self, notify: Served) -> None:
        await notify.handle([revision(1, warning(code="churn")), revision(2, warning(code="churn", **OVER))])
        [line] = await everything(notify)
        assert (line.told, line.pushed) == ("passed", False)

    async def test_who_was_told_hears_the_end_although_revisions_were_skipped(self, notify: Served) -> None:
        await notify.handle([revision(1, warning(code="churn"))])
        await notify.handle([revision(9, warning(code="churn", **OVER))])
        assert await told(notify) == [("role:manager", "firing"), ("role:manager", "resolved")]

    async def test_kinds_it_does_not_hold_are_ignored(self, notify: Served) -> None:
        await notify.take(build.order())
        assert await told(notify) == []

    async def test_listeners_are_woken(self, notify: Served) -> None:
        listener = notify.context.database.listener(lines.CHANNEL)
        while await listener.wait(0.05):
            """What was before it listened."""
        await notify.handle([revision(1, warning())])
        assert await listener.wait(10)
        await listener.close()


class TestOwners:
    async def test_an_open_warning_goes_to_the_new_owner_and_ends_for_both(self, notify: Served) -> None:
        """INVARIANT: whoever was told "firing" is told "resolved", also after he has handed the customer over."""
        await notify.handle([customer("chen"), revision(1, warning(code="churn"))])
        await notify.handle([customer("li", 2)])
        assert await told(notify) == [("user:chen", "firing"), ("user:li", "firing")]
        await notify.handle([revision(2, warning(code="churn", **OVER))])
        assert (await told(notify))[2:] == [("user:chen", "resolved"), ("user:li", "resolved")]

    async def test_a_name_that_changes_is_no_news(self, notify: Served) -> None:
        await notify.handle([customer("chen"), revision(1, warning(code="churn"))])
        await notify.handle([customer("chen", 2, company_name="百川商贸")])
        assert await told(notify) == [("user:chen", "firing")]

    async def test_what_is_over_is_not_told_to_a_new_owner(self, notify: Served) -> None:
        await notify.handle([customer("chen"), revision(1, warning(code="churn"))])
        await notify.handle([revision(2, warning(code="churn", **OVER))])
        await notify.handle([customer("li", 2)])
        assert "user:li" not in dict(await told(notify))

    async def test_a_link_brings_the_owner_of_the_group(self, notify: Served) -> None:
        await notify.handle([revision(1, warning("OLD", code="churn"))])
        await notify.handle([customer("chen")])
        await notify.take(build.link("C1", "OLD"))
        assert await told(notify) == [("role:manager", "firing"), ("user:chen", "firing")]

    async def test_the_owner_of_a_member_counts_where_the_root_has_none(self, notify: Served) -> None:
        await notify.take(build.customer("C1"), build.customer("OLD", owner="chen"), build.link("C1", "OLD"))
        await notify.handle([revision(1, warning(code="churn"))])
        assert await told(notify) == [("user:chen", "firing")]

    @pytest.mark.parametrize(("root", "member"), [("A", "B"), ("B", "A")])
    async def test_the_owner_of_the_root_goes_before_those_of_members(
        self, notify: Served, root: str, member: str
    ) -> None:
        known = build.customer(root, owner="li"), build.customer(member, owner="chen")
        await notify.take(*known, build.link(root, member))
        await notify.handle([revision(1, warning(member, code="churn"))])
        assert await told(notify) == [("user:li", "firing")]

    async def test_without_a_registered_customer_it_is_the_managers(self, notify: Served) -> None:
        await notify.handle([revision(1, warning(code="churn"))])
        assert await told(notify) == [("role:manager", "firing")]


class TestJoined:
    async def test_the_end_of_the_other_reaches_whoever_was_told_of_the_first(self, notify: Served) -> None:
        await notify.handle([customer("chen"), revision(1, warning(code="churn"))])
        await notify.handle([revision(2, warning(code="churn", **JOINED))])
        await notify.handle([revision(1, warning(code="churn"), OTHER)])
        await notify.handle([revision(2, warning(code="churn", **OVER), OTHER)])
        await notify.handle([customer("li", 2)])
        found = [(line.warning, line.told) for line in await everything(notify)]
        assert found == [(ID, "firing"), (OTHER, "resolved")]

    async def test_the_other_is_looked_up_where_it_came_long_before(self, notify: Served) -> None:
        await notify.handle([customer("chen"), revision(1, warning(code="churn"))])
        await notify.handle([revision(1, warning(code="churn", **OVER), OTHER)])
        before = len(await everything(notify))
        await notify.handle([revision(2, warning(code="churn", **JOINED))])
        found = [(line.warning, line.told) for line in (await everything(notify))[before:]]
        assert found == [(OTHER, "resolved")]


class TestHistory:
    @staticmethod
    async def summary(notify: Served) -> lines.InboxLine:
        [line] = [line for line in await everything(notify) if line.told == "summary"]
        return line

    async def test_what_an_import_left_open_is_one_quiet_line_for_the_manager(self, notify: Served) -> None:
        batches: Sequence[tuple[str, int]] = (("credit_limit", 1), ("credit_limit", 2), ("churn", 3))
        for code, number in batches:
            await notify.handle([revision(1, warning(code=code, **SEEDED), UUID(int=number))])
        [line] = await everything(notify)
        assert (line.recipient, line.pushed, line.warning) == ("role:manager", False, None)
        assert line.numbers == {"open": "3", "churn": "1", "credit_limit": "2"}

    async def test_a_summary_that_changes_is_a_new_line_at_the_end(self, notify: Served) -> None:
        """INVARIANT: changed in place, it would never reach a stream that has sent it."""
        await notify.handle([revision(1, warning(**SEEDED))])
        first = await self.summary(notify)
        await notify.handle([revision(1, warning(**SEEDED), OTHER)])
        second = await self.summary(notify)
        assert second.id > first.id
        assert second.started_at == first.started_at

    async def test_what_the_import_itself_resolves_does_not_count(self, notify: Served) -> None:
        await notify.handle([revision(1, warning(**SEEDED)), revision(1, warning(**SEEDED), OTHER)])
        await notify.handle([revision(2, warning(**OVER, **SEEDED))])
        assert (await self.summary(notify)).numbers["open"] == "1"
        await notify.handle([revision(2, warning(**OVER, **SEEDED), OTHER)])
        assert (await self.summary(notify)).numbers == {"open": "0"}

    async def test_history_that_is_over_leaves_no_trace(self, notify: Served) -> None:
        await notify.handle([revision(1, warning(**OVER, **SEEDED))])
        assert await everything(notify) == []

    async def test_a_live_raise_is_told_and_counts_no_more(self, notify: Served) -> None:
        await notify.handle([revision(1, warning(code="churn", **SEEDED))])
        await notify.handle([revision(2, warning(code="churn", tier="critical"))])
        found = await everything(notify)
        assert [(line.told, line.pushed) for line in found] == [("firing", True), ("summary", False)]
        assert found[1].numbers["open"] == "0"


class TestOrderOfIds:
    async def test_is_the_order_of_commits(self, notify: Served) -> None:
        """INVARIANT: a stream resumes behind the last id it has sent; a line that is committed later under a lower id
        would never reach anybody."""
        database = notify.context.database
        async with database.unit_of_work() as unit:
            await consumers.on_events([revision(1, warning("C1"))], unit, notify.context)
            other = asyncio.create_task(notify.handle([revision(1, warning("C2"), OTHER)]))
            await eventually(lambda: self._waits(notify, other))
            seen = await everything(notify)
        await other
        seen += await everything(notify, after=seen[-1].id if seen else 0)
        assert {line.warning for line in seen} == {ID, OTHER}

    async def test_many_writers_and_a_reader_who_goes_on_behind_what_he_has_seen(self, notify: Served) -> None:
        async def write(number: int) -> None:
            for turn in range(5):
                await notify.handle([revision(1, warning(f"C{number}"), UUID(int=100 * number + turn))])

        seen: list[lines.InboxLine] = []
        writing = asyncio.gather(*(write(number) for number in range(1, 5)))
        while not writing.done():
            seen += await everything(notify, after=seen[-1].id if seen else 0)
        await writing
        seen += await everything(notify, after=seen[-1].id)
        assert [line.id for line in seen] == [line.id for line in await everything(notify)]

    @staticmethod
    async def _waits(notify: Served, other: "asyncio.Task[None]") -> bool:
        pool = await notify.context.database.pool()
        query = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        return other.done() or bool(await pool.fetchval(query))
