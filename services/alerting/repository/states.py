"""States of parties: checkpoints and dues of groups, J, names, and the end of imported history; locked and written."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Struct, field

from services.alerting.domain import Checkpoint, Due
from shared.database.unit_of_work import Connection
from shared.events import Party

# Two statements, both in the order of ids: a row must exist before it can be locked, and who waits for a row that is
# being made holds none yet.
_MAKE: Final = "insert into state (party) select unnest($1::uuid[]) on conflict do nothing"
_LOCK: Final = """
select party, source, external_id, data, order_day, payment_day, seeded_until from state
where party = any($1) order by party for update
"""
_SAVE: Final = """
update state set source = new.source, external_id = new.external_id, data = new.data, order_day = new.order_day,
    payment_day = new.payment_day, seeded_until = new.seeded_until
from unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::date[], $6::date[], $7::timestamptz[])
    as new (party, source, external_id, data, order_day, payment_day, seeded_until)
where state.party = new.party
"""
_NAMELESS: Final = "select party from state where party = any($1) and external_id is null"


_EVERYBODY: Final = """
select party from state union select party from held_document where party is not null
union select other_party from held_document where other_party is not null
"""


class GroupState(Struct, frozen=True, array_like=True):
    """What is stored of a group, in the row of its root."""

    checkpoints: dict[str, Checkpoint]
    due: dict[str, Due]
    """As it stands in the table `due`: may be earlier than the checkpoints say."""


NOTHING: Final = GroupState({}, {})


class PartyState(Struct, frozen=True):
    """A locked row."""

    party: Party
    days: dict[str, date] = field(default_factory=dict)
    """J by kind."""
    seeded_until: datetime | None = None
    group: GroupState = NOTHING


_number = attrgetter("int")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(GroupState).decode


async def lock(parties: Collection[UUID], connection: Connection) -> dict[UUID, PartyState]:
    """The states of all these parties, locked until the transaction ends; made where there was none."""
    ids = sorted(parties, key=_number)
    await connection.execute(_MAKE, ids)
    return {row["party"]: _state(row) for row in await connection.fetch(_LOCK, ids)}


async def save(states: Iterable[PartyState], connection: Connection) -> None:
    """Write locked rows back."""
    rows = [_row(state) for state in states]
    if rows:
        await connection.execute(_SAVE, *(list(column) for column in zip(*rows, strict=True)))


async def nameless(parties: Iterable[UUID], connection: Connection) -> set[UUID]:
    """Those of the parties who were judged without knowing what their source calls them."""
    return {row["party"] for row in await connection.fetch(_NAMELESS, list(parties))}


async def everybody(connection: Connection) -> set[UUID]:
    """Every party that was judged or that a document names."""
    return {row["party"] for row in await connection.fetch(_EVERYBODY)}


async def forget_folds(connection: Connection) -> None:
    """Without checkpoints and dues; names, J and the end of imported history stay."""
    await connection.execute("update state set data = null where data is not null")


def _state(row: Any) -> PartyState:
    data: bytes | None = row["data"]
    days: Mapping[str, date | None] = {"order": row["order_day"], "payment": row["payment_day"]}
    return PartyState(
        Party(row["party"], row["source"], row["external_id"]),
        {kind: day for kind, day in days.items() if day is not None},
        row["seeded_until"],
        NOTHING if data is None else _decode(data),
    )


def _row(state: PartyState) -> tuple[Any, ...]:
    party, days = state.party, state.days
    return (
        party.id,
        party.source,
        party.external_id,
        _encode(state.group) if state.group.checkpoints else None,
        days.get("order"),
        days.get("payment"),
        state.seeded_until,
    )
