"""Warnings as held here, who was told what about them, and in whose charge their customers are."""

from collections.abc import Collection, Mapping
from typing import Final
from uuid import UUID

import msgspec

from services.notify.domain import Log, Said, Snapshot
from shared.database.unit_of_work import Connection
from shared.events import Warning as WarningDocument
from shared.messaging.customers import groups_of, known

# Whoever writes lines stands in one queue, from before he reads until he has committed: lines get their ids in the
# order of commits, and two batches that meet in one warning (a join, a new owner) cannot both say the same.
_LOCK: Final = "select pg_advisory_xact_lock(hashtext('forewarn_inbox'))"
_SNAPSHOTS: Final = "select id, revision, recorded_at, data from held_document where kind = 'warning' and id = any($1)"
_FIRING: Final = """
select id from held_document
where kind = 'warning' and party = any($1)
    and exists (select from sent_log where warning = id and state = 'firing')
"""
_ALL: Final = "select id from held_document where kind = 'warning' order by id"
_LOG: Final = "select warning, recipient, state, tier, highest, pushed from sent_log where warning = any($1)"
_FORGET: Final = """
delete from sent_log using unnest($1::uuid[], $2::text[]) as gone (warning, recipient)
where sent_log.warning = gone.warning and sent_log.recipient = gone.recipient
"""
_REMEMBER: Final = """
insert into sent_log (warning, recipient, state, tier, highest, pushed, revision)
select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bool[], $7::int[])
on conflict (warning, recipient) do update set state = excluded.state, tier = excluded.tier,
    highest = excluded.highest, pushed = excluded.pushed, revision = excluded.revision
"""


async def lock(connection: Connection) -> None:
    """Nobody else tells anything until this transaction ends; taken before any document is locked."""
    await connection.execute(_LOCK)


async def find_snapshots(ids: Collection[UUID], connection: Connection) -> dict[UUID, Snapshot]:
    """Those of the warnings that are held."""
    rows = await connection.fetch(_SNAPSHOTS, list(ids))
    return {
        row["id"]: Snapshot(row["id"], row["revision"], row["recorded_at"], _decoder.decode(row["data"]))
        for row in rows
    }


async def find_all(connection: Connection) -> list[UUID]:
    """Every warning that is held, in the order of ids."""
    return [row["id"] for row in await connection.fetch(_ALL)]


async def find_told_firing(parties: Collection[UUID], connection: Connection) -> set[UUID]:
    """Warnings about these customers, or about whoever is one with them, that somebody believes to be true."""
    members = {member for group in (await groups_of(parties, connection)).values() for member in group.members}
    return {row["id"] for row in await connection.fetch(_FIRING, list(members))}


async def owners_of(parties: Collection[UUID], connection: Connection) -> dict[UUID, str | None]:
    """Who is in charge of each customer: the owner of his group's root, else of any member."""
    groups = await groups_of(parties, connection)
    found = await known({member for group in groups.values() for member in group.members}, connection)
    owners = {party: one.owner for party, one in found.items()}
    return {
        party: next((owner for member in [group.root, *sorted(group.members)] if (owner := owners.get(member))), None)
        for party, group in groups.items()
    }


async def find_log(warnings: Collection[UUID], connection: Connection) -> Log:
    """All that was said about these warnings."""
    rows = await connection.fetch(_LOG, list(warnings))
    return {
        (row["warning"], row["recipient"]): Said(row["state"], row["tier"], row["highest"], row["pushed"])
        for row in rows
    }


async def save_log(before: Log, after: Log, snapshots: Mapping[UUID, Snapshot], connection: Connection) -> None:
    """Keep what has changed between the two."""
    gone = before.keys() - after.keys()
    if gone:
        await connection.execute(_FORGET, *_columns(gone))
    changed = [
        (*key, said.state, said.tier, said.highest, said.pushed, _revision(snapshots.get(key[0])))
        for key, said in after.items()
        if before.get(key) != said
    ]
    if changed:
        await connection.execute(_REMEMBER, *_columns(changed))


_decoder: Final = msgspec.json.Decoder(WarningDocument)


def _revision(snapshot: Snapshot | None) -> int:
    """0 for a warning that another was joined into and that has not come yet."""
    return 0 if snapshot is None else snapshot.revision


def _columns(rows: Collection[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]
