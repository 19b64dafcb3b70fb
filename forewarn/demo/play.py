"""Plays the distributor's two years through the public API: the history at once, then a day every few seconds."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from forewarn.demo.distributor import Customer, Distributor
from forewarn.demo.distributor import Line as DemoLine
from forewarn.demo.schedule import Schedule, schedule
from forewarn.demo.verdict import Warned
from forewarn.replay.client import ReplayClient, ReplayFailed
from forewarn.replay.lines import Line, Refused
from forewarn.replay.submission import submit
from forewarn.replay.translate import Document, Options, Translator
from shared.events.sources import SourceKind

SALES: Final = ("sales.chen", "sales.li", "sales.wang", "sales.zhao")
"""Who is in charge of the demo's customers: subjects of tokens."""

KINDS: Final[tuple[SourceKind, ...]] = ("order", "invoice", "payment")
CHUNK: Final = 1000

Progress = Callable[[date, int], None]
"""Told the day that was played last, and how many documents were sent so far."""


class Player:
    """One performance. `history` sends as backfill, `live` does not; both speak to the same installation."""

    def __init__(
        self,
        distributor: Distributor,
        source: str,
        *,
        history: ReplayClient,
        live: ReplayClient,
        settled: Callable[[], Awaitable[None]],
        progress: Progress,
    ) -> None:
        self._distributor = distributor
        self._source = source
        self._history = history
        self._live = live
        self._settled = settled
        self._progress = progress
        self._translator = Translator(Options(source=source))
        self._sent = 0

    async def run(self, day_seconds: float) -> list[Warned]:
        """Play everything; returns all warnings. Raises `ReplayFailed`, also if any document is refused."""
        plan = schedule(self._distributor.lines(), self._distributor.today)
        await self._history.register([_row(customer, self._source) for customer in self._distributor.customers])
        for kind in KINDS:
            await self._history.declare(self._source, kind)
        await self._play_history(plan)
        for day in plan.days:
            began = time.monotonic()
            await self._send(self._live, day.lines)
            await self._beat(day.complete_until)
            self._progress(day.day, self._sent)
            await asyncio.sleep(max(0.0, day_seconds - (time.monotonic() - began)))
        await self._settled()
        return await self._live.warnings()

    async def _play_history(self, plan: Schedule) -> None:
        for first in range(0, len(plan.history), CHUNK):
            lines = plan.history[first : first + CHUNK]
            await self._send(self._history, lines)
            self._progress(datetime.fromisoformat(lines[-1]["ts"]).date(), self._sent)
        await self._beat(plan.history_until)
        await self._settled()

    async def _beat(self, until: datetime) -> None:
        for kind in KINDS:
            await self._live.beat(self._source, kind, until)

    async def _send(self, client: ReplayClient, lines: Sequence[DemoLine]) -> None:
        for document, row in await submit(client, self._documents(lines)):
            if row.status == "refused":
                raise ReplayFailed(row.code, f"{document.kind} {document.body['number']}: {row.message}")
        self._sent += len(lines)

    def _documents(self, lines: Iterable[DemoLine]) -> list[Document]:
        return [_readable(self._translator.translate(_as_read(line))) for line in lines]


def _as_read(line: DemoLine) -> Line:
    """The line as it would come out of a file: all its numbers are decimals."""
    return Line(0, {name: Decimal(value) if isinstance(value, int) else value for name, value in line.items()})


def _readable(found: Document | Refused) -> Document:
    if isinstance(found, Refused):
        raise ReplayFailed(found.code, found.message)
    return found


def _row(customer: Customer, source: str) -> dict[str, Any]:
    return {
        "external_ids": [{"source": source, "external_id": customer.external_id}],
        "company_name": customer.name_zh,
        "owner": SALES[int(customer.external_id[1:]) % len(SALES)],
    }
