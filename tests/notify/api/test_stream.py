"""One's inbox live, over a real socket: nothing lost, nothing twice, nobody else's."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

import msgspec
import pytest

from services.notify.api.live import Live, Subscription
from services.notify.service import SERVICE
from shared.http.app import create_app
from shared.http.auth import TokenVerifier, issue_token
from tests.support import builders as build
from tests.support.service import KEY, Served, event_of
from tests.support.stage import StoppedClock
from tests.support.streaming import Event, EventSource, Listening, listening
from tests.support.waiting import eventually
from tests.support.warnings import warning

STREAM = "/v1/inbox/stream"


@dataclass
class Desk:
    """A web process of the notify service, and what people do there."""

    notify: Served
    host: Listening
    clock: StoppedClock
    warnings: "count[int]"

    def token(self, subject: str = "chen", role: str = "sales") -> dict[str, str]:
        signed = issue_token(KEY, subject, [role], timedelta(hours=1), self.clock.now())
        return {"Authorization": f"Bearer {signed}"}

    @asynccontextmanager
    async def stream(self, last_id: str = "", **who: str) -> AsyncIterator[EventSource]:
        """A stream that is ready: what is told from now on comes through it."""
        headers = self.token(**who) | ({"Last-Event-ID": last_id} if last_id else {})
        async with self.host.client(**headers) as client, client.stream("GET", STREAM) as answer:
            assert answer.status_code == 200
            events = EventSource(answer, last_id)
            yield events

    async def fire(self, times: int = 1, customer: str = "C1") -> None:
        """As many lines for Chen, and for credit, each in a batch of its own."""
        for _ in range(times):
            await self.notify.handle([event_of(warning(customer), id_=UUID(int=next(self.warnings)))])

    async def inbox(self, subject: str = "chen", role: str = "sales") -> list[dict[str, object]]:
        """All lines, oldest first."""
        answer = await self.notify.get("/v1/inbox?limit=500", subject=subject, role=role)
        items: list[dict[str, object]] = answer.json()["items"]
        return items[::-1]


@asynccontextmanager
async def process(notify: Served, clock: StoppedClock, live: Live | None = None) -> AsyncIterator[Listening]:
    verifier = TokenVerifier({"1": KEY}, clock)
    app = create_app(routers=SERVICE.routers, contexts={"notify": notify.context}, verifier=verifier)
    if live is not None:
        app.state.inbox_live = live
    async with listening(app) as host:
        yield host


@pytest.fixture
async def desk(notify: Served) -> AsyncIterator[Desk]:
    await notify.take(build.customer("C1", owner="chen"), build.customer("C2", owner="li"))
    clock = StoppedClock(datetime.now(UTC))
    async with process(notify, clock) as host:
        yield Desk(notify, host, clock, count(1))


async def ids(events: EventSource, number: int) -> list[int]:
    return [int((await soon(events)).id) for _ in range(number)]


async def soon(events: EventSource) -> Event:
    return await asyncio.wait_for(anext(events), 30)


class TestStreamLines:
    async def test_a_line_comes_as_it_is_told_and_as_the_list_shows_it(self, desk: Desk) -> None:
        async with desk.stream(last_id="0") as events:
            await desk.fire()
            event = await soon(events)
        [line] = await desk.inbox()
        assert (event.id, event.name) == (str(line["id"]), "line")
        assert msgspec.json.decode(event.data) == line

    async def test_goes_on_behind_the_last_line_seen(self, desk: Desk) -> None:
        await desk.fire(3)
        first, *missed = [line["id"] for line in await desk.inbox()]
        async with desk.stream(last_id=str(first)) as events:
            await desk.fire()
            assert await ids(events, 3) == [*missed, (await desk.inbox())[-1]["id"]]

    async def test_without_a_last_line_it_begins_now(self, desk: Desk) -> None:
        await desk.fire(2)
        async with desk.stream() as events:
            await desk.fire()
            assert await ids(events, 1) == [(await desk.inbox())[-1]["id"]]

    async def test_who_was_cut_off_before_his_first_line_misses_none(self, desk: Desk) -> None:
        await desk.fire()
        async with desk.stream() as events:
            reading = asyncio.create_task(anext(events))
            await eventually(lambda: _has_position(events))
            reading.cancel()
            await asyncio.wait([reading])
        await desk.fire()
        async with desk.stream(events.last_id) as events:
            assert await ids(events, 1) == [(await desk.inbox())[-1]["id"]]

    async def test_nothing_is_lost_or_doubled_however_often_the_line_is_cut(self, desk: Desk) -> None:
        """INVARIANT: of all lines that were told while a client came and went, each reaches him exactly once."""
        seen: list[int] = []
        writing = asyncio.gather(desk.fire(20), desk.fire(20), desk.fire(20))
        last_id, takes = "0", 1
        while len(seen) < 60:
            async with desk.stream(last_id) as events:
                seen += await ids(events, min(takes, 60 - len(seen)))
                last_id = events.last_id
            takes = takes % 7 + 1
        await writing
        assert seen == [line["id"] for line in await desk.inbox()]

    async def test_goes_on_in_another_process(self, desk: Desk) -> None:
        async with desk.stream("0") as events:
            await desk.fire()
            seen = await ids(events, 1)
            desk.host.stop.set()
            with pytest.raises(StopAsyncIteration):
                await soon(events)
        await desk.fire(2)
        async with process(desk.notify, desk.clock) as other:
            moved = Desk(desk.notify, other, desk.clock, desk.warnings)
            async with moved.stream(events.last_id) as events:
                seen += await ids(events, 2)
        assert seen == [line["id"] for line in await desk.inbox()]

    async def test_a_line_told_between_catching_up_and_listening_is_not_missed(self, desk: Desk) -> None:
        class Late(Live):
            @asynccontextmanager
            async def subscribe(self, inboxes: Collection[str]) -> AsyncIterator[Subscription]:
                await desk.fire()
                async with super().subscribe(inboxes) as subscription:
                    yield subscription

        async with process(desk.notify, desk.clock, Late(desk.notify.context)) as other:
            late = Desk(desk.notify, other, desk.clock, desk.warnings)
            async with late.stream("0") as events:
                assert await ids(events, 1) == [line["id"] for line in await desk.inbox()]

    async def test_more_than_a_page_was_missed(self, desk: Desk) -> None:
        fired = [event_of(warning(), id_=UUID(int=number)) for number in range(1, 1201)]
        await desk.notify.handle(fired)
        async with desk.stream("0") as events:
            found = await ids(events, 1200)
        assert found == sorted(set(found))

    async def test_nobody_hears_what_is_not_for_him(self, desk: Desk) -> None:
        """INVARIANT: the streams of one process share a query, and must not share an inbox."""
        async with desk.stream(subject="chen", last_id="0") as chen, desk.stream(subject="li", last_id="0") as li:
            async with desk.stream(subject="anna", role="credit", last_id="0") as credit:
                await desk.fire(customer="C1")
                await desk.fire(customer="C2")
                recipients = [
                    msgspec.json.decode((await soon(events)).data)["recipient"] for events in (chen, li, credit, credit)
                ]
        assert recipients == ["user:chen", "user:li", "role:credit", "role:credit"]

    async def test_ends_with_its_token(self, desk: Desk) -> None:
        """INVARIANT: who has left the firm must not go on listening because he never hung up."""
        async with desk.stream("0") as events:
            await desk.fire()
            await soon(events)
            desk.clock.at += timedelta(hours=2)
            await desk.fire()
            with pytest.raises(StopAsyncIteration):
                await soon(events)

    async def test_an_id_that_is_still_to_come_is_not_waited_for(self, desk: Desk) -> None:
        async with desk.stream(str(2**63 - 1)) as events:
            await desk.fire()
            assert await ids(events, 1) == [(await desk.inbox())[-1]["id"]]

    @pytest.mark.parametrize("last_id", ["x", "-1", "1.5", "1_0", "9" * 19])
    async def test_what_is_no_id_is_refused(self, desk: Desk, last_id: str) -> None:
        async with desk.host.client(**desk.token(), **{"Last-Event-ID": last_id}) as client:
            assert (await client.get(STREAM)).status_code == 422

    async def test_more_at_once_than_a_stream_keeps(self, desk: Desk) -> None:
        async with desk.stream("0") as events:
            await desk.fire()
            seen = await ids(events, 1)
            for thousand in (1, 2, 3, 4):
                numbers = range(1000 * thousand, 1000 * (thousand + 1))
                await desk.notify.handle([event_of(warning(), id_=UUID(int=number)) for number in numbers])
            seen += await ids(events, 4000)
        assert seen == sorted(set(seen))

    async def test_a_client_who_does_not_read_costs_nobody_else_a_line(self, desk: Desk) -> None:
        with desk.host.deaf(STREAM, **desk.token(), **{"Last-Event-ID": "0"}):
            async with desk.stream("0") as events:
                fired = [event_of(warning(), id_=UUID(int=number)) for number in range(1, 4001)]
                await desk.notify.handle(fired)
                found = await ids(events, 4000)
        assert found == sorted(set(found))

    async def test_while_the_database_is_away_it_does_not_begin(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await desk.notify.context.database.close()
        monkeypatch.setattr(desk.notify.context.database, "dsn", "postgresql://nobody@127.0.0.1:1/nothing")
        async with desk.host.client(**desk.token()) as client:
            answer = await client.get(STREAM)
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")


async def _has_position(events: EventSource) -> bool:
    return events.last_id != ""
