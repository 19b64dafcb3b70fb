"""Customers as every service knows them from their events: names, owners, and who is one and the same by links.

Links define groups: connected parties, whose root is the one nobody absorbs. Sums stay with the party of a document.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import Boolean, Column, Index, MetaData, Table, Text, Uuid

from shared.database.unit_of_work import Connection
from shared.events import Customer, CustomerLink, Party
from shared.events.document import Event
from shared.messaging.facts import Side
from shared.messaging.projection import Change

HELD: Final = (Customer.kind, CustomerLink.kind)
"""Kinds a service must hold for this."""

_LOCK: Final = "select pg_advisory_xact_lock(hashtext('forewarn_aliases'))"
_LOCK_SHARED: Final = "select pg_advisory_xact_lock_shared(hashtext('forewarn_aliases'))"

_REMEMBER: Final = """
insert into customer as held (party, source, external_id, company_name, owner, confirmed)
select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bool[])
on conflict (party) do update set company_name = excluded.company_name, owner = excluded.owner,
    confirmed = excluded.confirmed
"""
_LINKS: Final = """
select party as survivor, other_party as absorbed from {side}
where kind = 'customer_link' and live and party = any($1)
"""
_FORGET: Final = "delete from customer where party = any($1)"
_KNOWN: Final = """
select asked.party, own.source, own.external_id, coalesce(own.confirmed, false) as confirmed,
    coalesce(own.company_name, root.company_name) as company_name, coalesce(own.owner, root.owner) as owner
from unnest($1::uuid[]) as asked (party)
    left join customer as own using (party)
    left join alias using (party)
    left join customer as root on root.party = alias.root
where own.party is not null or root.party is not null
"""
_ALIASED: Final = """
select distinct theirs.party, theirs.root from alias mine join alias theirs using (root) where mine.party = any($1)
"""
_ALIAS: Final = "insert into alias (party, root) select * from unnest($1::uuid[], $2::uuid[])"

VISIBLE: Final = """
select party from customer where owner = {owner}
union
select theirs.party from customer join alias mine using (party) join alias theirs using (root) where owner = {owner}
"""
"""Parties whom the staff member `{owner}` (a parameter) sees: those he owns, and whoever is linked to one of them."""


@dataclass(frozen=True, slots=True)
class Group:
    """Parties that are one and the same customer; a party without links is a group of its own."""

    root: UUID
    members: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one party: name and owner are those of his group's root where he has none of his own."""

    party: Party
    company_name: str | None
    owner: str | None
    confirmed: bool


def customer_tables(metadata: MetaData) -> None:
    """`customer`: one row per registered party; `alias`: root of every party that is linked with another."""
    Table(
        "customer",
        metadata,
        Column("party", Uuid, primary_key=True),
        Column("source", Text),
        Column("external_id", Text),
        Column("company_name", Text),
        Column("owner", Text),
        Column("confirmed", Boolean, nullable=False),
        Index("customer_owner", "owner"),
    )
    Table(
        "alias",
        metadata,
        Column("party", Uuid, primary_key=True),
        Column("root", Uuid, nullable=False),
        Index("alias_root", "root"),
    )


async def lock(events: Iterable[Event], connection: Connection) -> None:
    """Keep groups as they are for this transaction, or alone change them; taken before any document is locked."""
    links = any(event.kind == CustomerLink.kind for event in events)
    await (lock_alone if links else lock_shared)(connection)


async def lock_alone(connection: Connection) -> None:
    """Nobody else links or reads groups until this transaction ends."""
    await connection.execute(_LOCK)


async def lock_shared(connection: Connection) -> None:
    """Nobody links until this transaction ends."""
    await connection.execute(_LOCK_SHARED)


async def apply(changes: Sequence[Change], connection: Connection, side: Side = "held_document") -> frozenset[UUID]:
    """Take in changed customers and links; returns every party whose group may be another now.

    `side`: where links are kept: as held by a consumer, or as the customer service's own.
    """
    await _remember([change.document for change in changes if isinstance(change.document, Customer)], connection)
    touched = {party for change in changes if isinstance(change.document, CustomerLink) for party in change.parties()}
    return await _regroup(touched, side, connection) if touched else frozenset()


async def forget(connection: Connection) -> None:
    """Know nobody: for a rebuild, where customers and links come again."""
    await connection.execute("truncate customer, alias")


async def groups_of(parties: Collection[UUID], connection: Connection) -> dict[UUID, Group]:
    """The group of each party."""
    rows = await connection.fetch(_ALIASED, list(parties))
    members: dict[UUID, set[UUID]] = {}
    for row in rows:
        members.setdefault(row["root"], set()).add(row["party"])
    groups = {root: Group(root, frozenset(found)) for root, found in members.items()}
    by_party = {row["party"]: groups[row["root"]] for row in rows}
    return {party: by_party.get(party) or Group(party, frozenset({party})) for party in parties}


async def known(parties: Collection[UUID], connection: Connection) -> dict[UUID, Known]:
    """What is known of those of the parties who are registered or linked with somebody who is."""
    rows = await connection.fetch(_KNOWN, list(parties))
    return {
        row["party"]: Known(
            Party(id=row["party"], source=row["source"], external_id=row["external_id"]),
            row["company_name"],
            row["owner"],
            row["confirmed"],
        )
        for row in rows
    }


async def sees(owner: str, parties: Collection[UUID], connection: Connection) -> bool:
    """Whether the staff member sees any of these parties."""
    query = f"select exists (select from ({VISIBLE.format(owner='$1')}) as seen where party = any($2))"
    return bool(await connection.fetchval(query, owner, list(parties)))


async def _remember(customers: Sequence[Customer], connection: Connection) -> None:
    """Rows of live customers, in the order of ids; a retracted one has none."""
    live = sorted((one for one in customers if one.live), key=lambda one: one.party.id)
    if live:
        rows = [
            (one.party.id, one.party.source, one.party.external_id, one.company_name, one.owner, one.confirmed)
            for one in live
        ]
        await connection.execute(_REMEMBER, *(list(column) for column in zip(*rows, strict=True)))
    retracted = [one.party.id for one in customers if not one.live]
    if retracted:
        await connection.execute(_FORGET, retracted)


async def _regroup(touched: set[UUID], side: Side, connection: Connection) -> frozenset[UUID]:
    """Groups of everyone who is, or was, linked with one of those whose links changed.

    No live link leads out of them: the old ones lay inside the groups there were, the new ones are among the changes.
    """
    members = {row["party"] for row in await connection.fetch(_ALIASED, list(touched))} | touched
    links = await connection.fetch(_LINKS.format(side=side), list(members))
    roots = _roots({(row["survivor"], row["absorbed"]) for row in links})
    await connection.execute("delete from alias where party = any($1)", list(members))
    if roots:
        await connection.execute(_ALIAS, list(roots), list(roots.values()))
    return frozenset(members)


def _roots(links: Collection[tuple[UUID, UUID]]) -> Mapping[UUID, UUID]:
    """Root of each linked party: the member nobody absorbs, the lowest id if several or none are so."""
    neighbours: dict[UUID, set[UUID]] = {}
    for survivor, absorbed in links:
        neighbours.setdefault(survivor, set()).add(absorbed)
        neighbours.setdefault(absorbed, set()).add(survivor)
    taken = {absorbed for _, absorbed in links}
    roots: dict[UUID, UUID] = {}
    for party in neighbours:
        if party in roots:
            continue
        members = _connected(party, neighbours)
        root = min(members - taken or members)
        roots |= dict.fromkeys(members, root)
    return roots


def _connected(party: UUID, neighbours: Mapping[UUID, set[UUID]]) -> set[UUID]:
    members, frontier = {party}, {party}
    while frontier:
        frontier = {other for one in frontier for other in neighbours[one]} - members
        members |= frontier
    return members
