"""Hands lines to the streams of this process as they are committed: one listener and one query for all of them."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Collection, Mapping
from typing import Final
from uuid import UUID

import structlog

from services.notify.repository import lines
from services.notify.repository.lines import InboxLine
from services.notify.schemas import LineEvent, parties_of, show_event
from shared.context import Context
from shared.database.database import AWAY, BLAMELESS
from shared.errors import Unavailable
from shared.messaging.customers import Known, known

PAGE: Final = 500
"""Lines one query reads."""

MAX_WAITING: Final = 1000
"""Lines one stream keeps for a client who reads more slowly than they come; beyond that it reads them again itself."""

POLL_SECONDS: Final = 5.0
"""How long a line waits whose wake-up was lost."""
RETRY_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)


class Subscription:
    """What one stream still has to send. Where it ends there are more lines, which the stream has to get for itself."""

    def __init__(self, max_waiting: int) -> None:
        self._waiting: deque[LineEvent] = deque()
        self._max_waiting = max_waiting
        self._changed = asyncio.Event()
        self._ended = False
        self.behind = False
        """It ended because the client is slow, and nothing is wrong."""

    def offer(self, line: LineEvent) -> None:
        """Add a line; one too many ends it, so that none is left out of the middle."""
        if len(self._waiting) == self._max_waiting:
            self.behind = True
            self.end()
        if not self._ended:
            self._waiting.append(line)
            self._changed.set()

    def end(self) -> None:
        """Nothing comes after what waits now."""
        self._ended = True
        self._changed.set()

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> LineEvent:
        while not self._waiting:
            if self._ended:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._waiting.popleft()


class Live:
    """The lines of one process's streams; it reads while there are any."""

    def __init__(self, context: Context, *, max_waiting: int = MAX_WAITING) -> None:
        self._context = context
        self._max_waiting = max_waiting
        self._by_inbox: dict[str, set[Subscription]] = {}
        self._streams = 0
        self._position = 0
        """Every line up to here was handed out."""
        self._reading: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def subscribe(self, inboxes: Collection[str]) -> AsyncIterator[Subscription]:
        """Every line of these inboxes that is committed from now on, once; perhaps one that was just before."""
        self._streams += 1
        subscription = Subscription(self._max_waiting)
        try:
            await self._start()
            for inbox in inboxes:
                self._by_inbox.setdefault(inbox, set()).add(subscription)
            yield subscription
        finally:
            self._streams -= 1
            for inbox in inboxes:
                self._leave(inbox, subscription)
            await self._rest()

    def _leave(self, inbox: str, subscription: Subscription) -> None:
        subscribed = self._by_inbox.get(inbox, set())
        subscribed.discard(subscription)
        if not subscribed:
            self._by_inbox.pop(inbox, None)

    async def _start(self) -> None:
        async with self._starting:
            if self._reading is None:
                async with self._context.database.unit_of_work() as unit:
                    self._position = await lines.end(unit.connection)
                self._reading = asyncio.create_task(self._read(), name="inbox-lines")

    async def _rest(self) -> None:
        reading = self._reading
        if self._streams or reading is None:
            return
        self._reading = None
        reading.cancel()
        await asyncio.wait([reading])

    async def _read(self) -> None:
        listener = self._context.database.listener(lines.CHANNEL)
        try:
            while True:
                try:
                    await self._hand_out()
                except (*AWAY, *BLAMELESS, Unavailable, TimeoutError) as error:
                    log.warning("inbox_lines_wait", error=repr(error))
                    await asyncio.sleep(RETRY_SECONDS)
                else:
                    await listener.wait(POLL_SECONDS)
        except Exception:
            log.exception("inbox_lines_failed")
            self._give_up()
        finally:
            await listener.close()

    def _give_up(self) -> None:
        """End every stream: nobody may wait for lines that nobody reads. Whoever comes back begins anew."""
        self._reading = None
        for subscription in {one for subscribed in self._by_inbox.values() for one in subscribed}:
            subscription.end()

    async def _hand_out(self) -> None:
        more = True
        while more:
            async with self._context.database.unit_of_work() as unit:
                found = await lines.find_anyones_after(self._position, PAGE, unit.connection)
                names = await known(parties_of(found), unit.connection)
            for line in found:
                self._offer(line, names)
                self._position = line.id
            more = len(found) == PAGE

    def _offer(self, line: InboxLine, names: Mapping[UUID, Known]) -> None:
        subscribed = self._by_inbox.get(line.recipient)
        if subscribed:
            shown = show_event(line, names)
            for subscription in subscribed:
                subscription.offer(shown)
