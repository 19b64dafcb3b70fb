"""Emptying what a consumer made of events, so that it is made again. Who sends them again is decided elsewhere."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from shared.database.unit_of_work import UnitOfWork
from shared.events import PARTITIONS
from shared.messaging import markers
from shared.messaging.bus import TopicPartition
from shared.messaging.republication import Name

_LOCK: Final = "select from cursor order by topic, part for update"
_EMPTY: Final = "truncate held_document, party_source, beat"
# Whether they are answered is asked of the documents that come again.
_REOPEN: Final = "update dead_letter set resolved_at = null where resolved_at is not null"
_MOVE: Final = """
insert into cursor (topic, part, next_offset) select * from unnest($1::text[], $2::smallint[], $3::bigint[])
on conflict (topic, part) do update set next_offset = excluded.next_offset
"""


async def hold(unit: UnitOfWork) -> None:
    """Nobody applies anything until this transaction ends."""
    await unit.connection.execute(_LOCK)
    await markers.alone(unit.connection)


async def empty(
    starts: Mapping[TopicPartition, int],
    wanted: Mapping[str, Name],
    forget: Callable[[UnitOfWork], Awaitable[None]] | None,
    unit: UnitOfWork,
) -> None:
    """Hold nothing any more and go on at `starts`; judge nothing until the republication `wanted` of each producer.

    If that was asked for before `hold`, it may end in front of documents that were judged already.

    Consumers at work lose their batch when they find the cursor moved, which the markers make them look at.
    """
    await hold(unit)
    for producer, name in sorted(wanted.items()):
        await markers.close(producer, range(PARTITIONS), unit.connection, wanted=name)
    if forget is not None:
        await forget(unit)
    await unit.connection.execute(_EMPTY)
    await unit.connection.execute(_REOPEN)
    places = sorted(starts)
    await unit.connection.execute(
        _MOVE,
        [where.topic for where in places],
        [where.partition for where in places],
        [starts[where] for where in places],
    )
