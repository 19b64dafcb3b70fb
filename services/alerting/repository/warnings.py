"""Held warnings: found by their members, written with their document, members and what was said."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from services.alerting.domain import Change, HeldWarning, document, expires_at
from services.alerting.repository.documents import documents
from shared.database.unit_of_work import Connection, UnitOfWork
from shared.errors import NotFound
from shared.messaging.document_rows import Stored
from shared.messaging.document_store import Snapshot

# What ended before `after` stands as it was told; the latest of a thread is what a new one comes after.
_OF_PARTIES: Final = """
with asked as (
    select member.warning, min(asked.after) as after from unnest($1::uuid[], $2::timestamptz[]) as asked (party, after)
        join warning_member as member using (party) group by member.warning
)
select held.data from asked join warning as held on held.id = asked.warning
where held.condition = 'firing' or (held.condition = 'resolved' and held.ended_at >= asked.after)
    or (not held.joined and not exists (
        select from warning as later
        where (later.root, later.code, later.scope) = (held.root, held.code, held.scope) and later.id > held.id
            and not later.joined
    ))
"""
_GET: Final = "select data from warning where id = $1"
_SOME: Final = "select data from warning where id = any($1) order by id for update"
_FIRING: Final = "select data from warning where root = $1 and condition = 'firing'"
_LAST: Final = """
select distinct on (code, scope) code, scope, id from warning where root = $1 and not joined
order by code, scope, id desc
"""
_EXPIRING: Final = "select data from warning where expires_at <= $1 order by expires_at limit $2"
_COLUMNS: Final = (
    "id, code, root, scope, condition, unjudged, tier, started_at, ended_at, handling, expires_at, joined, data"
)
_UNNEST: Final = (
    "unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::bool[], $7::text[], $8::timestamptz[], "
    f"$9::timestamptz[], $10::text[], $11::timestamptz[], $12::bool[], $13::bytea[]) as new ({_COLUMNS})"
)
_INSERT: Final = f"insert into warning ({_COLUMNS}) select {_COLUMNS} from {_UNNEST}"
_UPDATE: Final = f"""
update warning set root = new.root, condition = new.condition, unjudged = new.unjudged, tier = new.tier,
    started_at = new.started_at, ended_at = new.ended_at, handling = new.handling, expires_at = new.expires_at,
    joined = new.joined, data = new.data
from {_UNNEST} where warning.id = new.id
"""
_FORGET_MEMBERS: Final = "delete from warning_member where warning = any($1)"
_MEMBERS: Final = "insert into warning_member (party, warning) select * from unnest($1::uuid[], $2::uuid[])"
_SAY: Final = """
insert into transition (warning, revision, at, reason, condition, tier, handling, actor, numbers)
select * from unnest($1::uuid[], $2::int[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::text[], $9::jsonb[])
"""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(HeldWarning).decode


async def about(asked: Sequence[tuple[UUID, datetime]], connection: Connection) -> list[HeldWarning]:
    """Warnings about these parties which judging may have to change or to know, but for those that ended before."""
    rows = await connection.fetch(_OF_PARTIES, [party for party, _ in asked], [after for _, after in asked])
    return [_decode(row["data"]) for row in rows]


async def get(id_: UUID, connection: Connection) -> HeldWarning:
    """One warning. Raises `warning_not_found`."""
    data = await connection.fetchval(_GET, id_)
    if data is None:
        raise NotFound("warning_not_found", "There is no warning with this id.")
    return _decode(data)


async def lock_some(ids: Collection[UUID], connection: Connection) -> list[HeldWarning]:
    """These warnings, locked in the order of ids; after the states of their members."""
    return [_decode(row["data"]) for row in await connection.fetch(_SOME, list(ids))]


async def firing(root: UUID, connection: Connection) -> list[HeldWarning]:
    """What is firing about one root."""
    return [_decode(row["data"]) for row in await connection.fetch(_FIRING, root)]


async def last_of(root: UUID, connection: Connection) -> dict[tuple[str, str], UUID]:
    """The latest warning about one root by code and scope."""
    return {(row["code"], row["scope"]): row["id"] for row in await connection.fetch(_LAST, root)}


async def expiring(now: datetime, limit: int, connection: Connection) -> list[HeldWarning]:
    """Warnings whose acknowledgement or accepted risk has run out, the oldest first."""
    return [_decode(row["data"]) for row in await connection.fetch(_EXPIRING, now, limit)]


async def store(changes: Sequence[Change], unit: UnitOfWork, *, actor: str | None = None) -> Mapping[UUID, Stored]:
    """Write changed warnings, publish those whose snapshot says something else, and remember what was said.

    In the order of the changes: what no longer fires goes first, so (root, code, scope) stays unique while firing.
    """
    known = [change.warning for change in changes if change.before is not None]
    await _write(_UPDATE, [held for held in known if not held.firing], unit.connection)
    await _write(_UPDATE, [held for held in known if held.firing], unit.connection)
    await _write(_INSERT, [change.warning for change in changes if change.before is None], unit.connection)
    await _write_members(changes, unit.connection)
    snapshots = [Snapshot(change.warning.id, document(change.warning), change.reason) for change in changes]
    stored = {one.id: one for one in await documents.put(snapshots, unit)} if snapshots else {}
    said = [(one, stored[one.warning.id]) for one in changes if one.warning.id in stored and not _silent(one)]
    await _say(said, actor, unit.connection)
    return stored


async def _write(statement: str, warnings: Sequence[HeldWarning], connection: Connection) -> None:
    if warnings:
        await connection.execute(statement, *(list(column) for column in zip(*map(_row, warnings), strict=True)))


async def _write_members(changes: Sequence[Change], connection: Connection) -> None:
    moved = [one for one in changes if one.before is None or one.before.members != one.warning.members]
    again = [one.warning.id for one in moved if one.before is not None]
    if again:
        await connection.execute(_FORGET_MEMBERS, again)
    rows = [(member.id, one.warning.id) for one in moved for member in one.warning.members]
    if rows:
        await connection.execute(_MEMBERS, *(list(column) for column in zip(*rows, strict=True)))


async def _say(said: Sequence[tuple[Change, Stored]], actor: str | None, connection: Connection) -> None:
    rows = [_transition(change, stored, actor) for change, stored in said]
    if rows:
        await connection.execute(_SAY, *(list(column) for column in zip(*rows, strict=True)))


def _silent(change: Change) -> bool:
    """Only figures and documents are others: the snapshot shows them, nobody was told."""
    before, now = change.before, change.warning
    if change.reason != "corrected" or before is None:
        return False
    return (before.episode.started, before.episode.ended, before.episode.level, before.suppression) == (
        now.episode.started,
        now.episode.ended,
        now.episode.level,
        now.suppression,
    )


def _transition(change: Change, stored: Stored, actor: str | None) -> tuple[Any, ...]:
    held = change.warning
    return (
        held.id,
        stored.revision,
        stored.recorded_at,
        change.reason,
        held.condition,
        held.episode.spans[-1].tier,
        held.handling.state,
        actor,
        msgspec.json.encode(held.episode.proof.evidence.numbers).decode(),
    )


def _row(held: HeldWarning) -> tuple[Any, ...]:
    episode = held.episode
    return (
        held.id,
        held.code,
        held.root.id,
        episode.scope,
        held.condition,
        held.unjudged,
        episode.spans[-1].tier,
        episode.started,
        episode.ended,
        held.handling.state,
        None if held.condition == "retracted" else expires_at(held.handling),
        held.retraction == "joined",
        _encode(held),
    )
