"""Figures over all documents a service holds: to reconcile with their producers, and to compare whole systems.

Both are independent of the order in which documents arrived; one cent changes them. What a restored producer has lost
(revision 0 at its consumers) is in neither.
"""

import hashlib
from collections.abc import Sequence
from datetime import date
from typing import Final, Literal, NamedTuple

from shared.database.unit_of_work import Connection
from shared.messaging.projection import decode

Side = Literal["document", "held_document"]
"""Where documents lie: as their producer's own, or as held by a consumer."""

_TALLY: Final = """
select kind, (at at time zone 'UTC')::date as day, currency, count(*) as documents,
    coalesce(sum(amount) filter (where live), 0)::bigint as amount,
    sum(hashtextextended(id::text || ':' || epoch || ':' || revision || ':' || md5(data), 0)::numeric)::text as hash
from {side} where kind = any($1) and revision > 0 group by 1, 2, 3 order by 1, 2, 3
"""


class Tally(NamedTuple):
    """Count, sum (minor units) and order-independent hash of one kind's documents of one day (UTC) and currency."""

    kind: str
    day: date
    currency: str
    documents: int
    amount: int
    hash: str


class Facts(NamedTuple):
    """All documents of one kind, by natural key, without ids and recorded times."""

    kind: str
    documents: int
    sums: dict[str, int]
    hash: str


async def tally(side: Side, kinds: Sequence[str], connection: Connection) -> list[Tally]:
    """Equal on both sides at every quiet point."""
    return [Tally(*row.values()) for row in await connection.fetch(_TALLY.format(side=side), list(kinds))]


async def facts(side: Side, kinds: Sequence[str], connection: Connection) -> list[Facts]:
    """The facts of each kind; reads every document, so it takes seconds for a million."""
    return [await _facts_of(side, kind, connection) for kind in sorted(kinds)]


async def _facts_of(side: Side, kind: str, connection: Connection) -> Facts:
    total = count = 0
    sums: dict[str, int] = {}
    async with connection.transaction():
        async for row in connection.cursor(
            f"select data from {side} where kind = $1 and revision > 0", kind, prefetch=2000
        ):
            document = decode(kind, row["data"])
            line = document.natural_key.encode() + b"\0" + document.canonical()
            # Added, not chained: the sum of the lines' hashes does not depend on their order.
            total += int.from_bytes(hashlib.blake2b(line, digest_size=16).digest(), "big")
            count += 1
            currency, amount = document.sums()
            if document.live and currency:
                sums[currency] = sums.get(currency, 0) + amount
    return Facts(kind, count, sums, f"{total % (1 << 128):032x}")
