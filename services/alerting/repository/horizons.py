"""How far absence may be judged, and has been: horizons of groups, sources, and the mark of what moves them."""

from collections.abc import Mapping
from datetime import date
from typing import Final
from uuid import UUID

from services.alerting.domain import Source, judged_through
from shared.database.unit_of_work import Connection
from shared.messaging import customers, horizon
from shared.messaging.horizon import Horizon

KINDS: Final = ("order", "payment")
"""Kinds whose absence rules judge: columns `<kind>_day` of `state`."""

_SOURCES: Final = """
select distinct on (source, of) source, of as kind, coverage, rhythm_hours, activated_at, retired_at, complete_until,
    recorded_at as beaten_at
from beat order by source, of, epoch desc, revision desc
"""
_JUDGED: Final = "select party, order_day, payment_day from state where party = any($1)"


async def sources(connection: Connection) -> list[Source]:
    """Every source and kind that was ever heard of, also retired ones, by name."""
    return [Source(**row) for row in await connection.fetch(_SOURCES)]


async def horizon_of(party: UUID, connection: Connection) -> tuple[Horizon, Mapping[str, date | None]]:
    """The horizon of a party's group, and J of the group by kind."""
    members = (await customers.groups_of([party], connection))[party].members
    rows = await connection.fetch(_JUDGED, list(members))
    judged = {(row["party"], kind): row[f"{kind}_day"] for row in rows for kind in KINDS if row[f"{kind}_day"]}
    days = {kind: judged_through(judged, members, (kind,)) for kind in KINDS}
    return (await horizon.load([members], connection))[members], days
