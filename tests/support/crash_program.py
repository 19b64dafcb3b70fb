"""One role of an installation as a process of its own, which stops at a named point and waits there to be killed.

It is told everything on the command line (role, point or "", DSNs; in place of the bus's an address of Kafka) and says
on its output when it is ready ("READY <address>") and when it has come to the point ("AT <pid>"). What it runs is the
product; only the point is put around one of its functions.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Any, Final

from services.orders.service import SERVICE
from shared.clock import SystemClock
from shared.context import Context
from shared.database.database import Database
from shared.http.app import create_app
from shared.http.auth import TokenVerifier
from shared.ids import Uuid7Ids
from shared.messaging import outbox
from shared.messaging.bus import Bus
from shared.messaging.consumer import Consumer
from shared.messaging.embedded_bus import EmbeddedBus
from shared.messaging.embedded_bus.consumer import EmbeddedConsumer
from shared.messaging.ingest import Ingest
from shared.messaging.kafka_bus import KafkaBus, KafkaSettings
from shared.messaging.relay import Relay
from shared.runtime.host import WebHost, base_url, bind
from shared.runtime.logging import configure_logging
from shared.settings import Settings
from tests.support import stage
from tests.support.service import KEY

SESSION_SECONDS: Final = 6
"""On Kafka; no broker allows less."""

PROGRAM: Final = (sys.executable, "-m", "tests.support.crash_program")

POINTS: Final[dict[str, tuple[str, Any, str, str]]] = {
    "api wrote, did not commit": ("api", outbox, "append", "after"),
    "api committed, did not answer": ("api", Ingest, "accept", "after"),
    "relay selected, did not send": ("relay", Relay, "_send", "before"),
    "relay sent, did not delete": ("relay", Relay, "_delete", "before"),
    "relay deleted": ("relay", Relay, "_delete", "after"),
    "consumer fetched, did not apply": ("consumer", EmbeddedConsumer, "poll", "after"),
    "consumer moved its cursor, did not apply": ("consumer", Consumer, "_advance", "after"),
    "consumer applied, did not commit": ("consumer", stage, "hold", "after"),
    "consumer committed, gave no hint": ("consumer", EmbeddedConsumer, "commit", "before"),
}
"""Name -> role, owner and name of the function, and on which side of it the process stops."""


async def stop_here() -> None:
    """Say so, and never come back."""
    _say(f"AT {os.getpid()}")
    await asyncio.Event().wait()


def put_around(owner: Any, name: str, side: str) -> None:
    """Stop before or after a function; of a poll, only one that brought something is meant."""
    function: Callable[..., Any] = getattr(owner, name)

    async def stopping(*arguments: Any, **options: Any) -> Any:
        if side == "before":
            await stop_here()
        result = await function(*arguments, **options)
        if name != "poll" or result:
            await stop_here()
        return result

    setattr(owner, name, stopping)


async def run(role: str, producer: str, consumer: str, bus: str) -> None:
    """Be the relay, the consumer or the web process of the orders service until killed."""
    never, log = asyncio.Event(), _bus(bus)
    if role == "relay":
        _say("READY")
        await Relay(_context("orders", producer), log).run(never)
    elif role == "consumer":
        _say("READY")
        await Consumer(_context("alerting", consumer), log, ["orders"], stage.hold).run(never)
    else:
        context = _context("orders", producer)
        verifier = TokenVerifier({"1": KEY}, context.clock)
        app = create_app(routers=SERVICE.routers, contexts={"orders": context}, verifier=verifier)
        listening = bind("127.0.0.1", 0)
        _say(f"READY {base_url(listening)}")
        await WebHost(app, listening).run(never)


def main(role: str, point: str, *dsns: str) -> None:
    """Run the role with its point in place."""
    configure_logging("WARNING")
    if point:
        _, owner, name, side = POINTS[point]
        put_around(owner, name, side)
    asyncio.run(run(role, *dsns))


def _bus(address: str) -> Bus:
    if address.startswith("postgresql:"):
        return EmbeddedBus(address)
    return KafkaBus(KafkaSettings(bootstrap=address, session_seconds=SESSION_SECONDS))


def _context(service: str, dsn: str) -> Context:
    clock, ids = SystemClock(), Uuid7Ids()
    return Context(service, Database(dsn, clock=clock, ids=ids), Settings(), clock, ids)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
