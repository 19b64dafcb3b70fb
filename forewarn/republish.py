"""`forewarn republish`: a service sends all its documents again, beside a system that goes on."""

import asyncio
from pathlib import Path
from typing import Annotated, Final

import typer

from forewarn.installation import DataDir, installation
from forewarn.services import all_services, service_called
from forewarn.terminal import out
from shared.context import Context
from shared.database.wakeup import JOBS
from shared.errors import NotFound
from shared.messaging import republication
from shared.messaging.republication import Name
from shared.runtime.service import Service

POLL_SECONDS: Final = 0.5

NoWait = Annotated[bool, typer.Option("--no-wait", help="Only ask for it; the service's worker does it.")]


def republish(
    service: Annotated[str, typer.Argument(help="customer, orders, credit or alerting")],
    no_wait: NoWait = False,
    data_dir: DataDir = None,
) -> None:
    """Send all documents of a service again, between markers; who holds them already is not disturbed."""
    chosen = service_called(service, producing())
    documents = asyncio.run(_republish(chosen, data_dir, wait=not no_wait))
    out.print("Asked for." if documents is None else f"{documents} documents of {service} were sent again.")


def producing() -> list[Service]:
    """Services that have documents of their own."""
    return [service for service in all_services() if service.publishes]


async def ask(context: Context, *, whole: bool = True) -> Name:
    """Ask a producer for a republication; its worker begins at once."""
    async with context.database.unit_of_work() as unit:
        name = await republication.request(unit, whole=whole)
        unit.wake(JOBS)
    return name


async def until_complete(name: Name, context: Context) -> int:
    """Wait until all of it is in the outbox or on the bus; how many documents these were.

    Raises `republication_gone` if the producer was restored meanwhile and begins another.
    """
    while True:
        async with context.database.unit_of_work() as unit:
            row = await republication.find(name, unit.connection)
        if row is None:
            raise NotFound("republication_gone", "A restore has made it void; another one is on its way.")
        if row["completed_at"] is not None:
            return int(row["documents"])
        await asyncio.sleep(POLL_SECONDS)


async def _republish(service: Service, data_dir: Path | None, *, wait: bool) -> int | None:
    async with installation(data_dir, [service]) as (_, platform):
        context = platform.context(service.name)
        name = await ask(context)
        return await until_complete(name, context) if wait else None
