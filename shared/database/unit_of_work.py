"""One transaction as use cases see it: a connection, the instant it began, new ids, and whom to wake after commit."""

from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from shared.ids import Ids

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"


class UnitOfWork:
    """What a use case is handed. It reads and writes through `connection`; `Database.unit_of_work` alone commits."""

    def __init__(self, connection: Connection, *, now: datetime, ids: Ids) -> None:
        self.connection = connection
        self.now = now
        """The instant the unit began: `recorded_at` of everything it writes."""
        self.channels: set[str] = set()
        """Channels to wake once the transaction is durable; forgotten on rollback."""
        self._ids = ids

    def new_id(self) -> UUID:
        """A UUIDv7 that sorts after every id made before in this process."""
        return self._ids.new()

    def wake(self, channel: str) -> None:
        """Hint whoever listens on `channel`, after the commit."""
        self.channels.add(channel)
