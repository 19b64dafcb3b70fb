"""The producer's side of the protocol: documents with a revision each, and their events, in one transaction.

A change locks the document's row, adds one to its revision and writes document and outbox rows; a request that
changes nothing writes neither; nothing is deleted. What a document means is the service's business.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from shared.database.unit_of_work import Connection, UnitOfWork
from shared.errors import Conflict, NotFound
from shared.events import SOURCE_KINDS, Beat
from shared.events.document import Document, Event, encode
from shared.messaging import outbox
from shared.messaging.document_rows import INSERT, LOCK, PAGE, PAGE_OF_KEY, SELECT, UPDATE, Write, columns_of, stored_in
from shared.messaging.document_rows import Stored as Stored

Key: TypeAlias = tuple[str, str]
"""Kind and natural key."""

Status = Literal["accepted", "amended", "duplicate", "superseded", "differs"]


@dataclass(frozen=True, slots=True)
class Draft:
    """A snapshot somebody sent, not yet compared with what is held under its natural key."""

    document: Document
    reason: str
    amend_reason: str
    source: str
    source_revision: int | None = None
    """Orders what a source sends again: higher amends, equal with other content differs, lower is superseded."""
    id: UUID | None = None
    """Id of the document if it is new and does not take one of ours: a customer's is the same everywhere."""
    decided: bool = False
    """Made of the snapshot held, under its lock: replaces it, and no source revision is asked."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a draft, and the document as it stands now."""

    status: Status
    stored: Stored


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A document of our own as it now is: known by its id alone, because what it says of itself may move."""

    id: UUID
    document: Document
    reason: str


_REVISIONS: Final = "select id, epoch, revision, data from document where id = any($1) order by id for update"
# The lock on `incarnation` that comes with reading it ends with the transaction: nobody raises the epoch in between.
_BEGIN: Final = """
select coalesce((select epoch from incarnation), 1) as epoch,
    array(select key from document where kind = 'beat' and key = any($1)) as known
"""


class _Raced(Exception):
    """Another transaction made one of these documents after we had looked for it."""


class DocumentStore:
    """The documents of one producing service."""

    def __init__(self, producer: str) -> None:
        self.producer = producer

    async def accept(self, drafts: Sequence[Draft], unit: UnitOfWork) -> list[Outcome]:
        """Take snapshots as facts, each against what is held under its natural key. One outcome per draft, in order."""
        epoch = await self._begin(drafts, unit)
        keys = {(draft.document.kind, draft.document.natural_key) for draft in drafts}
        while True:
            try:
                # A savepoint: who begins again gives back every row and key that others may be waiting for.
                async with unit.connection.transaction():
                    held = await self.lock(keys, unit)
                    outcomes, writes = _decide(drafts, held, epoch, unit)
                    await self._write(writes, unit)
            except _Raced:
                continue
            await self._publish(writes.values(), unit)
            return outcomes

    async def put(self, snapshots: Sequence[Snapshot], unit: UnitOfWork) -> list[Stored]:
        """Keep what our documents say now, each at most once; returns those that said something else before, in order.

        Nobody else may make documents under these ids meanwhile. Their events go to whom they name now.
        """
        ids = sorted(snapshot.id for snapshot in snapshots)
        epoch = await self._begin((), unit)
        rows = await unit.connection.fetch(_REVISIONS, ids)
        held = {row["id"]: row for row in rows}
        writes = [
            write for one in snapshots if (write := self._write_of(one, held.get(one.id), epoch, unit)) is not None
        ]
        new = [write for write in writes if write.stored.revision == 1]
        changed = [write for write in writes if write.stored.revision > 1]
        if new and len(await unit.connection.fetch(INSERT, *columns_of(new))) < len(new):
            raise _Raced
        if changed:
            await unit.connection.execute(UPDATE, *columns_of(changed))
        await self._publish(writes, unit)
        return [write.stored for write in writes]

    async def change(
        self, kind: str, id_: UUID, unit: UnitOfWork, change: Callable[[Stored], tuple[Document, str]]
    ) -> Stored:
        """Lock a document and replace its snapshot by what `change` makes of it: (snapshot, reason)."""
        row = await unit.connection.fetchrow(f"{SELECT} where kind = $1 and id = $2 for update", kind, id_)
        if row is None:
            raise not_found(kind)
        stored = stored_in(row)
        document, reason = change(stored)
        if document == stored.document:
            return stored
        if document.natural_key != stored.document.natural_key:
            raise Conflict("identity_changed", "Number and source of a document never change; send a new document.")
        new = _next(stored, document, reason, stored.source_revision, unit.now)
        write = Write(stored=new, source=row["source"], previous=stored.document)
        await unit.connection.execute(UPDATE, *columns_of([write]))
        await self._publish([write], unit)
        return new

    async def retract(self, kind: str, id_: UUID, unit: UnitOfWork) -> Stored:
        """Take back a document that was a mistake: it stays, not live, and counts as if it had never been."""
        return await self.change(
            kind, id_, unit, lambda held: (msgspec.structs.replace(held.document, live=False), "retracted")
        )

    async def lock(self, keys: Iterable[Key], unit: UnitOfWork) -> dict[Key, Stored]:
        """What is held under these (kind, natural key), locked until the transaction ends."""
        wanted = sorted(set(keys))
        rows = await unit.connection.fetch(LOCK, [kind for kind, _ in wanted], [key for _, key in wanted])
        return {(row["kind"], row["key"]): stored_in(row) for row in rows}

    async def get(self, kind: str, id_: UUID, connection: Connection) -> Stored:
        """One document. Raises `<kind>_not_found`."""
        row = await connection.fetchrow(f"{SELECT} where kind = $1 and id = $2", kind, id_)
        if row is None:
            raise not_found(kind)
        return stored_in(row)

    async def some(self, kind: str, ids: Collection[UUID], connection: Connection) -> dict[UUID, Stored]:
        """Those of the documents that exist, by id."""
        rows = await connection.fetch(f"{SELECT} where kind = $1 and id = any($2)", kind, list(ids))
        return {row["id"]: stored_in(row) for row in rows}

    async def find(self, kind: str, key: str, connection: Connection) -> Stored | None:
        """The document with this natural key, if there is one."""
        row = await connection.fetchrow(f"{SELECT} where kind = $1 and key = $2", kind, key)
        return None if row is None else stored_in(row)

    async def of_party(self, kinds: Sequence[str], party: UUID, connection: Connection) -> list[Stored]:
        """Every document of these kinds that names the party, oldest first."""
        rows = await connection.fetch(
            f"{SELECT} where kind = any($1) and (party = $2 or other_party = $2) order by at, id", kinds, party
        )
        return [stored_in(row) for row in rows]

    async def page(
        self,
        kind: str,
        connection: Connection,
        *,
        after: UUID | None,
        limit: int,
        party: UUID | None = None,
        owner: str | None = None,
        key: str | None = None,
    ) -> list[Stored]:
        """Documents of a kind, newest first, below the id `after`; with `owner` those of customers he sees.

        With `key` the one of this natural key, if there is one.
        """
        statement, keys = (PAGE, ()) if key is None else (PAGE_OF_KEY, (key,))
        rows = await connection.fetch(statement, kind, after, party, limit, owner, *keys)
        return [stored_in(row) for row in rows]

    async def republish(self, stored: Sequence[Stored], unit: UnitOfWork) -> None:
        """Send documents again as they are, to whom they name now. Who holds them already is not disturbed."""
        await self._publish([Write(one, self.producer, previous=None) for one in stored], unit)

    async def _begin(self, drafts: Sequence[Draft], unit: UnitOfWork) -> int:
        """The epoch of new documents. The first document of a source makes the source known; until its first beat it
        keeps absence unjudged."""
        wanted = {
            f"{draft.source}/{SOURCE_KINDS[draft.document.kind]}": draft
            for draft in drafts
            if draft.document.kind in SOURCE_KINDS
        }
        row = await unit.connection.fetchrow(_BEGIN, list(wanted))
        assert row is not None
        missing = wanted.keys() - set(row["known"])
        if missing:
            beats = [
                Beat(source=draft.source, of=SOURCE_KINDS[draft.document.kind], activated_at=unit.now)
                for key, draft in wanted.items()
                if key in missing
            ]
            await self.accept([Draft(beat, "activated", "declared", beat.source) for beat in beats], unit)
        return int(row["epoch"])

    async def _write(self, writes: Mapping[Key, Write], unit: UnitOfWork) -> None:
        # In the order of natural keys, so that two flushes with the same new documents cannot wait for each other.
        new = [writes[key] for key in sorted(writes) if writes[key].previous is None]
        changed = [write for write in writes.values() if write.previous is not None]
        if new and len(await unit.connection.fetch(INSERT, *columns_of(new))) < len(new):
            raise _Raced
        if changed:
            await unit.connection.execute(UPDATE, *columns_of(changed))

    def _write_of(self, snapshot: Snapshot, held: Any, epoch: int, unit: UnitOfWork) -> Write | None:
        if held is not None and held["data"] == encode(snapshot.document):
            return None
        epoch, revision = (epoch, 1) if held is None else (held["epoch"], held["revision"] + 1)
        stored = Stored(snapshot.id, epoch, revision, None, snapshot.reason, unit.now, snapshot.document)
        return Write(stored, self.producer, previous=None, key=str(snapshot.id))

    async def _publish(self, writes: Iterable[Write], unit: UnitOfWork) -> None:
        await outbox.append([self._outgoing(write) for write in writes if write.publish], unit)

    def _outgoing(self, write: Write) -> outbox.Outgoing:
        stored = write.stored
        named = [*(write.previous.parties() if write.previous else ()), *stored.document.parties()]
        event = Event(
            kind=stored.document.kind,
            reason=stored.reason,
            id=stored.id,
            epoch=stored.epoch,
            revision=stored.revision,
            recorded_at=stored.recorded_at,
            producer=self.producer,
            party=None,
            data=encode(stored.document),
        )
        return outbox.Outgoing(event, list(dict.fromkeys(party.id for party in named)))


def _decide(
    drafts: Sequence[Draft], held: Mapping[Key, Stored], epoch: int, unit: UnitOfWork
) -> tuple[list[Outcome], dict[Key, Write]]:
    """Outcome per draft, and the last state per document that is to be written."""
    current = dict(held)
    outcomes: list[Outcome] = []
    writes: dict[Key, Write] = {}
    for draft in drafts:
        key = (draft.document.kind, draft.document.natural_key)
        outcome = _compare(draft, current.get(key), epoch, unit)
        outcomes.append(outcome)
        if outcome.stored is not current.get(key):
            current[key] = outcome.stored
            previous = held[key].document if key in held else None
            publish = outcome.status != "duplicate" or (key in writes and writes[key].publish)
            writes[key] = Write(outcome.stored, draft.source, previous, publish)
    return outcomes, writes


def _compare(draft: Draft, held: Stored | None, epoch: int, unit: UnitOfWork) -> Outcome:
    if held is None:
        id_ = draft.id or unit.new_id()
        stored = Stored(id_, epoch, 1, draft.source_revision, draft.reason, unit.now, draft.document)
        return Outcome("accepted", stored)
    sent, known = draft.source_revision, held.source_revision
    if sent is not None and known is not None and sent < known:
        return Outcome("superseded", held)
    if draft.document == held.document:
        # A higher number on the same content is remembered, or a lower one that comes late would count as an amendment.
        return Outcome("duplicate", held if sent in (None, known) else replace(held, source_revision=sent))
    if sent in (None, known) and not draft.decided:
        return Outcome("differs", held)
    return Outcome("amended", _next(held, draft.document, draft.amend_reason, sent, unit.now))


def _next(held: Stored, document: Document, reason: str, source_revision: int | None, now: datetime) -> Stored:
    return Stored(held.id, held.epoch, held.revision + 1, source_revision, reason, now, document)


def not_found(kind: str) -> NotFound:
    """What is answered for a document that does not exist, or not for this caller."""
    return NotFound(f"{kind}_not_found", f"There is no {kind.replace('_', ' ')} with this id.")
