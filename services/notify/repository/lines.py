"""Lines of the inboxes: written in one go, read by page or from an id on, marked as read by each reader for himself."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

import msgspec

from services.notify.domain import Line, Told
from shared.database.unit_of_work import Connection
from shared.events import Party
from shared.events.alerting import Tier
from shared.events.wording import numbers_of

CHANNEL: Final = "forewarn_inbox"
"""Woken when there are new lines."""

LAST: Final = 2**63 - 1

_WRITE: Final = """
insert into inbox_line (recipient, told, pushed, at, started_at, numbers, warning, revision, code, scope, tier, party,
    source, external_id, end_reason)
select recipient, told, pushed, $15, started_at, numbers, warning, revision, code, scope, tier, party, source,
    external_id, end_reason
from unnest($1::text[], $2::text[], $3::bool[], $4::timestamptz[], $5::json[], $6::uuid[], $7::int[], $8::text[],
    $9::text[], $10::text[], $11::uuid[], $12::text[], $13::text[], $14::text[]) with ordinality
    as new (recipient, told, pushed, started_at, numbers, warning, revision, code, scope, tier, party, source,
        external_id, end_reason, place)
order by place
"""
# One index scan for each inbox: a plain `recipient = any(...)` would read and sort all its lines.
_BEHIND: Final = """
select line.*, exists (select from inbox_read where person = $2 and inbox_read.line = line.id) as read
from unnest($1::text[]) as box (name) cross join lateral (
    select * from inbox_line where recipient = box.name and id < $3
        and not ($4 and exists (select from inbox_read where person = $2 and inbox_read.line = inbox_line.id))
    order by id desc limit $5
) as line
order by line.id desc limit $5
"""
_AFTER: Final = """
select line.*, exists (select from inbox_read where person = $2 and inbox_read.line = line.id) as read
from unnest($1::text[]) as box (name) cross join lateral (
    select * from inbox_line where recipient = box.name and id > $3 order by id limit $4
) as line
order by line.id limit $4
"""
_AFTER_ANYONES: Final = "select *, false as read from inbox_line where id > $1 order by id limit $2"
_END: Final = "select coalesce(max(id), 0) from inbox_line"
_READ: Final = """
with mine as (select id from inbox_line where id = $2 and recipient = any($3)),
    marked as (insert into inbox_read (person, line) select $1, id from mine on conflict do nothing)
select exists (select from mine)
"""
_READ_UP_TO: Final = """
insert into inbox_read (person, line)
select $1, id from inbox_line where recipient = any($3) and id <= $2
    and not exists (select from inbox_read where person = $1 and line = id)
on conflict do nothing
"""


@dataclass(frozen=True, slots=True)
class InboxLine:
    """A line as somebody reads it. A summary has neither warning nor customer."""

    id: int
    recipient: str
    told: Told
    pushed: bool
    at: datetime
    started_at: datetime
    numbers: dict[str, str]
    warning: UUID | None
    code: str | None
    scope: str | None
    tier: Tier | None
    party: Party | None
    end_reason: str | None
    """How the warning has ended; None while it has not."""
    read: bool


async def write(lines: Sequence[Line], at: datetime, connection: Connection) -> None:
    """Add lines, in this order."""
    rows = [_row(line) for line in lines]
    if rows:
        await connection.execute(_WRITE, *(list(column) for column in zip(*rows, strict=True)), at)


async def page(
    inboxes: Collection[str], person: str, connection: Connection, *, before: int | None, unread: bool, limit: int
) -> list[InboxLine]:
    """Lines of these inboxes below an id, newest first."""
    rows = await connection.fetch(_BEHIND, list(inboxes), person, before or LAST, unread, limit)
    return [_line(row) for row in rows]


async def find_after(
    inboxes: Collection[str], person: str, connection: Connection, *, after: int, limit: int
) -> list[InboxLine]:
    """Lines of these inboxes above an id, oldest first."""
    return [_line(row) for row in await connection.fetch(_AFTER, list(inboxes), person, after, limit)]


async def find_anyones_after(after: int, limit: int, connection: Connection) -> list[InboxLine]:
    """Lines of all inboxes above an id, oldest first, as somebody sees them who has read none."""
    return [_line(row) for row in await connection.fetch(_AFTER_ANYONES, after, limit)]


async def end(connection: Connection) -> int:
    """Id of the last line there is; 0 if there is none."""
    return int(await connection.fetchval(_END))


async def mark_read(id_: int, inboxes: Collection[str], person: str, connection: Connection) -> bool:
    """Note that somebody has read a line; False if these inboxes have no such line."""
    return bool(await connection.fetchval(_READ, person, id_, list(inboxes)))


async def mark_read_up_to(id_: int, inboxes: Collection[str], person: str, connection: Connection) -> int:
    """Note that somebody has read everything up to an id; returns how many lines that were new to him."""
    status = await connection.execute(_READ_UP_TO, person, id_, list(inboxes))
    return int(status.rpartition(" ")[2])


def _row(line: Line) -> tuple[Any, ...]:
    warning = line.snapshot.warning
    return (
        line.recipient,
        line.told,
        line.pushed,
        warning.started_at,
        msgspec.json.encode(numbers_of(warning)).decode(),
        line.snapshot.id,
        line.snapshot.revision,
        warning.code,
        warning.scope,
        warning.tier,
        warning.root.id,
        warning.root.source,
        warning.root.external_id,
        None if warning.ended_at is None else warning.end_reason or "",
    )


def _line(row: Any) -> InboxLine:
    party = row["party"]
    return InboxLine(
        id=row["id"],
        recipient=row["recipient"],
        told=cast("Told", row["told"]),
        pushed=row["pushed"],
        at=row["at"],
        started_at=row["started_at"],
        numbers=msgspec.json.decode(row["numbers"], type=dict[str, str]),
        warning=row["warning"],
        code=row["code"],
        scope=row["scope"],
        tier=row["tier"],
        party=None if party is None else Party(id=party, source=row["source"], external_id=row["external_id"]),
        end_reason=row["end_reason"],
        read=row["read"],
    )
