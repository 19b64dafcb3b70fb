"""The consumer's side of the protocol: documents as held here, the highest revision of each, applied in batches.

Repetition, disorder and replay change nothing: a revision that is not higher is ignored. What follows from a change
is the handler's business; it is told the held and the new snapshot of every document that really changed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

import msgspec
import structlog
from prometheus_client import Counter

from shared.database.unit_of_work import Connection
from shared.events import KINDS, SOURCE_KINDS
from shared.events.document import Document, Event
from shared.events.sources import Beat
from shared.messaging import dead_letters


@dataclass(frozen=True, slots=True)
class Change:
    """A document that changed here: its new snapshot, and the one held before."""

    id: UUID
    document: Document
    previous: Document | None
    recorded_at: datetime

    def parties(self) -> set[UUID]:
        """Everyone whom the previous or the new snapshot names."""
        named = [*self.document.parties(), *(self.previous.parties() if self.previous else ())]
        return {party.id for party in named}


class BadSnapshot(ValueError):
    """The snapshot of an event cannot be read as its kind; the record goes to the dead letters."""


# The upsert locks the documents; the input is sorted by id, so two consumers cannot wait for each other.
_APPLY: Final = """
insert into held_document as held
    (id, kind, key, epoch, revision, party, other_party, at, until, currency, amount, live, known_at, recorded_at, data)
select * from unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::int[], $6::uuid[], $7::uuid[],
    $8::timestamptz[], $9::timestamptz[], $10::text[], $11::bigint[], $12::bool[], $13::timestamptz[],
    $13::timestamptz[], $14::bytea[])
on conflict (id) do update set epoch = excluded.epoch, revision = excluded.revision, party = excluded.party,
    other_party = excluded.other_party, at = excluded.at, until = excluded.until, currency = excluded.currency,
    amount = excluded.amount, live = excluded.live, known_at = least(held.known_at, excluded.known_at),
    recorded_at = excluded.recorded_at, data = excluded.data
where (excluded.epoch, excluded.revision) > (held.epoch, held.revision)
returning new.id, old.data as previous
"""
_BEATS: Final = """
insert into beat as held (source, of, part, epoch, revision, coverage, rhythm_hours, activated_at, retired_at,
    complete_until, recorded_at)
select * from unnest($1::text[], $2::text[], $3::smallint[], $4::int[], $5::int[], $6::text[], $7::int[],
    $8::timestamptz[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[])
on conflict (source, of, part) do update set epoch = excluded.epoch, revision = excluded.revision,
    coverage = excluded.coverage, rhythm_hours = excluded.rhythm_hours, activated_at = excluded.activated_at,
    retired_at = excluded.retired_at, complete_until = excluded.complete_until, recorded_at = excluded.recorded_at
where (excluded.epoch, excluded.revision) > (held.epoch, held.revision)
"""
_DELIVERED: Final = """
insert into party_source (party, of, source)
select * from unnest($1::uuid[], $2::text[], $3::text[]) on conflict do nothing
"""
_HELD_AT: Final = """
select held.id, held.epoch, held.revision, held.data
from held_document as held join unnest($1::uuid[], $2::int[], $3::int[]) as new (id, epoch, revision)
    using (id, epoch, revision)
"""

FORKS: Final = Counter("consumer_forks_total", "Revisions that came with other content than the one held", ["kind"])
for _kind in KINDS:
    # Shown before the first one: of a series that begins with 1 no monitoring sees that it has risen.
    FORKS.labels(_kind)

log = structlog.get_logger(__name__)


# Ids compare themselves in Python, numbers in C: a sixth of the whole consumer (measured).
_as_number: Final = attrgetter("int")


async def apply(events: Sequence[Event], connection: Connection) -> list[Change]:
    """Hold what is newer than what was held; one change per document that really changed.

    Raises `BadSnapshot` if any snapshot cannot be read: nothing of the batch may then be kept.
    """
    await _apply_beats([event for event in events if event.kind == Beat.kind], connection)
    documents = [event for event in events if event.kind != Beat.kind]
    if not documents:
        return []
    newest = _newest(documents)
    snapshots = [_decode(event) for event in newest]
    rows = [_row(event, snapshot) for event, snapshot in zip(newest, snapshots, strict=True)]
    changed = await connection.fetch(_APPLY, *(list(column) for column in zip(*rows, strict=True)))
    places = {event.id: place for place, event in enumerate(newest)}
    applied = [(row, places[row["id"]]) for row in changed]
    await _remember_sources([snapshots[place] for _, place in applied], connection)
    if len(applied) < len(documents):
        new = {id(newest[place]) for _, place in applied}
        await _look_for_forks([event for event in documents if id(event) not in new], connection)
    return [_change(row, newest[place], snapshots[place]) for row, place in applied]


def _newest(events: Iterable[Event]) -> list[Event]:
    """The highest revision per document, by id: PostgreSQL refuses to upsert a row twice in one statement."""
    newest: dict[UUID, Event] = {}
    for event in events:
        held = newest.get(event.id)
        if held is None or event.version > held.version:
            newest[event.id] = event
    return [newest[id_] for id_ in sorted(newest, key=_as_number)]


def decode(kind: str, data: bytes) -> Document:
    """A snapshot as its kind. Raises `BadSnapshot`."""
    model = KINDS.get(kind)
    if model is None:
        raise BadSnapshot(f"kind {kind!r} is not known here")
    try:
        return msgspec.json.decode(data, type=model)
    except msgspec.MsgspecError as error:
        raise BadSnapshot(f"{kind}: {error}") from None


def _decode(event: Event) -> Document:
    return decode(event.kind, event.data)


def _row(event: Event, document: Document) -> tuple[Any, ...]:
    parties = document.parties()
    currency, amount = document.sums()
    return (
        event.id,
        event.kind,
        document.natural_key,
        event.epoch,
        event.revision,
        parties[0].id if parties else None,
        parties[1].id if len(parties) > 1 else None,
        document.at,
        document.until,
        currency,
        amount,
        document.live,
        event.recorded_at,
        event.data,
    )


def _change(row: Any, event: Event, document: Document) -> Change:
    previous = None if row["previous"] is None else decode(event.kind, row["previous"])
    return Change(id=event.id, document=document, previous=previous, recorded_at=event.recorded_at)


async def _apply_beats(events: Sequence[Event], connection: Connection) -> None:
    newest: dict[tuple[str, str, int], tuple[Event, Beat]] = {}
    for event in events:
        beat = _decode(event)
        assert isinstance(beat, Beat)
        place = (beat.source, beat.of, event.partition)
        if place not in newest or event.version > newest[place][0].version:
            newest[place] = (event, beat)
    if newest:
        rows = [
            (
                *place,
                event.epoch,
                event.revision,
                beat.coverage,
                beat.rhythm_hours,
                beat.activated_at,
                beat.retired_at,
                beat.complete_until,
                event.recorded_at,
            )
            for place, (event, beat) in sorted(newest.items(), key=lambda item: item[0])
        ]
        await connection.execute(_BEATS, *(list(column) for column in zip(*rows, strict=True)))
        await dead_letters.resolve_beats([event for event, _ in newest.values()], connection)


async def _remember_sources(documents: Iterable[Document], connection: Connection) -> None:
    """Which sources have delivered which kinds for whom: a `named` source is asked only about those."""
    delivered = {
        (party.id, SOURCE_KINDS[document.kind], document.source)  # type: ignore[attr-defined]
        for document in documents
        if document.kind in SOURCE_KINDS
        for party in document.parties()
    }
    if delivered:
        rows = sorted(delivered, key=lambda row: (row[0].int, row[1:]))
        await connection.execute(_DELIVERED, *(list(column) for column in zip(*rows, strict=True)))


async def _look_for_forks(repeated: Sequence[Event], connection: Connection) -> None:
    """One revision with two contents: its producer was restored from a backup without a new epoch. Only a person can
    tell which is true, so it is said aloud and what was held stays."""
    if not repeated:
        return
    columns = [[event.id for event in repeated], [event.epoch for event in repeated]]
    rows = await connection.fetch(_HELD_AT, *columns, [event.revision for event in repeated])
    held = {(row["id"], row["epoch"], row["revision"]): row["data"] for row in rows}
    for event in repeated:
        if held.get((event.id, *event.version), event.data) != event.data:
            FORKS.labels(event.kind).inc()
            log.error("fork", kind=event.kind, document=str(event.id), revision=event.revision)
