"""Where customers and links are kept, and how they are looked for."""

from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

from shared.database.unit_of_work import Connection
from shared.events import Customer
from shared.messaging.customers import VISIBLE
from shared.messaging.document_store import DocumentStore, Stored

documents = DocumentStore("customer")

# Linked parties are one customer: he is listed once, under the root of his group, and found by the names of all.
_PAGE: Final = f"""
select document.id from document join customer on customer.party = document.id
    left join alias on alias.party = document.id
where document.kind = 'customer' and coalesce(alias.root, document.id) = document.id
    and ($1::timestamptz is null or (document.at, document.id) < ($1, $2::uuid))
    and ($3::bool is null or customer.confirmed = $3)
    and ($4::text is null or document.id in ({VISIBLE.format(owner="$4")}))
    and ($5::text is null or document.id in ({VISIBLE.format(owner="$5")}))
    and ($6::text is null or document.id in (
        select coalesce(root, party) from customer left join alias using (party)
        where starts_with(lower(company_name), lower($6)) or starts_with(lower(external_id), lower($6))
    ))
order by document.at desc, document.id desc limit $7
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
    at, id_ = after or (None, None)
    rows = await connection.fetch(_PAGE, at, id_, confirmed, visible_to, owner, q, limit)
    ids = [row["id"] for row in rows]
    found = await documents.some(Customer.kind, ids, connection)
    return [found[id_] for id_ in ids]


async def find_unknown(parties: Collection[UUID], connection: Connection) -> set[UUID]:
    """Those of the parties who are no customers yet."""
    return {row["party"] for row in await connection.fetch(_UNKNOWN, list(parties))}


async def find_taken(ids: Collection[UUID], connection: Connection) -> set[UUID]:
    """Those of the ids that documents of another kind have."""
    return {row["id"] for row in await connection.fetch(_TAKEN, list(ids))}
