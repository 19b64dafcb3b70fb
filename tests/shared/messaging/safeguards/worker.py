"""A consumer process of a story: it is killed, its client fails, and it begins again."""

import random
from collections.abc import Sequence
from typing import Final

from shared.context import Context
from shared.database.unit_of_work import UnitOfWork
from shared.errors import Unavailable
from shared.events.document import Event
from shared.messaging.bus import BusConsumer, BusError
from shared.messaging.consumer import Batch, Consumer, CursorMoved, HoleFound
from tests.shared.messaging.safeguards.faults import KILLED, FaultyBus, Killed
from tests.support.stage import TOPIC, Stage, hold

AHEAD: Final = 0.5
"""So many consumers fetch a batch before they have applied the one before it."""


class Worker:
    """A consumer process: its member of the group, gone with whatever goes wrong."""

    def __init__(self, stage: Stage, make: type[Consumer], bus: FaultyBus, rng: random.Random) -> None:
        self.bus = bus
        self._stage = stage
        self._make = make
        self._rng = rng
        self._fetches_ahead = rng.random() < AHEAD
        self._member: BusConsumer | None = None
        self._consumer: Consumer | None = None
        self._ahead: Batch | None = None

    async def step(self) -> int:
        """One step of the product's consumer; 0 also if it failed."""
        try:
            if self._consumer is None:
                self._consumer = self._make(self._stage.consumer, self.bus, ["orders"], self._handle)
            if self._member is None:
                self._member = await self.bus.consumer("forewarn.alerting", [TOPIC])
            if not self._fetches_ahead:
                return await self._consumer.step(self._member, timeout=0)
            return await self._take_and_settle(self._consumer, self._member)
        except (CursorMoved, HoleFound, BusError, Unavailable, RuntimeError):
            await self.drop()
        except Killed:
            self._consumer = None
            await self.drop()
        return 0

    async def drop(self) -> None:
        """Leave the group."""
        member, self._member, self._ahead = self._member, None, None
        if member is not None:
            await member.close()

    async def _take_and_settle(self, consumer: Consumer, member: BusConsumer) -> int:
        """As `Consumer.run` does it, with everything that others do between fetching a batch and applying it."""
        fetched = await consumer._take(member, 0)
        batch, self._ahead = self._ahead, fetched
        if batch is None:
            return 1
        await consumer._settle(batch, member)
        return len(batch.taken) + len(fetched.taken)

    async def _handle(self, events: Sequence[Event], unit: UnitOfWork, context: Context) -> None:
        await hold(events, unit, context)
        if not self.bus.calm and self._rng.random() < KILLED:
            raise Killed
