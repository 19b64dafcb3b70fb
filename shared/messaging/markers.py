"""What a consumer concludes from markers: when a rebuild has everything, and what a restored producer has lost.

Gate: between its closing and the end of a republication begun behind it, documents are incomplete, so nothing that
was judged on all of them may be judged on some. Fence: what a producer did not republish after a restore is retracted
once a person has confirmed it, and whatever its former life still says is dropped.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
import structlog
from prometheus_client import Counter

from shared.database.unit_of_work import Connection
from shared.events import PARTITIONS, PRODUCED_BY, SOURCE_KINDS, Beat, Marker
from shared.events.document import Event, encode
from shared.messaging.projection import decode
from shared.messaging.republication import Name

DROPPED: Final = Counter(
    "consumer_dropped_epochs_total", "Events of a producer's life before its restore", ["producer"]
)

_ALONE: Final = "select pg_advisory_xact_lock(hashtext('forewarn_markers'))"
_SHARED: Final = "select pg_advisory_xact_lock_shared(hashtext('forewarn_markers'))"

_CLOSE: Final = """
insert into marker as held (producer, part, closed, wanted_epoch, wanted_number, complete_epoch, confirmed_epoch)
select $1, part, true, $3, $4, 0, 0 from unnest($2::smallint[]) as part
on conflict (producer, part) do update set closed = true, wanted_epoch = excluded.wanted_epoch,
    wanted_number = excluded.wanted_number, begun_epoch = null, begun_number = null
"""
_BEGUN: Final = """
insert into marker as held (producer, part, closed, wanted_epoch, wanted_number, begun_epoch, begun_number,
    complete_epoch, confirmed_epoch)
values ($1, $2, false, 0, 0, $3, $4, 0, 0)
on conflict (producer, part) do update set begun_epoch = excluded.begun_epoch, begun_number = excluded.begun_number
where (excluded.begun_epoch, excluded.begun_number)
    > (coalesce(held.begun_epoch, 0), coalesce(held.begun_number, 0))
"""
_COMPLETE: Final = """
insert into marker as held (producer, part, closed, wanted_epoch, wanted_number, complete_epoch, confirmed_epoch)
values ($1, $2, false, 0, 0, $3, 0)
on conflict (producer, part) do update set complete_epoch = greatest(held.complete_epoch, excluded.complete_epoch),
    closed = held.closed and not (
        (held.begun_epoch, held.begun_number) is not distinct from ($3, $4)
        and ($3, $4) >= (held.wanted_epoch, held.wanted_number)
    )
"""
_CONFIRMED: Final = """
insert into marker as held (producer, part, closed, wanted_epoch, wanted_number, complete_epoch, confirmed_epoch)
values ($1, $2, false, 0, 0, 0, $3)
on conflict (producer, part) do update set confirmed_epoch = greatest(held.confirmed_epoch, excluded.confirmed_epoch)
"""
_ANY: Final = "select exists (select from marker)"
# Between the beginning of a new epoch and the end of its republication documents of two lives are mixed, and a beat of
# the new one may pass what has not moved back yet: closed as well. The first life has nothing before it.
_PRODUCERS: Final = """
select producer, closed or newest > greatest(complete, 1) as closed, complete, confirmed, newest
from (
    select producer, bool_or(closed) as closed,
        case when count(*) = $1 then min(complete_epoch) else 0 end as complete,
        case when count(*) = $1 then min(confirmed_epoch) else 0 end as confirmed,
        greatest(max(begun_epoch), max(complete_epoch)) as newest
    from marker group by producer
)
"""
_LOST: Final = "select id, kind, data from held_document where kind = any($1) and epoch < $2 order by id"
_REPLACED: Final = """
select held.id, held.kind, held.data, new.epoch
from held_document as held join unnest($1::text[], $2::text[], $3::uuid[], $4::int[]) as new (kind, key, id, epoch)
    using (kind, key)
where held.epoch < new.epoch and held.id <> new.id order by held.id
"""
_TAKEN: Final = """
select new.id from held_document as held join unnest($1::text[], $2::text[], $3::uuid[], $4::int[])
    as new (kind, key, id, epoch) using (kind, key)
where held.epoch > new.epoch and held.id <> new.id
"""
_SILENCED: Final = "delete from beat where of = any($1) and epoch < $2"

ANY: Final = Name(0, 0)
"""Whichever comes first."""

log = structlog.get_logger(__name__)


class State(NamedTuple):
    """What all partitions of one producer's topic have said."""

    closed: bool
    complete: int
    """Epoch of which everything has come; 0: none."""
    confirmed: int
    """Epoch below which nothing counts any more; 0: nothing is so."""
    newest: int
    """The highest epoch of which anything has begun in any partition."""


class Taken(NamedTuple):
    """What is left for the handler of a batch, and whether its documents are complete from now on."""

    events: list[Event]
    opened: bool


async def take(events: Sequence[Event], connection: Connection) -> Taken:
    """Take the markers out of a batch and let them have their effect.

    What a producer lost, and what its former life had under the number of a new document, comes as retractions among
    the events, so that whoever handles documents handles this as well.
    """
    marks = [event for event in events if event.kind == Marker.kind]
    new = _of_new_epoch(events, {})
    if not marks and not new and not await connection.fetchval(_ANY):
        # Most installations have never seen a marker. Who writes the first row here has the cursors locked, or comes
        # with a batch of his own and finds nothing to do yet.
        return Taken(list(events), False)
    # Two members that see the last two partitions at once would each miss the other's; and if one has a lost document,
    # the other its second coming, both would count.
    alone = marks or (new and _of_new_epoch(new, await states(connection)))
    await connection.execute(_ALONE if alone else _SHARED)
    before = await states(connection)
    for event in marks:
        await _remember(event, connection)
    now = await states(connection) if marks else before
    current = _current(events, now)
    retracted = [
        *await _replaced(current, now, connection),
        *await _lost(marks, before, now, connection),
    ]
    current = await _without_replaced(current, now, connection)
    opened = bool(marks) and _any_closed(before) and not _any_closed(now)
    return Taken([*retracted, *current], opened)


async def close(producer: str, parts: Iterable[int], connection: Connection, *, wanted: Name = ANY) -> None:
    """Judge nothing until a republication begun from now on, `wanted` or a later one, has come through these parts."""
    await connection.execute(_CLOSE, producer, sorted(parts), *wanted)


async def share(connection: Connection) -> None:
    """No rebuild begins or ends, and nothing is fenced, until this transaction ends; taken before any other lock."""
    await connection.execute(_SHARED)


async def alone(connection: Connection) -> None:
    """No batch is applied until this transaction ends."""
    await connection.execute(_ALONE)


async def closed(connection: Connection) -> list[str]:
    """Producers of whom documents may be missing until their republication is through; usually none."""
    return sorted(producer for producer, state in (await states(connection)).items() if state.closed)


async def states(connection: Connection) -> dict[str, State]:
    """By producer; who never republished anything has none."""
    rows = await connection.fetch(_PRODUCERS, PARTITIONS)
    return {row["producer"]: State(row["closed"], row["complete"], row["confirmed"], row["newest"]) for row in rows}


async def lost(producer: str, epoch: int, connection: Connection) -> Sequence[Any]:
    """Rows (id, kind, data) of documents held here that the producer did not republish under this epoch."""
    return await connection.fetch(_LOST, list(_kinds(producer)), epoch)


async def _remember(event: Event, connection: Connection) -> None:
    marker = decode(event.kind, event.data)
    assert isinstance(marker, Marker)
    place = (marker.producer, event.partition)
    if marker.phase == "begun":
        await connection.execute(_BEGUN, *place, event.epoch, marker.number)
    elif marker.phase == "complete":
        await connection.execute(_COMPLETE, *place, event.epoch, marker.number)
    else:
        await connection.execute(_CONFIRMED, *place, event.epoch)


def _any_closed(found: Mapping[str, State]) -> bool:
    return any(state.closed for state in found.values())


def _confirmed(producer: str, found: Mapping[str, State]) -> int:
    return found[producer].confirmed if producer in found else 0


def _current(events: Iterable[Event], found: Mapping[str, State]) -> list[Event]:
    """Without markers, and without what the former life of a restored producer says."""
    kept = []
    for event in events:
        if event.kind == Marker.kind:
            continue
        if event.epoch < _confirmed(event.producer, found):
            DROPPED.labels(event.producer).inc()
            continue
        kept.append(event)
    return kept


def _of_new_epoch(events: Iterable[Event], found: Mapping[str, State]) -> list[Event]:
    """Documents of producers that were restored, as long as nobody has confirmed what they lost."""
    return [
        event
        for event in events
        if event.epoch > 1 and event.epoch > _confirmed(event.producer, found) and event.kind != Beat.kind
    ]


async def _replaced(events: Sequence[Event], found: Mapping[str, State], connection: Connection) -> list[Event]:
    """Until the restore is confirmed, a document that comes again under a new id would count beside the lost one."""
    # One that is retracted replaces nothing: a warning that is true again has the number of the one taken back.
    new = [event for event in _of_new_epoch(events, found) if decode(event.kind, event.data).live]
    if not new:
        return []
    producers = {event.kind: event.producer for event in new}
    rows = await connection.fetch(_REPLACED, *_numbers(new))
    at = max(event.recorded_at for event in new)
    return [_retraction(row, producers[row["kind"]], row["epoch"], at) for row in rows]


async def _without_replaced(events: list[Event], found: Mapping[str, State], connection: Connection) -> list[Event]:
    """The lost document may as well come with the one that replaces it, or behind it through another partition."""
    new = _of_new_epoch(events, found)
    newest = {producer: state.newest for producer, state in found.items()}
    for event in new:
        newest[event.producer] = max(event.epoch, newest.get(event.producer, 0))
    old = [event for event in events if event.kind != Beat.kind and event.epoch < newest.get(event.producer, 0)]
    if not old:
        return events
    taken = {row["id"] for row in await connection.fetch(_TAKEN, *_numbers(old))}
    comings: dict[tuple[str, str], tuple[int, UUID]] = {}
    for kind, key, id_, epoch in zip(*_numbers(new), strict=True):
        comings[kind, key] = max((epoch, id_), comings.get((kind, key), (0, id_)))
    for kind, key, id_, epoch in zip(*_numbers(old), strict=True):
        later, other = comings.get((kind, key), (0, id_))
        if later > epoch and other != id_:
            taken.add(id_)
    replaced = {id(event) for event in old if event.id in taken}
    return [event for event in events if id(event) not in replaced]


async def _lost(
    marks: Sequence[Event], before: Mapping[str, State], now: Mapping[str, State], connection: Connection
) -> list[Event]:
    """What is retracted by the confirmation that has come through the last partition."""
    retracted: list[Event] = []
    for producer, state in now.items():
        if state.confirmed > _confirmed(producer, before):
            rows = await lost(producer, state.confirmed, connection)
            at = max(event.recorded_at for event in marks)
            retracted += [_retraction(row, producer, state.confirmed, at) for row in rows]
            sources = {SOURCE_KINDS[kind] for kind in _kinds(producer) & SOURCE_KINDS.keys()}
            await connection.execute(_SILENCED, list(sources), state.confirmed)
            log.warning("lost_documents_retracted", producer=producer, documents=len(rows), epoch=state.confirmed)
    return retracted


def _retraction(row: Any, producer: str, epoch: int, at: datetime) -> Event:
    """Revision 0 of the new epoch: above everything of the old one, below whatever the producer may say itself."""
    document = msgspec.structs.replace(decode(row["kind"], row["data"]), live=False)
    return Event(
        kind=row["kind"],
        reason="retracted",
        id=UUID(int=row["id"].int),
        epoch=epoch,
        revision=0,
        recorded_at=at,
        producer=producer,
        party=None,
        data=encode(document),
    )


def _numbers(events: Sequence[Event]) -> tuple[list[str], list[str], list[UUID], list[int]]:
    """Columns of kind, natural key, id and epoch."""
    return (
        [event.kind for event in events],
        [decode(event.kind, event.data).natural_key for event in events],
        [event.id for event in events],
        [event.epoch for event in events],
    )


def _kinds(producer: str) -> set[str]:
    return {model.kind for model in PRODUCED_BY[producer]} - {Beat.kind, Marker.kind}
