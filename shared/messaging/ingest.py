"""The way in for documents: single calls, bulk calls and consumers all end in one use case that takes a list.

Bounded by the outbox: when the bus is away too long, callers are told to come back instead of filling the disk.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from uuid import UUID

from shared.context import Context
from shared.database.batching import BatchingWriter
from shared.database.unit_of_work import Connection, UnitOfWork
from shared.errors import ForewarnError, InvalidInput, Unavailable
from shared.messaging.document_store import DocumentStore, Draft, Outcome

Result = Outcome | ForewarnError
"""What became of one document; failures of documents are returned, not raised."""

Accept = Callable[[Sequence[Draft], UnitOfWork], Awaitable[Sequence[Result]]]

PATIENCE_SECONDS: Final = 2.0
"""How long a document of an own customer id nobody knows here yet may wait for the customer's event."""

_KNOWN: Final = "select party from customer where party = any($1)"


async def accept(store: DocumentStore, drafts: Sequence[Draft], unit: UnitOfWork) -> list[Result]:
    """Take documents as facts, unless they name a customer by an id of ours that does not exist."""
    unknown = await _unknown_parties(drafts, unit.connection)
    taken = [draft for draft in drafts if not _names(draft, unknown)]
    outcomes = iter(await store.accept(taken, unit) if taken else [])
    return [_unknown_customer() if _names(draft, unknown) else next(outcomes) for draft in drafts]


class _DryRun(Exception):
    """Rolls a unit of work back whose results were all that was wanted."""


class Ingest:
    """Takes documents into one service, many callers to a transaction."""

    def __init__(self, context: Context, use_case: Accept) -> None:
        self._context = context
        self._use_case = use_case
        self._writer: BatchingWriter[Draft, Result] = BatchingWriter(self._flush)
        self._counted_at = -1.0

    async def accept(self, drafts: Sequence[Draft]) -> list[Result]:
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

    async def try_out(self, drafts: Sequence[Draft]) -> list[Result]:
        """What would become of the drafts; nothing is kept."""
        results: list[Result] = []
        with contextlib.suppress(_DryRun):
            async with self._context.database.unit_of_work() as unit:
                results += await self._use_case(drafts, unit)
                raise _DryRun
        return results

    async def _flush(self, drafts: Sequence[Draft]) -> Sequence[Result]:
        async with self._context.database.unit_of_work() as unit:
            return await self._use_case(drafts, unit)

    async def _check_outbox(self) -> None:
        """Counted at most once a second, and no further than the bound."""
        if time.monotonic() - self._counted_at < 1:
            return
        limit = self._context.settings.outbox_limit
        async with self._context.database.unit_of_work() as unit:
            count = await unit.connection.fetchval("select count(*) from (select from outbox limit $1)", limit + 1)
        if count > limit:
            raise Unavailable("outbox_full", "The event bus has been away too long; try again later.", retry_after=30)
        self._counted_at = time.monotonic()


async def _unknown_parties(drafts: Sequence[Draft], connection: Connection) -> set[UUID]:
    """Ids of ours nobody has registered. A name of a source system needs no look-up: it is its own id."""
    own = {party.id for draft in drafts for party in draft.document.parties() if party.external_id is None}
    if not own:
        return set()
    return own - {row["party"] for row in await connection.fetch(_KNOWN, list(own))}


def _names(draft: Draft, parties: set[UUID]) -> bool:
    return bool(parties) and any(party.id in parties for party in draft.document.parties())


def _unknown_customer() -> InvalidInput:
    return InvalidInput(
        "unknown_customer",
        "No customer has this id. Register him first, or name him by source and external_id.",
        retry_after=2,
    )


def _is_unknown_customer(result: Result) -> bool:
    return isinstance(result, InvalidInput) and result.code == "unknown_customer"
