"""Warnings that only declared history makes true: counted by the day on which they came, told in one summary a day."""

from collections.abc import Collection
from datetime import date, datetime
from typing import Final
from uuid import UUID

import msgspec

from services.notify.domain import MANAGER, Snapshot
from shared.database.unit_of_work import Connection

_COUNT_IN: Final = """
insert into seeded as held (warning, code, tier, day)
select warning, code, tier, $4 from unnest($1::uuid[], $2::text[], $3::text[]) as new (warning, code, tier)
on conflict (warning) do update set tier = excluded.tier where held.tier <> excluded.tier
returning day
"""
_COUNT_OUT: Final = "delete from seeded where warning = any($1) returning day"
_COUNTS: Final = "select code, count(*) as open from seeded where day = $1 group by code order by code"
_REMOVE: Final = "delete from inbox_line where told = 'summary' and started_at = $1"
_WRITE: Final = """
insert into inbox_line (recipient, told, pushed, at, started_at, numbers)
values ($1, 'summary', false, $2, $3, $4::json)
"""


async def count(seeded: Collection[Snapshot], others: Collection[UUID], today: date, connection: Connection) -> bool:
    """Take in what counts now and drop what does not; returns whether today's count may be another."""
    rows = [(one.id, one.warning.code, one.warning.tier) for one in seeded]
    touched = await connection.fetch(_COUNT_OUT, list(others))
    if rows:
        touched += await connection.fetch(_COUNT_IN, *(list(column) for column in zip(*rows, strict=True)), today)
    return any(row["day"] == today for row in touched)


async def counts(day: date, connection: Connection) -> dict[str, int]:
    """How many warnings that came on a day are still true by history alone, by code."""
    return {row["code"]: row["open"] for row in await connection.fetch(_COUNTS, day)}


async def replace_summary(start: datetime, numbers: dict[str, str], at: datetime, connection: Connection) -> None:
    """Put the summary of the day that begins at `start` on top of the inbox: one line a day, unread again."""
    await connection.execute(_REMOVE, start)
    await connection.execute(_WRITE, MANAGER, at, start, msgspec.json.encode(numbers).decode())
