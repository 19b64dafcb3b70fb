"""Connections to the bus's database: their limits, and the driver's errors in the words of the port."""

import contextlib
from collections.abc import Iterator
from typing import Final, TypeAlias

import asyncpg

from shared.messaging.bus import BusError

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

CONNECT_SECONDS: Final = 5
ANSWER_SECONDS: Final = 15
"""What a statement may take before its client counts as broken."""
CLOSE_SECONDS: Final = 1

SETTINGS: Final = {
    "application_name": "forewarn_bus",
    "timezone": "UTC",
    "jit": "off",
    # The server gives up before the client does, so that a batch cannot land after its sender was told it had failed.
    "statement_timeout": "10s",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "2",
}

_BROKEN: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, TimeoutError)


async def connect(dsn: str, **settings: str) -> Connection:
    """A new connection with the bus's settings and those given; raises `BusError`."""
    with bus_errors():
        return await asyncpg.connect(
            dsn, timeout=CONNECT_SECONDS, command_timeout=ANSWER_SECONDS, server_settings=SETTINGS | settings
        )


async def disconnect(connection: Connection) -> None:
    """Say goodbye if the server listens, hang up in any case."""
    try:
        await connection.close(timeout=CLOSE_SECONDS)
    except _BROKEN:
        connection.terminate()


@contextlib.contextmanager
def bus_errors() -> Iterator[None]:
    """Turn whatever the driver raises into `BusError`."""
    try:
        yield
    except _BROKEN as error:
        # A time that ran out has no text of its own.
        raise BusError(f"{type(error).__name__}: {str(error) or 'no answer'}") from error
