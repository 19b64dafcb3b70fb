"""When an installation is at a quiet point: outboxes empty, topics read, and jobs done with what that caused."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from forewarn.platform import embedded_platform
from forewarn.processes import jobs_of
from forewarn.services import all_services
from shared.context import Context
from shared.events import TOPICS
from shared.messaging.bus import Bus, TopicPartition
from shared.runtime.platform import Platform
from shared.runtime.service import Service
from shared.settings import Settings

POLL_SECONDS: Final = 0.2
QUIET_POLLS: Final = 4
"""Looks in a row that must find nothing: a consumer's own documents go round once more."""


T = TypeVar("T")


class NotQuiet(Exception):
    """There was no quiet point in time; the message says what is left."""


class Reading(NamedTuple, Generic[T]):
    """What was found, and what keeps it from being a state of the whole system: None, if it is one."""

    found: T
    unrest: str | None


async def settled(settings: Settings, seconds: float = 120) -> None:
    """Wait for a quiet point of the embedded installation. Raises `NotQuiet`."""
    platform = embedded_platform(settings)
    try:
        await wait_until_quiet(all_services(), platform, seconds)
    finally:
        await platform.close()


async def wait_until_quiet(services: Sequence[Service], platform: Platform, seconds: float) -> None:
    """Wait until nothing is on its way between these services. Raises `NotQuiet`."""
    deadline = asyncio.get_running_loop().time() + seconds
    quiet = 0
    while quiet < QUIET_POLLS:
        left = await _backlog_of_all(services, platform)
        quiet = 0 if left else quiet + 1
        if left and asyncio.get_running_loop().time() > deadline:
            raise NotQuiet(f"{left} events or jobs were still to be done after {seconds:.0f} seconds")
        await asyncio.sleep(POLL_SECONDS)


async def read_at_quiet_point(
    services: Sequence[Service], platform: Platform, seconds: float, read: Callable[[], Awaitable[T]]
) -> Reading[T]:
    """What `read` finds in several databases while nothing is on its way, and nothing begins its way meanwhile."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        remaining = max(0.0, deadline - asyncio.get_running_loop().time())
        try:
            await wait_until_quiet(services, platform, remaining)
        except NotQuiet as error:
            return Reading(await read(), str(error))
        before = await _ends(services, platform)
        found = await read()
        # A document accepted while we read is still in an outbox, or has moved the end of its topic: asked in this
        # order, none can slip through.
        left = await _backlog_of_all(services, platform)
        if not left and await _ends(services, platform) == before:
            return Reading(found, None)
        if asyncio.get_running_loop().time() > deadline:
            return Reading(found, "events were on their way while the figures were read")


async def backlog(service: Service, platform: Platform) -> int:
    """Events this service has not sent, events it has not taken in, and jobs that still have to do what they caused."""
    context = platform.context(service.name)
    unread = await _unread(service, context, platform.bus)
    jobs = [job for job in jobs_of(service) if job.waiting is not None and await job.waiting(context)]
    return await _unsent(service, context) + unread + len(jobs)


async def _backlog_of_all(services: Sequence[Service], platform: Platform) -> int:
    return sum([await backlog(service, platform) for service in services])


async def _ends(services: Sequence[Service], platform: Platform) -> dict[TopicPartition, int]:
    topics = [TOPICS[service.name] for service in services if service.publishes]
    return {where: bounds.next for where, bounds in (await platform.bus.bounds(topics)).items()} if topics else {}


async def _unsent(service: Service, context: Context) -> int:
    if not service.publishes:
        return 0
    pool = await context.database.pool()
    return int(await pool.fetchval("select count(*) from outbox"))


async def _unread(service: Service, context: Context, bus: Bus) -> int:
    if service.subscription is None:
        return 0
    topics = [TOPICS[producer] for producer in service.subscription.producers]
    pool = await context.database.pool()
    rows = await pool.fetch("select topic, part, next_offset from cursor where topic = any($1)", topics)
    read = {TopicPartition(row["topic"], row["part"]): row["next_offset"] for row in rows}
    bounds = await bus.bounds(topics)
    return sum(max(0, found.next - read.get(where, found.first)) for where, found in bounds.items())
