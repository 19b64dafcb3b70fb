"""From the answer to an invoice until its warning arrives in an inbox's stream, beside one bare hop over the bus.

Each invoice is a new customer's who was granted no limit, so each is a breach. Open loop: sent at a fixed pace.
"""

import asyncio
import json
import time
from datetime import UTC, datetime
from statistics import quantiles
from typing import Final

import httpx
import msgspec
import uvloop

from benchmarks.load import Client
from forewarn.up import PROGRAM
from shared.messaging.bus import Bus, Message
from shared.messaging.embedded_bus import EmbeddedBus
from tests.support.installation import installation_in
from tests.support.postgres import temporary_data_dir
from tests.support.system import System

COUNT: Final = 600
WARM_UP: Final = 100
PACE_SECONDS: Final = 0.02


async def warnings(system: System) -> list[float]:
    """Seconds from each answer to the line in the stream."""
    address = system.address()
    url, token = address["base_url"], address["token"]
    answered: dict[str, float] = {}
    seen: dict[str, float] = {}
    listening = asyncio.Event()

    async def listen() -> None:
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            httpx.AsyncClient(base_url=url, headers=headers, timeout=None, trust_env=False) as http,
            http.stream("GET", "/v1/inbox/stream") as stream,
        ):
            stream.raise_for_status()
            listening.set()
            async for text in stream.aiter_lines():
                if text.startswith("data:"):
                    line = json.loads(text[5:])
                    if line["customer"] is not None:
                        seen.setdefault(line["customer"]["external_id"], time.perf_counter())
                    if len(seen) == COUNT + WARM_UP:
                        return

    reading = asyncio.create_task(listen())
    await listening.wait()
    client = Client(url, token)
    await client.open()
    for number in range(COUNT + WARM_UP):
        due = asyncio.get_running_loop().time() + PACE_SECONDS
        await client.request("POST", "/v1/invoices", _invoice(number))
        answered[f"C{number}"] = time.perf_counter()
        await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
    async with asyncio.timeout(60):
        await reading
    client.close()
    return [seen[f"C{number}"] - answered[f"C{number}"] for number in range(WARM_UP, COUNT + WARM_UP)]


async def hops(bus: Bus) -> list[float]:
    """Seconds from a producer's acknowledgement to a member's poll."""
    await bus.create_topics({"bench": 1})
    producer, member = await bus.producer(), await bus.consumer("bench", ["bench"])
    async with asyncio.timeout(30):
        while not (waiting := await member.unpositioned()):
            await member.poll(1, 0.1)
    for where in waiting:
        member.seek(where, 0)
    sent: list[float] = []
    seen: list[float] = []

    async def receive() -> None:
        while len(seen) < COUNT:
            seen.extend(time.perf_counter() for _ in await member.poll(100, 1))

    receiving = asyncio.create_task(receive())
    for _ in range(COUNT):
        await producer.send("bench", 0, [Message(b"k", b"v" * 400, ())])
        sent.append(time.perf_counter())
        await asyncio.sleep(PACE_SECONDS)
    await receiving
    await bus.close()
    return [after - before for before, after in zip(sent, seen, strict=True)]


def _invoice(number: int) -> bytes:
    now = datetime.now(UTC)
    return msgspec.json.encode(
        {
            "source": "bench",
            "number": f"IN{number}",
            "customer": {"external_id": f"C{number}"},
            "currency": "CNY",
            "amount": "100.00",
            "issued_at": now.isoformat(),
            "due": now.date().isoformat(),
        }
    )


async def measure(system: System, bus: Bus) -> list[str]:
    """The table; `bus` is the one the system runs on."""
    ours, bare = quantiles(await warnings(system), n=100), quantiles(await hops(bus), n=100)
    return [
        f"{'at 50 a second':<34}{'p50 ms':>8}{'p99 ms':>8}",
        f"{'one hop over the bus':<34}{bare[49] * 1000:>8.1f}{bare[98] * 1000:>8.1f}",
        f"{'invoice accepted -> line in stream':<34}{ours[49] * 1000:>8.1f}{ours[98] * 1000:>8.1f}",
    ]


def main() -> None:
    """Bring an installation up, measure, print."""
    with temporary_data_dir() as data_dir, installation_in(data_dir, PROGRAM) as installation:
        installation.up_and_ready()
        bus = EmbeddedBus(installation.server.dsn("bus"))
        print("\n".join(uvloop.run(measure(installation, bus))))  # noqa: T201 - the report


if __name__ == "__main__":
    main()
