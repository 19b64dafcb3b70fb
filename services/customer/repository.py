"""Where customers and links are kept, and how they are looked for."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

from shared.database.unit_of_work import Connection
from shared.events import Customer
from shared.messaging.customers import VISIBLE
from shared.messaging.document_store import DocumentStore, Stored

documents = DocumentStore("customer")

# Linked parties are one customer: he is listed once, under the root of his group, and found by the names of all.
_PAGE: Final = """
select id from document
where kind = 'customer' and live and not exists (select from alias where party = document.id and root <> party)
    {filters}
order by at desc, id desc limit $1
"""
_BEHIND: Final = "(at, id) < ({at}, {id})"
_CONFIRMED: Final = "id in (select party from customer where confirmed = {confirmed})"
_OWNED: Final = f"id in ({VISIBLE})"
_NAMED: Final = """
id in (
    select coalesce(root, party) from customer left join alias using (party)
    where starts_with(lower(company_name), lower({q})) or starts_with(lower(external_id), lower({q}))
)
"""
_UNKNOWN: Final = """
select party from unnest($1::uuid[]) as asked (party)
where not exists (select from customer where customer.party = asked.party)
"""
_TAKEN: Final = "select id from document where id = any($1) and kind <> 'customer'"


async def page(
    connection: Connection,
    *,
    after: tuple[datetime, UUID] | None,
    limit: int,
    visible_to: str | None = None,
    owner: str | None = None,
    confirmed: bool | None = None,
    q: str | None = None,
) -> list[Stored]:
    """Customers, registered last first, behind the (time, id) `after`; with `visible_to` those this owner sees."""
    # Only what is asked for stands in the statement: one plan for all filters would read every customer for each page.
    filters: list[tuple[str, dict[str, object]]] = []
    if after is not None:
        filters.append((_BEHIND, {"at": after[0], "id": after[1]}))
    if confirmed is not None:
        filters.append((_CONFIRMED, {"confirmed": confirmed}))
    filters += [(_OWNED, {"owner": one}) for one in (visible_to, owner) if one is not None]
    if q is not None:
        filters.append((_NAMED, {"q": q}))
    statement, arguments = _filtered(filters)
    ids = [row["id"] for row in await connection.fetch(statement, limit, *arguments)]
    found = await documents.some(Customer.kind, ids, connection)
    return [found[id_] for id_ in ids]


async def find_unknown(parties: Collection[UUID], connection: Connection) -> set[UUID]:
    """Those of the parties who are no customers yet."""
    return {row["party"] for row in await connection.fetch(_UNKNOWN, list(parties))}


async def find_taken(ids: Collection[UUID], connection: Connection) -> set[UUID]:
    """Those of the ids that documents of another kind have."""
    return {row["id"] for row in await connection.fetch(_TAKEN, list(ids))}


def _filtered(filters: Iterable[tuple[str, dict[str, object]]]) -> tuple[str, list[object]]:
    """The statement of a page with these conditions, and their values in the order of its parameters from $2 on."""
    conditions: list[str] = []
    arguments: list[object] = []
    for text, values in filters:
        places = {name: f"${len(arguments) + place}" for place, name in enumerate(values, 2)}
        conditions.append(f"and {text.format(**places)}")
        arguments += values.values()
    return _PAGE.format(filters=" ".join(conditions)), arguments
