"""The producer's side of the protocol: documents with a revision each, and their events, in one transaction.

A change locks the document's row, adds one to its revision and writes document and outbox rows; a request that
changes nothing writes neither; nothing is deleted. What a document means is the service's business.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from shared.database.unit_of_work import Connection, UnitOfWork
from shared.errors import Conflict, NotFound
from shared.events import KINDS, SOURCE_KINDS, Beat
from shared.events.document import Document, Event, encode
from shared.messaging import outbox
from shared.messaging.customers import VISIBLE

EPOCH: Final = 1
"""Raised when a producer is restored from an older backup."""

Status = Literal["accepted", "amended", "duplicate", "superseded", "differs"]


@dataclass(frozen=True, slots=True)
class Stored:
    """A document as this service holds it, with its place in the order of its revisions."""

    id: UUID
    epoch: int
    revision: int
    source_revision: int | None
    reason: str
    recorded_at: datetime
    document: Document

    @property
    def etag(self) -> str:
        return f"{self.epoch}.{self.revision}"


@dataclass(frozen=True, slots=True)
class Draft:
    """A snapshot somebody sent, not yet compared with what is held under its natural key."""

    document: Document
    reason: str
    amend_reason: str
    source: str
    source_revision: int | None = None
    """Orders what a source sends again: higher amends, equal with other content differs, lower is superseded."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a draft, and the document as it stands now."""

    status: Status
    stored: Stored


@dataclass(slots=True)
class _Write:
    stored: Stored
    source: str
    previous: Document | None


_COLUMNS = (
    "id, kind, key, source, epoch, revision, source_revision, reason, party, other_party, at, currency, amount, "
    "live, recorded_at, data"
)
_SELECT = f"select {_COLUMNS} from document"
_UNNEST = (
    "unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::int[], $6::int[], $7::bigint[], $8::text[], "
    "$9::uuid[], $10::uuid[], $11::timestamptz[], $12::text[], $13::bigint[], $14::bool[], $15::timestamptz[], "
    f"$16::bytea[]) as new ({_COLUMNS})"
)
_INSERT = f"""
insert into document ({_COLUMNS}) select {_COLUMNS} from {_UNNEST}
on conflict (kind, key) do nothing returning id
"""
_UPDATE = f"""
update document set epoch = new.epoch, revision = new.revision, source_revision = new.source_revision,
    reason = new.reason, party = new.party, other_party = new.other_party, at = new.at, currency = new.currency,
    amount = new.amount, live = new.live, recorded_at = new.recorded_at, data = new.data
from {_UNNEST} where document.id = new.id
"""
_PAGE = f"""
{_SELECT} where kind = $1 and ($2::uuid is null or id < $2)
    and ($3::uuid is null or party = $3 or other_party = $3)
    and ($5::text is null or party in ({VISIBLE.format(owner="$5")}) or other_party in ({VISIBLE.format(owner="$5")}))
order by id desc limit $4
"""
# In the order of ids, so that two flushes with the same documents cannot wait for each other.
_LOCK = f"""
{_SELECT} where (kind, key) in (select * from unnest($1::text[], $2::text[])) order by id for update
"""


class DocumentStore:
    """The documents of one producing service."""

    def __init__(self, producer: str) -> None:
        self.producer = producer

    async def accept(self, drafts: Sequence[Draft], unit: UnitOfWork) -> list[Outcome]:
        """Take snapshots as facts, each against what is held under its natural key. One outcome per draft, in order."""
        await self._register_sources(drafts, unit)
        held = await self._lock([(draft.document.kind, draft.document.natural_key) for draft in drafts], unit)
        while True:
            outcomes, writes = _decide(drafts, held, unit)
            lost = await self._write(writes, unit)
            if not lost:
                await self._publish(writes.values(), unit)
                return outcomes
            # Another transaction made these documents meanwhile; it has committed, so now they can be locked.
            held |= await self._lock(lost, unit)

    async def change(
        self, kind: str, id_: UUID, unit: UnitOfWork, change: Callable[[Stored], tuple[Document, str]]
    ) -> Stored:
        """Lock a document and replace its snapshot by what `change` makes of it: (snapshot, reason)."""
        row = await unit.connection.fetchrow(f"{_SELECT} where kind = $1 and id = $2 for update", kind, id_)
        if row is None:
            raise _not_found(kind)
        stored = _stored(row)
        document, reason = change(stored)
        if encode(document) == row["data"]:
            return stored
        if document.natural_key != stored.document.natural_key:
            raise Conflict("identity_changed", "Number and source of a document never change; send a new document.")
        new = _next(stored, document, reason, stored.source_revision, unit.now)
        write = _Write(stored=new, source=row["source"], previous=stored.document)
        await unit.connection.execute(_UPDATE, *_columns([write]))
        await self._publish([write], unit)
        return new

    async def retract(self, kind: str, id_: UUID, unit: UnitOfWork) -> Stored:
        """Take back a document that was a mistake: it stays, not live, and counts as if it had never been."""
        return await self.change(
            kind, id_, unit, lambda held: (msgspec.structs.replace(held.document, live=False), "retracted")
        )

    async def get(self, kind: str, id_: UUID, connection: Connection) -> Stored:
        """One document. Raises `<kind>_not_found`."""
        row = await connection.fetchrow(f"{_SELECT} where kind = $1 and id = $2", kind, id_)
        if row is None:
            raise _not_found(kind)
        return _stored(row)

    async def find(self, kind: str, key: str, connection: Connection) -> Stored | None:
        """The document with this natural key, if there is one."""
        row = await connection.fetchrow(f"{_SELECT} where kind = $1 and key = $2", kind, key)
        return None if row is None else _stored(row)

    async def of_party(self, kinds: Sequence[str], party: UUID, connection: Connection) -> list[Stored]:
        """Every document of these kinds that names the party, oldest first."""
        rows = await connection.fetch(
            f"{_SELECT} where kind = any($1) and (party = $2 or other_party = $2) order by at, id", kinds, party
        )
        return [_stored(row) for row in rows]

    async def page(
        self,
        kind: str,
        connection: Connection,
        *,
        after: UUID | None,
        limit: int,
        party: UUID | None = None,
        owner: str | None = None,
    ) -> list[Stored]:
        """Documents of a kind, newest first, below the id `after`; with `owner` those of customers he sees."""
        rows = await connection.fetch(_PAGE, kind, after, party, limit, owner)
        return [_stored(row) for row in rows]

    async def _register_sources(self, drafts: Sequence[Draft], unit: UnitOfWork) -> None:
        """The first document of a source makes the source known; until its first beat it keeps absence unjudged."""
        wanted = {
            f"{draft.source}/{SOURCE_KINDS[draft.document.kind]}": draft
            for draft in drafts
            if draft.document.kind in SOURCE_KINDS
        }
        if not wanted:
            return
        known = await unit.connection.fetch(
            "select key from document where kind = 'beat' and key = any($1)", list(wanted)
        )
        missing = wanted.keys() - {row["key"] for row in known}
        if missing:
            beats = [
                Beat(source=draft.source, of=SOURCE_KINDS[draft.document.kind], activated_at=unit.now)
                for key, draft in wanted.items()
                if key in missing
            ]
            await self.accept([Draft(beat, "activated", "declared", beat.source) for beat in beats], unit)

    async def _lock(self, keys: Iterable[tuple[str, str]], unit: UnitOfWork) -> dict[tuple[str, str], Stored]:
        wanted = sorted(set(keys))
        rows = await unit.connection.fetch(_LOCK, [kind for kind, _ in wanted], [key for _, key in wanted])
        return {(row["kind"], row["key"]): _stored(row) for row in rows}

    async def _write(self, writes: dict[tuple[str, str], _Write], unit: UnitOfWork) -> list[tuple[str, str]]:
        """Insert and update; returns the natural keys somebody else inserted first (then nothing may be kept)."""
        # In the order of natural keys, so that two flushes with the same new documents cannot wait for each other.
        new = [writes[key] for key in sorted(writes) if writes[key].previous is None]
        changed = [write for write in writes.values() if write.previous is not None]
        if new:
            inserted = {row["id"] for row in await unit.connection.fetch(_INSERT, *_columns(new))}
            lost = [write for write in new if write.stored.id not in inserted]
            if lost:
                # They were never committed: the whole batch is decided again once the others' rows are locked.
                await unit.connection.execute("delete from document where id = any($1)", list(inserted))
                return [(write.stored.document.kind, write.stored.document.natural_key) for write in lost]
        if changed:
            await unit.connection.execute(_UPDATE, *_columns(changed))
        return []

    async def _publish(self, writes: Iterable[_Write], unit: UnitOfWork) -> None:
        await outbox.append([self._outgoing(write) for write in writes], unit)

    def _outgoing(self, write: _Write) -> outbox.Outgoing:
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
    drafts: Sequence[Draft], held: dict[tuple[str, str], Stored], unit: UnitOfWork
) -> tuple[list[Outcome], dict[tuple[str, str], _Write]]:
    """Outcome per draft, and the last state per document that is to be written."""
    before = dict(held)
    current = dict(held)
    outcomes: list[Outcome] = []
    writes: dict[tuple[str, str], _Write] = {}
    for draft in drafts:
        key = (draft.document.kind, draft.document.natural_key)
        outcome = _compare(draft, current.get(key), unit)
        outcomes.append(outcome)
        if outcome.status in ("accepted", "amended"):
            current[key] = outcome.stored
            previous = before.get(key)
            writes[key] = _Write(outcome.stored, draft.source, previous.document if previous else None)
    return outcomes, writes


def _compare(draft: Draft, held: Stored | None, unit: UnitOfWork) -> Outcome:
    if held is None:
        stored = Stored(unit.new_id(), EPOCH, 1, draft.source_revision, draft.reason, unit.now, draft.document)
        return Outcome("accepted", stored)
    if draft.document == held.document and draft.source_revision in (None, held.source_revision):
        return Outcome("duplicate", held)
    sent, known = draft.source_revision, held.source_revision
    if sent is None or sent == known:
        return Outcome("differs", held)
    if known is not None and sent < known:
        return Outcome("superseded", held)
    return Outcome("amended", _next(held, draft.document, draft.amend_reason, sent, unit.now))


def _next(held: Stored, document: Document, reason: str, source_revision: int | None, now: datetime) -> Stored:
    return Stored(held.id, EPOCH, held.revision + 1, source_revision, reason, now, document)


def _stored(row: Any) -> Stored:
    document = msgspec.json.decode(row["data"], type=KINDS[row["kind"]])
    return Stored(
        row["id"],
        row["epoch"],
        row["revision"],
        row["source_revision"],
        row["reason"],
        row["recorded_at"],
        document,
    )


def _columns(writes: Sequence[_Write]) -> tuple[list[Any], ...]:
    rows = [_row(write) for write in writes]
    return tuple(list(column) for column in zip(*rows, strict=True))


def _row(write: _Write) -> tuple[Any, ...]:
    stored, document = write.stored, write.stored.document
    parties = document.parties()
    currency, amount = document.sums()
    return (
        stored.id,
        document.kind,
        document.natural_key,
        write.source,
        stored.epoch,
        stored.revision,
        stored.source_revision,
        stored.reason,
        parties[0].id if parties else None,
        parties[1].id if len(parties) > 1 else None,
        document.at,
        currency,
        amount,
        document.live,
        stored.recorded_at,
        encode(document),
    )


def _not_found(kind: str) -> NotFound:
    return NotFound(f"{kind}_not_found", f"There is no {kind.replace('_', ' ')} with this id.")
