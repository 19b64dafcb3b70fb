"""Dead letters: records that could not be read or applied, kept whole until a higher revision or a replay frees them.

While a customer has an open one his horizon stands still; without a readable key the whole partition's does.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from shared.database.unit_of_work import Connection, UnitOfWork
from shared.errors import NotFound
from shared.events import cloudevents
from shared.events.document import Event
from shared.messaging.bus import Record

_STORE: Final = """
insert into dead_letter (topic, part, "offset", key, headers, value, party, kind, document, epoch, revision, code,
    message, stored_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
on conflict (topic, part, "offset") do nothing
"""
_LIST: Final = """
select topic, part, "offset", party, kind, document, revision, code, message, stored_at, resolved_at
from dead_letter where $1 or resolved_at is null order by stored_at, topic, part, "offset" limit $2
"""


async def store(record: Record, code: str, message: str, unit: UnitOfWork) -> None:
    """Keep a record. A letter already stored, open or resolved, stays as it is."""
    event = _readable(record)
    await unit.connection.execute(
        _STORE,
        record.topic,
        record.partition,
        record.offset,
        record.key,
        msgspec.msgpack.encode(record.headers),
        record.value,
        _party(record.key),
        event.kind if event else None,
        event.id if event else None,
        event.epoch if event else None,
        event.revision if event else None,
        code,
        message[:500],
        unit.now,
    )


async def listed(connection: Connection, *, resolved: bool = False, limit: int = 500) -> Sequence[Any]:
    """Open letters (with `resolved`: all), oldest first."""
    return await connection.fetch(_LIST, resolved, limit)


async def find(topic: str, part: int, offset: int, connection: Connection) -> Any:
    """One letter, whole. Raises `dead_letter_not_found`."""
    row = await connection.fetchrow(
        'select * from dead_letter where topic = $1 and part = $2 and "offset" = $3', topic, part, offset
    )
    if row is None:
        raise NotFound("dead_letter_not_found", "There is no dead letter at this place.")
    return row


def event_of(row: Any) -> Event:
    """The event in a letter. Raises `Undecodable`."""
    headers = msgspec.msgpack.decode(row["headers"], type=cloudevents.Headers)
    return cloudevents.decode(headers, row["value"], row["part"])


async def resolve(row: Any, unit: UnitOfWork) -> None:
    """Mark a letter as answered; its row stays, so that a rewind does not open it again."""
    await unit.connection.execute(
        'update dead_letter set resolved_at = $4 where topic = $1 and part = $2 and "offset" = $3',
        row["topic"],
        row["part"],
        row["offset"],
        unit.now,
    )


def _readable(record: Record) -> Event | None:
    try:
        return cloudevents.decode(record.headers, record.value, record.partition)
    except cloudevents.Undecodable:
        return None


def _party(key: bytes | None) -> UUID | None:
    try:
        return None if key is None else UUID(key.decode())
    except ValueError:
        return None
