"""Facts of groups, from held documents: what `reach` asks for, and the invoices that payments name."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from services.alerting.domain import Fact, Need, RuleVersion, explode
from shared.database.unit_of_work import Connection
from shared.messaging.projection import decode

FACTUAL: Final = ("credit_limit", "invoice", "order", "payment")
"""Kinds that give facts."""

EVER: Final = datetime.min.replace(tzinfo=UTC)

# `until` is the latest business time a document speaks of, so one that was undone later is among the later ones.
_LATER: Final = """
select held.id, held.kind, held.known_at, held.data from unnest($1::uuid[], $2::timestamptz[]) as asked (party, after)
    join held_document as held on held.party = asked.party and held.until > asked.after
where held.live and held.kind = any($3)
union all
select held.id, held.kind, held.known_at, held.data from unnest($1::uuid[], $2::timestamptz[]) as asked (party, after)
    join held_document as held on held.other_party = asked.party and held.until > asked.after
where held.live and held.kind = any($3)
"""
_INVOICES: Final = """
select id, kind, known_at, data from held_document where kind = 'invoice' and key = any($1) and live
"""
_VERSIONS: Final = "select code, version, valid_from, parameters, recorded_at from rule_version order by code, version"
_ADD_VERSIONS: Final = """
insert into rule_version (code, version, valid_from, parameters, recorded_at)
select *, $5 from unnest($1::text[], $2::int[], $3::timestamptz[], $4::jsonb[]) on conflict do nothing
"""


class Rules(msgspec.Struct, frozen=True):
    """All versions of all rules, and when the first of them was put to work here."""

    versions: tuple[RuleVersion, ...]
    begun: datetime


async def later_than(needs: Sequence[tuple[UUID, Need]], zone: ZoneInfo, connection: Connection) -> list[Fact]:
    """Facts of the documents about these parties that are needed; facts about others may be among them."""
    parties, afters = [party for party, _ in needs], [_after(need) for _, need in needs]
    return _facts(await connection.fetch(_LATER, parties, afters, FACTUAL), zone)


async def of_invoices(keys: Collection[str], zone: ZoneInfo, connection: Connection) -> list[Fact]:
    """Facts of the invoices with these natural keys, whosoever they are."""
    return _facts(await connection.fetch(_INVOICES, list(keys)), zone) if keys else []


async def rules(shipped: Sequence[RuleVersion], now: datetime, connection: Connection) -> Rules:
    """Every version there is; those this program ships are put to work when they are first asked for."""
    rows = await connection.fetch(_VERSIONS)
    known = {(row["code"], row["version"]) for row in rows}
    missing = [one for one in shipped if (one.code, one.version) not in known]
    if missing:
        await connection.execute(
            _ADD_VERSIONS,
            [one.code for one in missing],
            [one.version for one in missing],
            [one.valid_from for one in missing],
            [msgspec.json.encode(one.parameters).decode() for one in missing],
            now,
        )
        rows = await connection.fetch(_VERSIONS)
    versions = tuple(
        RuleVersion(row["code"], row["version"], row["valid_from"], msgspec.json.decode(row["parameters"]))
        for row in rows
    )
    return Rules(versions, min(row["recorded_at"] for row in rows))


def _after(need: Need) -> datetime:
    if need.after is None:
        return EVER
    return need.after if need.mode == "head" else need.after - timedelta(microseconds=1)


def _facts(rows: Sequence[Any], zone: ZoneInfo) -> list[Fact]:
    documents = {row["id"]: row for row in rows}
    return [
        fact for row in documents.values() for fact in explode(decode(row["kind"], row["data"]), zone, row["known_at"])
    ]
