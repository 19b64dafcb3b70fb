"""What people ask for: warnings by page, what was said of one, and J as a whole."""

from collections.abc import AsyncIterator
from datetime import date, datetime
from typing import Final, NamedTuple
from uuid import UUID

import msgspec
from msgspec import Struct

from services.alerting.repository.horizons import KINDS
from shared.database.unit_of_work import Connection
from shared.events import Party
from shared.events.alerting import Condition, HandlingState, Tier
from shared.messaging.customers import VISIBLE
from shared.messaging.document_rows import Stored, stored_in

_PAGE: Final = f"""
select document.* from warning join document using (id)
where ($1::uuid is null or warning.id < $1)
    and ($3::text is null or warning.root in ({VISIBLE.format(owner="$3")}))
    and ($4::uuid is null or warning.id in (select warning from warning_member where party = $4))
    and ($5::text is null or warning.code = $5)
    and case when $6::text is null then warning.condition <> 'retracted' else warning.condition = $6 end
    and not warning.unjudged
    and ($7::text is null or warning.tier = $7)
    and ($8::text is null or warning.handling = $8)
order by warning.id desc limit $2
"""
_TRANSITIONS: Final = """
select at, reason, revision, condition, tier, handling, actor, numbers from transition
where warning = $1 order by revision
"""
_JUDGED: Final = """
select party, source, external_id, order_day, payment_day from state
where order_day is not null or payment_day is not null
"""


class Transition(Struct, frozen=True):
    """What was said of a warning or done about it, as it was then."""

    at: datetime
    reason: str
    revision: int
    condition: Condition
    tier: Tier
    handling: HandlingState
    actor: str | None
    """Who did it; None if documents, the horizon or the clock did."""
    numbers: dict[str, str]


class JudgedDay(NamedTuple):
    """J of one customer (by natural key) and kind."""

    customer: str
    kind: str
    day: date


async def page(
    connection: Connection,
    *,
    after: UUID | None,
    limit: int,
    owner: str | None = None,
    party: UUID | None = None,
    code: str | None = None,
    condition: str | None = None,
    tier: str | None = None,
    handling: str | None = None,
) -> list[Stored]:
    """Warnings, newest first, below the id `after`; with `owner` those about customers he sees.

    `party` finds those of everyone he is linked with. What was taken back is left out unless `condition` asks for it,
    what waits for a horizon always.
    """
    rows = await connection.fetch(_PAGE, after, limit, owner, party, code, condition, tier, handling)
    return [stored_in(row) for row in rows]


async def transitions(warning: UUID, connection: Connection) -> list[Transition]:
    """What was said of a warning, oldest first; silent corrections of figures are not among it."""
    rows = await connection.fetch(_TRANSITIONS, warning)
    return [msgspec.convert(dict(row) | {"numbers": msgspec.json.decode(row["numbers"])}, Transition) for row in rows]


async def judged(connection: Connection) -> AsyncIterator[JudgedDay]:
    """J of every customer, in no order; a transaction must be open."""
    async for row in connection.cursor(_JUDGED, prefetch=2000):
        customer = Party(id=row["party"], source=row["source"], external_id=row["external_id"]).natural_key
        for kind in KINDS:
            if row[f"{kind}_day"] is not None:
                yield JudgedDay(customer, kind, row[f"{kind}_day"])
