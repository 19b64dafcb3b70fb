"""One service as its clients see it: a migrated database, its own app over ASGI, callers of any role, events in."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx

from shared.clock import SystemClock
from shared.context import Context
from shared.database.database import Database
from shared.database.migrations import migrate
from shared.events import cloudevents
from shared.events.document import Document, Event, encode
from shared.http.app import create_app
from shared.http.auth import TokenVerifier, issue_token
from shared.ids import Uuid7Ids
from shared.messaging import outbox
from shared.runtime.service import Service
from shared.settings import Settings

KEY: Final = b"k" * 32


@dataclass(frozen=True)
class Served:
    """A service that answers."""

    service: Service
    context: Context
    http: httpx.AsyncClient

    def caller(self, *roles: str, subject: str = "somebody") -> dict[str, str]:
        """Headers of a caller with these roles."""
        token = issue_token(KEY, subject, roles, timedelta(hours=1), datetime.now(UTC))
        return {"Authorization": f"Bearer {token}"}

    async def send(
        self, method: str, path: str, body: Any = None, *, role: str = "admin", **more: Any
    ) -> httpx.Response:
        """A request of a caller with one role; `headers` and `subject` may be given."""
        headers = self.caller(role, subject=more.pop("subject", "somebody")) | more.pop("headers", {})
        return await self.http.request(method, path, json=body, headers=headers, **more)

    async def post(self, path: str, body: Any, **more: Any) -> httpx.Response:
        return await self.send("POST", path, body, **more)

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.send("GET", path, **more)

    async def take(self, *documents: Document) -> None:
        """Hand documents to the service's consumer, as first revisions of new documents."""
        await self.handle([event_of(document) for document in documents])

    async def handle(self, events: Sequence[Event]) -> None:
        """Hand events to the service's consumer, in one unit of work."""
        assert self.service.subscription is not None
        async with self.context.database.unit_of_work() as unit:
            await self.service.subscription.handler(events, unit, self.context)

    async def published(self) -> list[Event]:
        """What waits in the outbox, but for beats."""
        pool = await self.context.database.pool()
        rows = await pool.fetch("select * from outbox order by id")
        events = [
            cloudevents.decode(outbox.decode_headers(row["headers"]), row["payload"], row["part"]) for row in rows
        ]
        return [event for event in events if event.kind != "beat"]


def event_of(document: Document, *, revision: int = 1, id_: Any = None, partition: int = 0) -> Event:
    """The event of a snapshot; a document's id is new unless given."""
    parties = document.parties()
    return Event(
        kind=document.kind,
        reason=min(document.reasons),
        id=id_ or Uuid7Ids().new(),
        epoch=1,
        revision=revision,
        recorded_at=datetime.now(UTC),
        producer="test",
        party=parties[0].id if parties else None,
        data=encode(document),
        partition=partition,
    )


@asynccontextmanager
async def served(service: Service, dsn: str, **settings: Any) -> AsyncIterator[Served]:
    """The service on an empty database of its own."""
    await migrate(service, dsn)
    clock, ids = SystemClock(), Uuid7Ids()
    database = Database(dsn, clock=clock, ids=ids)
    context = Context(service.name, database, Settings(**settings), clock, ids)
    verifier = TokenVerifier({"1": KEY}, clock)
    app = create_app(routers=service.routers, contexts={service.name: context}, verifier=verifier)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        yield Served(service, context, http)
    await database.close()
