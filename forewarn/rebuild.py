"""`forewarn rebuild`: a consumer forgets what it made of events and makes it again, beside a system that goes on."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from forewarn.installation import DataDir, installation
from forewarn.republish import NoWait, ask
from forewarn.services import all_services, service_called
from forewarn.terminal import out
from shared.errors import Conflict
from shared.events import TOPICS
from shared.messaging import markers, rebuild
from shared.messaging.bus import Bounds, TopicPartition
from shared.runtime.platform import Platform
from shared.runtime.service import Service

From = Literal["log", "republish"]

POLL_SECONDS: Final = 0.5


def rebuild_service(
    service: Annotated[str, typer.Argument(help="The service that is to read everything again.")],
    source: Annotated[
        From, typer.Option("--from", help="Read the log from its beginning, or have producers send everything again.")
    ] = "log",
    no_wait: NoWait = False,
    data_dir: DataDir = None,
) -> None:
    """Empty what a service made of events and make it again; absence is not judged until it is complete.

    Warnings, inboxes and what people did stay as they are.
    """
    consuming = [one for one in all_services() if one.subscription is not None]
    asyncio.run(_rebuild(service_called(service, consuming), source, data_dir, wait=not no_wait))
    out.print("Emptied; its worker makes it again." if no_wait else f"{service} is complete again.")


async def begin(service: Service, source: From, platform: Platform) -> None:
    """Empty the service and ask its producers for markers, and with `republish` for their documents between them.

    Raises `history_incomplete` if the log no longer has its beginning.
    """
    assert service.subscription is not None
    producers = service.subscription.producers
    async with platform.context(service.name).database.unit_of_work() as unit:
        # Asked for while nobody applies anything: the run of another operator cannot be taken for this one.
        await rebuild.hold(unit)
        starts = _starts(await platform.bus.bounds([TOPICS[producer] for producer in producers]), source)
        wanted = {one: await ask(platform.context(one), whole=source == "republish") for one in producers}
        await rebuild.empty(starts, wanted, service.subscription.forget, unit)


async def until_complete(service: Service, platform: Platform) -> None:
    """Wait until every marker has come through."""
    while True:
        async with platform.context(service.name).database.unit_of_work() as unit:
            if not await markers.closed(unit.connection):
                return
        await asyncio.sleep(POLL_SECONDS)


def _starts(bounds: Mapping[TopicPartition, Bounds], source: From) -> dict[TopicPartition, int]:
    if source == "republish":
        return {where: found.next for where, found in bounds.items()}
    cut = next((where for where, found in sorted(bounds.items()) if found.first > 0), None)
    if cut is not None:
        message = f"{cut.topic}/{cut.partition} no longer begins at offset 0; use --from republish."
        raise Conflict("history_incomplete", message)
    return dict.fromkeys(bounds, 0)


async def _rebuild(service: Service, source: From, data_dir: Path | None, *, wait: bool) -> None:
    assert service.subscription is not None
    names = {service.name, *service.subscription.producers}
    async with installation(data_dir, [one for one in all_services() if one.name in names]) as (_, platform):
        await begin(service, source, platform)
        if wait:
            await until_complete(service, platform)
