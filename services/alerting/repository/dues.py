"""When groups must be judged although no document changes, and which of them may be ready now."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from typing import Final, NamedTuple
from uuid import UUID

from services.alerting.domain import Due
from shared.database.unit_of_work import Connection
from shared.events import PARTITIONS
from shared.messaging.dead_letters import FREEZING
from shared.messaging.partitions import partition_of

_MARK: Final = f"""
select hashtextextended(concat_ws('|',
    (select string_agg(concat_ws('/', source, of, part, epoch, revision), ',' order by source, of, part) from beat),
    (select concat_ws('/', count(*), min(stored_at), max(stored_at)) from dead_letter as letter where {FREEZING}),
    (select string_agg(concat_ws('/', producer, part), ',' order by producer, part) from marker where closed)
), 0)
"""
_SAVE: Final = """
insert into due (root, code, part, settled, at, looked)
select *, $6 from unnest($1::uuid[], $2::text[], $3::smallint[], $4::date[], $5::timestamptz[])
on conflict (root, code) do update set settled = excluded.settled, at = excluded.at, looked = excluded.looked
"""
_DELETE: Final = (
    "delete from due using unnest($1::uuid[], $2::text[]) as old (root, code) where "
    "(due.root, due.code) = (old.root, old.code)"
)
_READY: Final = """
select due.root from unnest($1::text[], $2::smallint[], $3::date[]) as ceiling (code, part, day)
    join due using (code, part) where due.settled <= ceiling.day and due.looked <> $4
union select root from due where at <= $5
limit $6
"""


class Ceiling(NamedTuple):
    """No group of this partition can be judged beyond `day` by this rule."""

    code: str
    part: int
    day: date


class DueRow(NamedTuple):
    """When a group is due by one rule."""

    root: UUID
    code: str
    due: Due


async def mark(connection: Connection) -> int:
    """A number that is another whenever a beat, a dead letter or a rebuild may have moved somebody's horizon.

    To be read before the horizons: a row that bears it has been judged by these beats and letters or newer ones.
    """
    found: int = await connection.fetchval(_MARK)
    return found


async def save(rows: Sequence[DueRow], looked: int, connection: Connection) -> None:
    """Write when groups are due; under the lock of their roots."""
    ordered = sorted(rows, key=lambda row: (row.root.int, row.code))
    if ordered:
        await connection.execute(
            _SAVE,
            [row.root for row in ordered],
            [row.code for row in ordered],
            [partition_of(str(row.root).encode(), PARTITIONS) for row in ordered],
            [row.due.settled for row in ordered],
            [row.due.at for row in ordered],
            looked,
        )


async def delete(rows: Iterable[tuple[UUID, str]], connection: Connection) -> None:
    """Forget that groups are due."""
    found = list(rows)
    if found:
        await connection.execute(_DELETE, [root for root, _ in found], [code for _, code in found])


async def forget(connection: Connection) -> None:
    """Nobody is due."""
    await connection.execute("truncate due")


async def ready(
    ceilings: Collection[Ceiling], looked: int, now: datetime, limit: int, connection: Connection
) -> list[UUID]:
    """Roots that may have something to judge, but for those already looked at under this mark."""
    columns = [list(column) for column in zip(*ceilings, strict=True)] or [[], [], []]
    return [row["root"] for row in await connection.fetch(_READY, *columns, looked, now, limit)]
