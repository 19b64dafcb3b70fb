"""Sources of a producing service: what they declare per kind, and the beats that say "everything up to then is here".

A beat is a document with one row in every partition, so it arrives behind the documents it covers.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from shared.context import Context
from shared.database.unit_of_work import Connection, UnitOfWork
from shared.errors import InvalidInput, NotFound
from shared.events import SOURCE_KINDS
from shared.events.document import Document
from shared.events.sources import Beat, Coverage, SourceKind
from shared.messaging import republication
from shared.messaging.document_store import DocumentStore, Draft, Stored

SETTLE: Final = timedelta(hours=24)
"""A source without a rhythm is taken to be complete up to a day ago ..."""

PAGE: Final = 500

REACH: Final = timedelta(hours=72)
"""... but never further than this behind its last document: a feed that died promises nothing."""

# Business time of the document accepted last (ids ascend), not the latest business time nor when it was accepted: in a
# feed of history only this says how far it has come. While old documents come late it stands; it never goes back.
_LAST: Final = "select at from document where kind = any($1) and source = $2 order by id desc limit 1"


async def declare(
    store: DocumentStore,
    unit: UnitOfWork,
    *,
    source: str,
    of: SourceKind,
    coverage: Coverage,
    rhythm_hours: int | None,
) -> Stored:
    """Say whom a source serves and how often it beats; registers it if it is new, takes it back from retirement."""
    wanted = Beat(source=source, of=of, coverage=coverage, rhythm_hours=rhythm_hours, activated_at=unit.now)
    outcome = (await store.accept([Draft(wanted, "activated", "declared", source)], unit))[0]
    if outcome.status != "differs":
        return outcome.stored

    def redeclare(held: Stored) -> tuple[Document, str]:
        beat = _beat(held)
        changed = msgspec.structs.replace(beat, coverage=coverage, rhythm_hours=rhythm_hours, retired_at=None)
        return changed, "declared"

    return await store.change(Beat.kind, outcome.stored.id, unit, redeclare)


async def advance(
    store: DocumentStore, unit: UnitOfWork, *, source: str, of: SourceKind, complete_until: datetime
) -> Stored:
    """Everything with a business time before `complete_until` has been answered. A lower promise changes nothing.

    Raises `date_in_future`: nobody can know today what will be ordered tomorrow. Raises `source_not_found`, and
    `republishing` after a restore.
    """
    await republication.check_not_restoring(unit.connection)
    if complete_until > unit.now:
        raise InvalidInput("date_in_future", "A beat promises the past: complete_until must not be later than now.")
    held = await _get(store, source, of, unit.connection)

    def beat(stored: Stored) -> tuple[Document, str]:
        document = _beat(stored)
        if document.complete_until is not None and document.complete_until >= complete_until:
            return document, stored.reason
        return msgspec.structs.replace(document, complete_until=complete_until), "advanced"

    return await store.change(Beat.kind, held.id, unit, beat)


async def retire(store: DocumentStore, unit: UnitOfWork, *, source: str, of: SourceKind) -> Stored:
    """The source delivers this kind no more; it holds no horizon back from now on. Raises `source_not_found`."""
    held = await _get(store, source, of, unit.connection)

    def end(stored: Stored) -> tuple[Document, str]:
        document = _beat(stored)
        if document.retired_at is not None:
            return document, stored.reason
        return msgspec.structs.replace(document, retired_at=unit.now), "retired"

    return await store.change(Beat.kind, held.id, unit, end)


async def beat_without_rhythm(store: DocumentStore, context: Context) -> bool:
    """The job that beats for sources which promise no rhythm, at min(a day ago, last document + 72 hours).

    A page of sources at a time; the newest are looked at first.
    """
    after: UUID | None = None
    while True:
        async with context.database.unit_of_work() as unit:
            page = await store.page(Beat.kind, unit.connection, after=after, limit=PAGE)
            for stored in page:
                await _beat_for(_beat(stored), store, unit)
        if len(page) < PAGE:
            return False
        after = page[-1].id


async def _beat_for(beat: Beat, store: DocumentStore, unit: UnitOfWork) -> None:
    if beat.rhythm_hours is not None or beat.retired_at is not None:
        return
    kinds = [kind for kind, of in SOURCE_KINDS.items() if of == beat.of]
    last: datetime | None = await unit.connection.fetchval(_LAST, kinds, beat.source)
    if last is not None:
        until = min(unit.now - SETTLE, last + REACH)
        await advance(store, unit, source=beat.source, of=beat.of, complete_until=until)


async def _get(store: DocumentStore, source: str, of: SourceKind, connection: Connection) -> Stored:
    held = await store.find(Beat.kind, f"{source}/{of}", connection)
    if held is None:
        raise NotFound("source_not_found", "This source has neither been declared nor sent a document of this kind.")
    return held


def _beat(stored: Stored) -> Beat:
    assert isinstance(stored.document, Beat)
    return stored.document
