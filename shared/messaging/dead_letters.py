"""Dead letters: records that could not be read or applied, kept whole until a higher revision or a replay frees them.

Open is no flag but a question: not answered by a person, and no revision as high is held. A flag set behind the back
of a transaction that just applied the higher revision would stay for ever.
"""

import re
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from shared.database.unit_of_work import Connection, UnitOfWork
from shared.errors import ForewarnError, NotFound
from shared.events import Beat, cloudevents
from shared.events.document import Event
from shared.messaging.bus import Record

OPEN: Final = """
letter.resolved_at is null and not exists (
    select from held_document as held
    where held.id = letter.document and (held.epoch, held.revision) >= (letter.epoch, letter.revision)
)
"""
"""Condition on `dead_letter as letter`."""

FREEZING: Final = f"{OPEN} and letter.kind is distinct from '{Beat.kind}'"
"""Condition on `dead_letter as letter`: while it is so, absence is not judged. A beat that cannot be read promises
nothing, so it only delays; the next one is a higher revision."""

_STORE: Final = """
insert into dead_letter (topic, part, "offset", key, headers, value, party, kind, document, epoch, revision, code,
    message, stored_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
on conflict (topic, part, "offset") do nothing
"""
_LIST: Final = f"""
select topic, part, "offset", party, kind, document, epoch, revision, code, message, stored_at, resolved_at
from dead_letter as letter where $1 or ({OPEN}) order by stored_at, topic, part, "offset" limit $2
"""
_FIND: Final = 'select * from dead_letter where topic = $1 and part = $2 and "offset" = $3'
_RESOLVE: Final = 'update dead_letter set resolved_at = $4 where topic = $1 and part = $2 and "offset" = $3'
_BEATS_ANSWERED: Final = f"""
update dead_letter as letter set resolved_at = now()
from unnest($1::uuid[], $2::smallint[], $3::int[], $4::int[]) as new (id, part, epoch, revision)
where letter.resolved_at is null and letter.kind = '{Beat.kind}' and letter.document = new.id
    and letter.part = new.part and (letter.epoch, letter.revision) <= (new.epoch, new.revision)
"""
_ANY: Final = f"select exists (select from dead_letter as letter where topic = $1 and ({FREEZING}))"
_COUNT: Final = f"select count(*) as open, min(stored_at) as oldest from dead_letter as letter where {OPEN}"


async def store(record: Record, error: Exception, unit: UnitOfWork) -> None:
    """Keep a record with the error it caused. A letter already stored, open or resolved, stays as it is."""
    event = _readable(record)
    await unit.connection.execute(
        _STORE,
        record.topic,
        record.partition,
        record.offset,
        record.key,
        msgspec.msgpack.encode(record.headers),
        record.value,
        _party(record.key) or (event.party if event else None),
        _storable(event.kind) if event else None,
        event.id if event else None,
        event.epoch if event else None,
        event.revision if event else None,
        code_of(error),
        _storable(str(error))[:500],
        unit.now,
    )


def code_of(error: Exception) -> str:
    """The code of an error of ours, else its class: `bad_snapshot`, `undecodable`, `key_error`."""
    if isinstance(error, ForewarnError):
        return error.code
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", type(error).__name__).lower()


async def listed(connection: Connection, *, resolved: bool = False, limit: int = 500) -> Sequence[Any]:
    """Open letters (with `resolved`: all), oldest first."""
    return await connection.fetch(_LIST, resolved, limit)


async def count_open(connection: Connection) -> Any:
    """How many letters are `open`, and when the `oldest` of them was stored."""
    return await connection.fetchrow(_COUNT)


async def any_freezing(topic: str, connection: Connection) -> bool:
    """Whether documents of a topic could not be read or applied."""
    return bool(await connection.fetchval(_ANY, topic))


async def find(topic: str, part: int, offset: int, connection: Connection) -> Any:
    """One letter, whole. Raises `dead_letter_not_found`."""
    row = await connection.fetchrow(_FIND, topic, part, offset)
    if row is None:
        raise NotFound("dead_letter_not_found", "There is no dead letter at this place.")
    return row


async def resolve(row: Any, unit: UnitOfWork) -> None:
    """Mark a letter as answered; its row stays, so that a rewind does not open it again."""
    await unit.connection.execute(_RESOLVE, row["topic"], row["part"], row["offset"], unit.now)


async def resolve_beats(beats: Sequence[Event], connection: Connection) -> None:
    """Beats that came through their partition answer the letters of those before them in the same partition."""
    await connection.execute(
        _BEATS_ANSWERED,
        [beat.id for beat in beats],
        [beat.partition for beat in beats],
        [beat.epoch for beat in beats],
        [beat.revision for beat in beats],
    )


def _readable(record: Record) -> Event | None:
    try:
        return cloudevents.decode(record.headers, record.value, record.partition)
    except Exception:  # noqa: BLE001 - whatever ails it, it is kept
        return None


def _storable(text: str) -> str:
    """What PostgreSQL takes as text: a letter that cannot be stored would block its partition."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _party(key: bytes | None) -> UUID | None:
    try:
        return None if key is None else UUID(key.decode())
    except ValueError:
        return None
