"""The web host: serves on a socket it is given, tells its address, stops within a bound."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI

from shared.runtime.host import WebHost, base_url, bind

closed: list[str] = []


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    closed.clear()
    yield
    closed.append("closed")


def application() -> FastAPI:
    app = FastAPI(lifespan=lifespan)

    @app.get("/now")
    async def now() -> str:
        return "here"

    @app.get("/slow")
    async def slow() -> str:
        await asyncio.sleep(0.3)
        return "done"

    return app


@pytest.fixture(autouse=True)
def thaw() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


class TestWebHost:
    async def test_answers_on_a_free_port_and_ends_requests_before_it_stops(self) -> None:
        stop, listening = asyncio.Event(), bind("127.0.0.1", 0)
        running = asyncio.create_task(WebHost(application(), listening).run(stop))
        async with httpx.AsyncClient(base_url=base_url(listening), trust_env=False) as client:
            assert (await client.get("/now")).json() == "here"
            slow = asyncio.create_task(client.get("/slow"))
            await asyncio.sleep(0.1)
            stop.set()
            assert (await slow).json() == "done"
            await asyncio.wait_for(running, 5)
            with pytest.raises(httpx.ConnectError):
                await client.get("/now")
        assert closed == ["closed"]

    async def test_freezes_what_start_up_made(self) -> None:
        stop, listening = asyncio.Event(), bind("127.0.0.1", 0)
        running = asyncio.create_task(WebHost(application(), listening).run(stop))
        async with httpx.AsyncClient(base_url=base_url(listening), trust_env=False) as client:
            await client.get("/now")
        assert gc.get_freeze_count() > 10_000
        assert gc.get_threshold() == (50_000, 20, 100)
        stop.set()
        await running

    async def test_leaves_signal_handlers_alone(self) -> None:
        """INVARIANT: a server that takes SIGTERM for itself stops alone, and the rest of the process stays behind."""
        import signal

        before = signal.getsignal(signal.SIGTERM)
        stop, listening = asyncio.Event(), bind("127.0.0.1", 0)
        running = asyncio.create_task(WebHost(application(), listening).run(stop))
        async with httpx.AsyncClient(base_url=base_url(listening), trust_env=False) as client:
            await client.get("/now")
        assert signal.getsignal(signal.SIGTERM) is before
        stop.set()
        await running


class TestBind:
    def test_a_taken_port_is_an_error_at_once(self) -> None:
        with bind("127.0.0.1", 0) as first, pytest.raises(OSError, match="in use"):
            bind("127.0.0.1", first.getsockname()[1])

    def test_every_address_is_reached_over_the_loopback(self) -> None:
        with bind("0.0.0.0", 0) as listening:
            assert base_url(listening) == f"http://127.0.0.1:{listening.getsockname()[1]}"

    @pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
    def test_an_ipv6_address_stands_in_brackets(self) -> None:
        with bind("::1", 0) as listening:
            assert base_url(listening).startswith("http://[::1]:")
