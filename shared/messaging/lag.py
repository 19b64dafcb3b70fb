"""How far a consumer is behind: by the cursors in its own database, whoever of the group holds which partition."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from shared.database.unit_of_work import Connection
from shared.events import cloudevents
from shared.messaging.bus import Bounds, Bus, TopicPartition

_CURSORS: Final = "select topic, part, next_offset from cursor where topic = any($1)"


async def positions(topics: Sequence[str], connection: Connection) -> dict[TopicPartition, int]:
    """The next offset of every partition that was begun."""
    rows = await connection.fetch(_CURSORS, list(topics))
    return {TopicPartition(row["topic"], row["part"]): row["next_offset"] for row in rows}


def unread(where: TopicPartition, known: Mapping[TopicPartition, int], bounds: Bounds) -> tuple[int, int]:
    """The offset that comes next, and how many records there are from it on."""
    position = known.get(where, bounds.first)
    return position, max(0, bounds.next - position)


def is_stopped(where: TopicPartition, known: Mapping[TopicPartition, int], bounds: Bounds) -> bool:
    """The log does not have what comes next: its history was trimmed, or the topic was made anew."""
    return where in known and not bounds.first <= known[where] <= bounds.next


async def recorded_at(where: TopicPartition, offset: int, bus: Bus) -> datetime | None:
    """When the event at this place was recorded; None if the record cannot be read, which its consumer will say."""
    for record in await bus.read(where, offset, 1):
        try:
            return cloudevents.decode(record.headers, record.value, record.partition).recorded_at
        except cloudevents.Undecodable:
            return None
    return None
