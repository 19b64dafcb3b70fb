"""What leaves a running installation: records on its bus, and lines of somebody's inbox as they come."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Final

import httpx

from shared.events import TOPICS
from shared.messaging.bus import Record
from shared.messaging.embedded_bus import EmbeddedBus
from tests.support.installation import Installation
from tests.support.office import Caller, Json
from tests.support.streaming import EventSource

SECONDS: Final = 30
"""How long an event may take; the beats of a stream keep its connection from timing out."""


def records(installation: Installation, warning: Json) -> list[Record]:
    """Everything the bus has of a warning."""

    async def read() -> list[Record]:
        bus = EmbeddedBus(installation.server.dsn("bus"))
        try:
            bounds = await bus.bounds([TOPICS["alerting"]])
            found = [await bus.read(where, one.first, one.next - one.first) for where, one in bounds.items()]
        finally:
            await bus.close()
        return [record for part in found for record in part if attributes(record)["ce_documentid"] == warning["id"]]

    return asyncio.run(read())


def attributes(record: Record) -> dict[str, str]:
    """The headers of a record."""
    return {name: value.decode() for name, value in record.headers}


@contextlib.asynccontextmanager
async def stream(caller: Caller, last_id: str | None = None) -> AsyncIterator[EventSource]:
    """Somebody's inbox live; it is open when the block begins."""
    headers = dict(caller.http.headers) | ({} if last_id is None else {"Last-Event-ID": last_id})
    async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=SECONDS) as http:
        async with http.stream("GET", f"{caller.http.base_url}/v1/inbox/stream") as answer:
            assert answer.is_success
            yield EventSource(answer, last_id or "")


async def warning_in(events: EventSource) -> str:
    """The warning that the next event is about."""
    async with asyncio.timeout(SECONDS):
        found: str = json.loads((await anext(events)).data)["warning"]
    return found


async def rest_of(events: EventSource) -> list[str]:
    """The warnings of all events up to the point at which the stream is cut off."""
    found = []
    with contextlib.suppress(httpx.TransportError):
        while True:
            found.append(await warning_in(events))
    return found
