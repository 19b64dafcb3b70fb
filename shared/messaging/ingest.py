"""The way in for documents: single calls, bulk calls and consumers all end in one use case that takes a list.

Bounded by the outbox: when the bus is away too long, callers are told to come back instead of filling the disk.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar
from uuid import UUID

from shared.context import Context
from shared.database.batching import BatchingWriter
from shared.database.unit_of_work import Connection, UnitOfWork
from shared.errors import ForewarnError, InvalidInput, TooLarge, Unavailable
from shared.events.document import encode
from shared.messaging import outbox
from shared.messaging.document_store import DocumentStore, Draft, Outcome

Result = Outcome | ForewarnError
"""What became of one document; failures of documents are returned, not raised."""

D = TypeVar("D")
"""What a service takes as a document to be: a draft, or what drafts are made of."""

Accept = Callable[[Sequence[D], UnitOfWork], Awaitable[Sequence[Result]]]

PATIENCE_SECONDS: Final = 2.0
"""How long a document of an own customer id nobody knows here yet may wait for the customer's event."""

_COUNT: Final = "select count(*) from (select from outbox limit $1)"
_KNOWN: Final = "select party from customer where party = any($1)"


async def accept(store: DocumentStore, drafts: Sequence[Draft], unit: UnitOfWork) -> list[Result]:
    """Take documents as facts, unless they name a customer by an id of ours that does not exist, or are too large."""
    unknown = await _unknown_parties(drafts, unit.connection)
    refusals = [_refusal(draft, unknown) for draft in drafts]
    taken = [draft for draft, refusal in zip(drafts, refusals, strict=True) if refusal is None]
    outcomes = iter(await store.accept(taken, unit) if taken else [])
    return [refusal or next(outcomes) for refusal in refusals]


class _DryRun(Exception):
    """Rolls a unit of work back whose results were all that was wanted."""


class Ingest(Generic[D]):
    """Takes documents into one service, many callers to a transaction."""

    def __init__(self, context: Context, use_case: Accept[D]) -> None:
        self._context = context
        self._use_case = use_case
        self._writer: BatchingWriter[D, Result] = BatchingWriter(self._flush)
        self._counted_at = -1.0
        self._full = False

    async def accept(self, drafts: Sequence[D]) -> list[Result]:
        """One result per draft, once they are durable. Raises `outbox_full` and `database_unavailable` (503)."""
        await self._check_outbox()
        results = await self._writer.submit_many(drafts)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            waiting = [i for i, result in enumerate(results) if _is_unknown_customer(result)]
            if not waiting:
                break
            await asyncio.sleep(0.1)
            for i, result in zip(waiting, await self._writer.submit_many([drafts[i] for i in waiting]), strict=True):
                results[i] = result
        return results

    async def try_out(self, drafts: Sequence[D]) -> list[Result]:
        """What would become of the drafts; nothing is kept."""
        results: list[Result] = []
        with contextlib.suppress(_DryRun):
            async with self._context.database.unit_of_work() as unit:
                results += await self._use_case(drafts, unit)
                raise _DryRun
        return results

    async def _flush(self, drafts: Sequence[D]) -> Sequence[Result]:
        async with self._context.database.unit_of_work() as unit:
            return await self._use_case(drafts, unit)

    async def _check_outbox(self) -> None:
        """Counted at most once a second, and no further than the bound."""
        if time.monotonic() - self._counted_at >= 1:
            self._counted_at = time.monotonic()
            limit = self._context.settings.outbox_limit
            async with self._context.database.unit_of_work() as unit:
                self._full = await unit.connection.fetchval(_COUNT, limit + 1) > limit
        if self._full:
            raise Unavailable("outbox_full", "The event bus has been away too long; try again later.", retry_after=30)


async def _unknown_parties(drafts: Sequence[Draft], connection: Connection) -> set[UUID]:
    """Ids of ours nobody has registered. A name of a source system needs no look-up: it is its own id."""
    own = {party.id for draft in drafts for party in draft.document.parties() if party.external_id is None}
    if not own:
        return set()
    return own - {row["party"] for row in await connection.fetch(_KNOWN, list(own))}


def _refusal(draft: Draft, unknown: set[UUID]) -> ForewarnError | None:
    if unknown and any(party.id in unknown for party in draft.document.parties()):
        return InvalidInput(
            "unknown_customer",
            "No customer has this id. Register him first, or name him by source and external_id.",
            retry_after=2,
        )
    if len(encode(draft.document)) > outbox.MAX_PAYLOAD:
        return TooLarge("document_too_large", f"A document may have at most {outbox.MAX_PAYLOAD} bytes.")
    return None


def _is_unknown_customer(result: Result) -> bool:
    return isinstance(result, InvalidInput) and result.code == "unknown_customer"
