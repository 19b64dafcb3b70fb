"""What an installation runs on: databases per service, bus, clock, ids. Its builders alone know the mode."""

from collections.abc import Mapping

from shared.clock import Clock
from shared.context import Context
from shared.database.database import Database
from shared.ids import Ids
from shared.messaging.bus import Bus
from shared.settings import Settings


class Platform:
    """Everything a process opens, opened on first use and closed in one place."""

    def __init__(
        self, *, settings: Settings, clock: Clock, ids: Ids, bus: Bus, databases: Mapping[str, Database]
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.ids = ids
        self.bus = bus
        self._databases = databases

    def context(self, service: str) -> Context:
        """The context of one service."""
        return Context(
            service=service,
            database=self._databases[service],
            settings=self.settings,
            clock=self.clock,
            ids=self.ids,
        )

    async def close(self) -> None:
        """Close the bus and every database."""
        await self.bus.close()
        for database in self._databases.values():
            await database.close()
