"""`forewarn lag`: what waits on either side of the bus, and how far the promises of the sources have come.

Positions are those of the services' own cursors; the bus's commit is only a hint. Reads, and moves nothing.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from forewarn.installation import DataDir, installation
from forewarn.terminal import AsJson, ago, out, print_json, print_table
from shared.context import Context
from shared.events import PARTITIONS, TOPICS
from shared.messaging.backlog import waiting
from shared.messaging.bus import Bus, TopicPartition
from shared.messaging.lag import positions, recorded_at, unread
from shared.runtime.platform import Platform
from shared.runtime.service import Service

# A partition in which the source has said nothing yet promises nothing: its null makes the minimum null.
_WATERMARKS: Final = """
select source, of, min(coverage) as coverage, max(retired_at) as retired_at,
    case when count(complete_until) = $1 then min(complete_until) end as complete_until
from beat group by source, of order by source, of
"""


@dataclass(frozen=True, slots=True)
class Outbox:
    """Rows of one producer that wait for the bus, and how long the first of them has."""

    service: str
    topic: str
    rows: int
    age: timedelta | None


@dataclass(frozen=True, slots=True)
class Unread:
    """Records of one partition that a consumer has not applied, and how long ago the first was recorded."""

    service: str
    where: TopicPartition
    records: int
    age: timedelta | None


@dataclass(frozen=True, slots=True)
class Watermark:
    """Up to when a source's promise has come through every partition to a consumer; None: it promises nothing."""

    service: str
    source: str
    of: str
    coverage: str
    complete_until: datetime | None
    age: timedelta | None
    retired: bool


@dataclass(frozen=True, slots=True)
class Lag:
    """All of it, at one glance but not at one instant."""

    outboxes: Sequence[Outbox]
    consumers: Sequence[Unread]
    watermarks: Sequence[Watermark]


def lag(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show what waits to be sent and to be applied, and up to when each source has promised to be complete."""
    found = asyncio.run(_read(data_dir))
    if as_json:
        print_json(_json(found))
    else:
        _print(found)


async def lag_of(services: Sequence[Service], platform: Platform) -> Lag:
    """Look at outboxes, cursors and beats of these services."""
    outboxes: list[Outbox] = []
    consumers: list[Unread] = []
    watermarks: list[Watermark] = []
    for service in services:
        context = platform.context(service.name)
        if service.publishes:
            outboxes.append(await _outbox(context))
        if service.subscription is not None:
            topics = [TOPICS[producer] for producer in service.subscription.producers]
            consumers += await _unread(topics, context, platform.bus)
            watermarks += await _watermarks(context)
    return Lag(outboxes, consumers, watermarks)


async def _read(data_dir: Path | None) -> Lag:
    async with installation(data_dir) as (services, platform):
        return await lag_of(services, platform)


async def _outbox(context: Context) -> Outbox:
    async with context.database.unit_of_work() as unit:
        found = await waiting(unit.connection)
    return Outbox(context.service, TOPICS[context.service], found.rows, _age(found.since, context))


async def _unread(topics: Sequence[str], context: Context, bus: Bus) -> list[Unread]:
    async with context.database.unit_of_work() as unit:
        known = await positions(topics, unit.connection)
    bounds = await bus.bounds(topics)
    return [await _unread_of(where, *unread(where, known, bounds[where]), context, bus) for where in sorted(bounds)]


async def _unread_of(where: TopicPartition, position: int, records: int, context: Context, bus: Bus) -> Unread:
    since = await recorded_at(where, position, bus) if records else None
    return Unread(context.service, where, records, _age(since, context))


async def _watermarks(context: Context) -> list[Watermark]:
    async with context.database.unit_of_work() as unit:
        rows = await unit.connection.fetch(_WATERMARKS, PARTITIONS)
    return [
        Watermark(
            context.service,
            row["source"],
            row["of"],
            row["coverage"],
            row["complete_until"],
            _age(row["complete_until"], context),
            row["retired_at"] is not None,
        )
        for row in rows
    ]


def _age(since: datetime | None, context: Context) -> timedelta | None:
    return None if since is None else context.clock.now() - since


def _print(found: Lag) -> None:
    print_table(
        ("outbox of", "topic", "rows", "oldest"),
        [(one.service, one.topic, one.rows, ago(one.age)) for one in found.outboxes],
    )
    out.print()
    print_table(
        ("consumer", "topic", "partitions", "behind", "records", "oldest"),
        [(*key, len(parts), *_behind(parts)) for key, parts in _by_topic(found.consumers).items()],
    )
    out.print()
    print_table(
        ("known to", "source", "kind", "coverage", "complete until", "age"),
        [
            (one.service, one.source, one.of, one.coverage, "retired", None)
            if one.retired
            else (one.service, one.source, one.of, one.coverage, one.complete_until, ago(one.age))
            for one in found.watermarks
        ],
    )


def _by_topic(consumers: Sequence[Unread]) -> dict[tuple[str, str], list[Unread]]:
    topics: dict[tuple[str, str], list[Unread]] = {}
    for one in consumers:
        topics.setdefault((one.service, one.where.topic), []).append(one)
    return topics


def _behind(parts: Sequence[Unread]) -> tuple[str | None, int, str | None]:
    """Partitions with unread records, those records, and the age of the oldest."""
    behind = [one for one in parts if one.records]
    ages = [one.age for one in behind if one.age is not None]
    named = ", ".join(str(one.where.partition) for one in behind) or None
    return named, sum(one.records for one in behind), ago(max(ages, default=None))


def _json(found: Lag) -> dict[str, Any]:
    return {
        "outboxes": [
            {"service": one.service, "topic": one.topic, "rows": one.rows, "oldest_seconds": _seconds(one.age)}
            for one in found.outboxes
        ],
        "consumers": [
            {
                "service": one.service,
                "topic": one.where.topic,
                "partition": one.where.partition,
                "records": one.records,
                "oldest_seconds": _seconds(one.age),
            }
            for one in found.consumers
        ],
        "watermarks": [
            {
                "service": one.service,
                "source": one.source,
                "kind": one.of,
                "coverage": one.coverage,
                "retired": one.retired,
                "complete_until": one.complete_until.isoformat() if one.complete_until else None,
                "age_seconds": _seconds(one.age),
            }
            for one in found.watermarks
        ],
    }


def _seconds(age: timedelta | None) -> float | None:
    return None if age is None else round(age.total_seconds(), 3)
