"""Republishing: a producer sends all its documents again at their revision, between two markers in every partition.

It may be asked for at any time beside a live system: consumers ignore what they hold already. Who needs it (a new or
emptied consumer, a restored producer) is decided elsewhere.
"""

from datetime import datetime
from typing import Any, Final, NamedTuple

from shared.context import Context
from shared.database.unit_of_work import Connection, UnitOfWork
from shared.errors import Conflict, NotFound, Unavailable
from shared.events import Beat, Marker
from shared.events.markers import Phase
from shared.messaging.document_rows import SELECT, stored_in
from shared.messaging.document_store import DocumentStore, Draft

PAGE: Final = 1000

ROOM: Final = 20_000
"""Rows that may wait in the outbox while a republication goes on: what is new must not queue behind all that is old."""

_LAST_OUT: Final = (Beat.kind, Marker.kind)
"""Beats go last: what they promise has then been sent. Markers say where the others are."""

_REQUEST: Final = """
insert into republication (number, epoch, restored, whole, requested_at, documents)
select coalesce(max(number), 0) + 1, coalesce($1, (select epoch from incarnation), 1), $2, $3, $4, 0
from republication returning number, epoch
"""
# Both wait for who raises the epoch before they lock a row: he will want it.
_NEXT: Final = """
select *, (select epoch from incarnation) as life from republication where completed_at is null
order by number limit 1 for update of republication
"""
_PAGE: Final = f"""
{SELECT} where kind <> all($1) and ($2::uuid is null or id > $2) order by id limit $3
"""
_BEATS: Final = f"{SELECT} where kind = '{Beat.kind}' order by id"
_ROOM: Final = "select count(*) < $1 from (select from outbox limit $1)"
_BEGIN: Final = "update republication set begun_at = $2 where number = $1"
_MOVE: Final = "update republication set last = $2, documents = documents + $3 where number = $1"
_COMPLETE: Final = "update republication set completed_at = $2, documents = documents + $3 where number = $1"
_RESTORE: Final = """
select *, (select epoch from incarnation) as life from republication where restored
order by number desc limit 1 for update of republication
"""
_UNCONFIRMED: Final = "select confirmed_at is null from republication where restored order by number desc limit 1"
# Reading `incarnation` keeps anybody from raising the epoch between this look and the beat.
_RESTORING: Final = """
select exists (select from republication where restored and completed_at is null) and exists (select from incarnation)
"""


class Name(NamedTuple):
    """Which republication of a producer; ascending."""

    epoch: int
    number: int


async def request(unit: UnitOfWork, *, whole: bool = True, epoch: int | None = None, restored: bool = False) -> Name:
    """Ask for a republication; without `whole` only for its markers. What a restore makes void is forgotten."""
    if restored:
        await unit.connection.execute("delete from republication where completed_at is null")
    row = await unit.connection.fetchrow(_REQUEST, epoch, restored, whole, unit.now)
    assert row is not None
    return Name(row["epoch"], row["number"])


async def find(name: Name, connection: Connection) -> Any:
    """The row of one republication, None if there is none."""
    return await connection.fetchrow(
        "select * from republication where number = $1 and epoch = $2", name.number, name.epoch
    )


async def work(store: DocumentStore, context: Context) -> bool:
    """Do a piece of the oldest unfinished republication; returns whether there is more to do at once."""
    async with context.database.unit_of_work() as unit:
        row = await unit.connection.fetchrow(_NEXT)
        if row is None or not await unit.connection.fetchval(_ROOM, ROOM):
            return False
        if row["begun_at"] is None:
            await begin(Name(row["epoch"], row["number"]), store, unit)
            return True
        if row["whole"] and await _send_page(row, store, unit):
            return True
        beats = [stored_in(beat) for beat in await unit.connection.fetch(_BEATS)] if row["whole"] else []
        await store.republish(beats, unit)
        await unit.connection.execute(_COMPLETE, row["number"], unit.now, len(beats))
        await _mark("complete", row["number"], row["begun_at"], store, unit)
        await _repeat_confirmation(store, unit)
        return True


async def begin(name: Name, store: DocumentStore, unit: UnitOfWork) -> None:
    """Write the marker in front of the documents."""
    await unit.connection.execute(_BEGIN, name.number, unit.now)
    await _mark("begun", name.number, unit.now, store, unit)


async def waiting(connection: Connection) -> bool:
    """Whether one is still to be done."""
    return bool(await connection.fetchval("select exists (select from republication where completed_at is null)"))


async def check_not_restoring(connection: Connection) -> None:
    """No beat while a restored producer has not said what it still knows. Raises `republishing`."""
    if await connection.fetchval(_RESTORING):
        message = "This service was restored from a backup and is sending its documents again; try again."
        raise Unavailable("republishing", message, retry_after=10)


async def last_restore(connection: Connection) -> Any:
    """The row of the republication after the last restore, locked; None if there was no restore."""
    return await connection.fetchrow(_RESTORE)


async def unconfirmed(connection: Connection) -> bool:
    """Whether the last restore waits for a person to confirm what it has lost."""
    return bool(await connection.fetchval(_UNCONFIRMED))


async def confirm(store: DocumentStore, unit: UnitOfWork) -> Name:
    """A person has seen what was not republished: it is retracted wherever it is held.

    Raises `never_restored`, `republishing`, `already_confirmed`.
    """
    row = await last_restore(unit.connection)
    if row is None:
        raise NotFound("never_restored", f"The database of {store.producer} was never restored from a backup.")
    if row["completed_at"] is None:
        await check_not_restoring(unit.connection)
    if row["confirmed_at"] is not None:
        raise Conflict("already_confirmed", f"The restore of {store.producer} was confirmed before.")
    await unit.connection.execute(
        "update republication set confirmed_at = $2 where number = $1", row["number"], unit.now
    )
    await _mark("confirmed", row["number"], row["begun_at"], store, unit)
    return Name(row["epoch"], row["number"])


async def _send_page(row: Any, store: DocumentStore, unit: UnitOfWork) -> bool:
    page = await unit.connection.fetch(_PAGE, list(_LAST_OUT), row["last"], PAGE)
    await store.republish([stored_in(document) for document in page], unit)
    if page:
        await unit.connection.execute(_MOVE, row["number"], page[-1]["id"], len(page))
    return len(page) == PAGE


async def _repeat_confirmation(store: DocumentStore, unit: UnitOfWork) -> None:
    """A consumer that begins here must not listen to the former life either."""
    row = await last_restore(unit.connection)
    if row is not None and row["confirmed_at"] is not None:
        await _mark("confirmed", row["number"], row["begun_at"], store, unit)


async def _mark(phase: Phase, number: int, begun_at: datetime, store: DocumentStore, unit: UnitOfWork) -> None:
    marker = Marker(producer=store.producer, phase=phase, number=number, begun_at=begun_at)
    await store.accept([Draft(marker, phase, phase, store.producer, decided=True)], unit)
