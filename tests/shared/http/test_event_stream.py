"""Server-sent events over a real socket: what goes over the wire, and every way in which a stream ends."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI

from shared.http.event_stream import EventStream, event, position
from tests.support.streaming import Event, EventSource, Listening, ended_well, listening
from tests.support.waiting import eventually


class Source:
    """What a route streams, in the test's hand."""

    def __init__(self) -> None:
        self.coming: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self.allowed = True
        self.asked_for = 0
        self.closed = 0

    async def events(self) -> AsyncGenerator[bytes, None]:
        self.asked_for += 1
        try:
            while (chunk := await self.coming.get()) is not None:
                if isinstance(chunk, Exception):
                    raise chunk
                yield chunk
        finally:
            self.closed += 1

    def send(self, id_: int, data: bytes = b"{}") -> None:
        self.coming.put_nowait(event("line", id_, data))


@asynccontextmanager
async def serving(source: Source, *, beat: float = 60, patience: float = 60) -> AsyncIterator[Listening]:
    app = FastAPI()

    @app.get("/stream", status_code=200, response_class=EventStream)
    async def stream() -> EventStream:
        return EventStream(source.events(), lambda: source.allowed, beat=beat, patience=patience)

    async with listening(app) as host:
        yield host


@pytest.fixture
def source() -> Source:
    return Source()


def so(fact: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    async def ask() -> bool:
        return fact()

    return ask


class TestWire:
    async def test_events_carry_id_name_and_data(self, source: Source) -> None:
        async with serving(source) as host, host.client() as client, client.stream("GET", "/stream") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            source.send(7, b'{"text":"\xe5\xae\xa2\xe6\x88\xb7"}')
            assert await anext(EventSource(answer)) == Event("7", "line", '{"text":"客户"}')

    async def test_a_position_is_remembered_without_being_an_event(self, source: Source) -> None:
        """INVARIANT: who was cut off before his first event would resume from then on and miss what came between."""
        async with serving(source) as host, host.client() as client, client.stream("GET", "/stream") as answer:
            source.coming.put_nowait(position(41))
            source.coming.put_nowait(None)
            events = EventSource(answer)
            assert [one async for one in events] == []
            assert events.last_id == "41"

    async def test_silence_is_filled_with_comments(self, source: Source) -> None:
        async with serving(source, beat=0.01) as host, host.client() as client:
            async with client.stream("GET", "/stream") as answer:
                events = EventSource(answer)
                reading = asyncio.create_task(anext(events))
                await eventually(so(lambda: events.comments > 2))
                source.send(1)
                assert (await reading).id == "1"


class TestEnd:
    async def test_with_the_source(self, source: Source) -> None:
        async with serving(source) as host, host.client() as client, client.stream("GET", "/stream") as answer:
            source.coming.put_nowait(None)
            assert [one async for one in EventSource(answer)] == []

    async def test_a_source_that_fails_is_no_end(self, source: Source) -> None:
        """INVARIANT: an answer that ends well says that there is no more to come for now."""
        async with serving(source) as host, host.client() as client, client.stream("GET", "/stream") as answer:
            source.coming.put_nowait(RuntimeError("lost"))
            with pytest.raises(httpx.RemoteProtocolError):
                await answer.aread()

    async def test_with_the_token_before_anything_more_is_sent(self, source: Source) -> None:
        async with serving(source) as host, host.client() as client, client.stream("GET", "/stream") as answer:
            source.send(1)
            events = EventSource(answer)
            assert (await anext(events)).id == "1"
            source.allowed = False
            source.send(2)
            assert [one async for one in events] == []

    async def test_with_the_token_of_a_silent_stream(self, source: Source) -> None:
        async with serving(source, beat=0.01) as host, host.client() as client:
            async with client.stream("GET", "/stream") as answer:
                source.allowed = False
                assert [one async for one in EventSource(answer)] == []

    async def test_with_the_client(self, source: Source) -> None:
        async with serving(source) as host, host.client() as client:
            async with client.stream("GET", "/stream"):
                await eventually(so(lambda: source.asked_for == 1))
            await eventually(so(lambda: source.closed == 1))

    async def test_with_the_process_at_once_and_in_order(self, source: Source) -> None:
        """INVARIANT: a server waits for its answers; one without an end would hold every restart for seconds, and be
        cut off in the middle."""
        async with serving(source) as host, host.client() as client, client.stream("GET", "/stream") as answer:
            await eventually(so(lambda: source.asked_for == 1))
            host.stop.set()
            await answer.aread()
            await asyncio.wait_for(host.running, 5)
            assert source.closed == 1


class TestClientWhoDoesNotRead:
    @pytest.fixture
    def source(self) -> Source:
        """More than fits into a connection."""
        source = Source()
        for id_ in range(200):
            source.send(id_, b"x" * 100_000)
        return source

    async def test_is_cut_off(self, source: Source) -> None:
        """INVARIANT: what a client leaves unread would be kept for him for ever, and a connection with it."""
        async with serving(source, patience=0.2) as host:
            with host.deaf("/stream") as connection:
                await eventually(so(lambda: source.closed == 1))
                assert not await ended_well(connection)

    async def test_does_not_hold_the_process(self, source: Source) -> None:
        async with serving(source) as host:
            with host.deaf("/stream"):
                await eventually(self.full(source))
                host.stop.set()
                await asyncio.wait_for(host.running, 5)
                assert source.closed == 1

    @staticmethod
    def full(source: Source) -> Callable[[], Awaitable[bool]]:
        """Something went out, but nothing since the last look."""
        left = [source.coming.qsize()]

        async def ask() -> bool:
            left.append(source.coming.qsize())
            return left[-1] == left[-2] < left[0]

        return ask
