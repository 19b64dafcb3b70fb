"""Whether the process is alive, whether what it needs answers, and its metrics.

`ready` and `degraded` are 200, `away` is 503: without its database, or with a full outbox, a service can do nothing for
its callers. While only the bus is away it can, for as long as the outbox has room; to take it out of service then
would turn a delay into an outage.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final, Literal

import msgspec
import structlog
from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.context import Context
from shared.messaging.backlog import OutboxWatch
from shared.messaging.bus import Bus

PATIENCE_SECONDS: Final = 1.0

BUS_SECONDS: Final = 5.0
"""How often the bus is looked at, at most: a look at Kafka takes a client of its own."""

State = Literal["ready", "degraded", "away"]

Check = Callable[[], Awaitable[State]]
"""Says how it is with what it asks; raising or taking too long is `away`."""

log = structlog.get_logger(__name__)


def database_check(context: Context) -> Check:
    """The service's database answers."""

    async def ask() -> State:
        pool = await context.database.pool()
        await pool.fetchval("SELECT 1")
        return "ready"

    return ask


def producer_check(context: Context) -> Check:
    """The database of a service that publishes answers, and its outbox is being emptied.

    The outbox shows what no look at the bus does: that nobody sends, or that too few copies are there to take it.
    """
    outbox = OutboxWatch(context)

    async def ask() -> State:
        pool = await context.database.pool()
        async with pool.acquire() as connection:
            found = await outbox.look(connection)
        if outbox.is_full(found):
            return "away"
        return "degraded" if outbox.is_filling(found) else "ready"

    return ask


class BusCheck:
    """The bus answers; looked at beside the probes, which wait only where there is no answer of late.

    The outbox alone would be cheaper, but shows nothing while nothing is written, and consumers have none.
    """

    def __init__(self, bus: Bus, topic: str) -> None:
        self._bus = bus
        self._topic = topic
        self._state: State | None = None
        self._looked = 0.0
        self._due = 0.0
        self._looking: asyncio.Task[None] | None = None

    async def __call__(self) -> State:
        """What the last look found; begins another one when it is time."""
        now = asyncio.get_running_loop().time()
        if self._looking is None or (self._looking.done() and now >= self._due):
            self._due = now + BUS_SECONDS
            self._looking = asyncio.create_task(self._look(), name="bus-check")
        if self._state is None or now - self._looked > 2 * BUS_SECONDS:
            await asyncio.shield(self._looking)
        return self._state or "away"

    async def _look(self) -> None:
        try:
            await self._bus.bounds([self._topic])
        except Exception as error:  # noqa: BLE001 - whatever it is, the bus cannot be used
            log.warning("bus_away", error=str(error))
            self._state = "away"
        else:
            self._state = "ready"
        self._looked = asyncio.get_running_loop().time()


def worst(states: Collection[State]) -> State:
    """How it is with a process that cannot do without any of these."""
    order: tuple[State, ...] = ("away", "degraded")
    return next((state for state in order if state in states), "ready")


def any_serves(states: Collection[State]) -> State:
    """How it is with a process that can do something as long as one of these is there."""
    found = worst(states)
    return "degraded" if found == "away" and set(states) != {"away"} else found


def health_router(
    services: Mapping[str, Check], bus: Check | None = None, verdict: Callable[[Collection[State]], State] = worst
) -> APIRouter:
    """`/healthz`, `/readyz` with the state of each service and of the bus, `/metrics`."""
    router = APIRouter(include_in_schema=False)

    @router.get("/healthz")
    async def alive() -> Response:
        return _json({"status": "alive"}, 200)

    @router.get("/readyz")
    async def ready() -> Response:
        asked = [*services.items(), *([] if bus is None else [("bus", bus)])]
        answers = await asyncio.gather(*(_ask(name, check) for name, check in asked))
        states = dict(zip(services, answers, strict=False))
        content: dict[str, object] = {"status": verdict(states.values()), "services": states}
        if bus is not None:
            content["bus"] = answers[-1]
            if content["status"] == "ready" != answers[-1]:
                content["status"] = "degraded"
        return _json(content, 503 if content["status"] == "away" else 200)

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return router


async def _ask(name: str, check: Check) -> State:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await check()
    except Exception as error:  # noqa: BLE001 - whatever it is, we are not ready
        log.warning("not_ready", check=name, error=type(error).__name__)
        return "away"


def _json(content: object, status: int) -> Response:
    return Response(msgspec.json.encode(content), status_code=status, media_type="application/json")
