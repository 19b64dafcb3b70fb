"""`forewarn warnings-hash`: one figure for what all warnings say. Equal documents and equal horizons, equal figure.

By natural key: without ids, rule versions, recorded times, suppression and what people did. Warnings that were taken
back or wait for a horizon say nothing, and those about the system itself follow from no documents.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from forewarn.installation import DataDir, Wait, installation
from forewarn.quiet import Reading, read_at_quiet_point
from forewarn.terminal import AsJson, out, print_json, print_table, say
from services.alerting.repository import judged
from shared.events import Warning as WarningDocument
from shared.messaging.projection import decode
from shared.runtime.platform import Platform
from shared.runtime.service import Service

SERVICE: Final = "alerting"

_WARNINGS: Final = "select data from document where kind = $1"
_PAGE: Final = 2000


@dataclass(frozen=True, slots=True)
class Judged:
    """Up to which days absence of a kind was judged (J): of the customers it was judged for at all."""

    kind: str
    customers: int
    earliest: date
    latest: date


@dataclass(frozen=True, slots=True)
class Said:
    """What the warnings say, and how far absence was judged when they said it."""

    warnings: Sequence[WarningDocument]
    horizons: Sequence[Judged]

    @property
    def hash(self) -> str:
        return hash_of(self.warnings)


def warnings_hash(wait: Wait = 10.0, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Print one hash over all warnings, their number by rule and tier, and the days up to which absence was judged."""
    reading = asyncio.run(_read(data_dir, wait))
    if as_json:
        print_json(_json(reading))
        return
    counted = count_of(reading.found.warnings)
    print_table(
        ("rule", "tier", "warnings"),
        [(code, tier, count) for code, tiers in counted.items() for tier, count in tiers.items()],
    )
    out.print()
    print_table(
        ("absence of", "customers", "judged through", "to"),
        [(one.kind, one.customers, one.earliest, one.latest) for one in reading.found.horizons],
    )
    out.print(f"\nwarnings-hash {reading.found.hash}")
    if reading.unrest:
        say(f"No quiet point, so this is no state of the whole system: {reading.unrest}")


async def horizons_of(services: Sequence[Service], platform: Platform) -> list[Judged]:
    """How far absence was judged, by kind."""
    days: dict[str, list[date]] = {}
    if SERVICE in {service.name for service in services}:
        async with platform.context(SERVICE).database.unit_of_work() as unit:
            async for one in judged(unit.connection):
                days.setdefault(one.kind, []).append(one.day)
    return [Judged(kind, len(found), min(found), max(found)) for kind, found in sorted(days.items())]


async def warnings_of(services: Sequence[Service], platform: Platform) -> list[WarningDocument]:
    """Every warning that says something about documents now; none, if nobody gives warnings."""
    if SERVICE not in {service.name for service in services}:
        return []
    found: list[WarningDocument] = []
    async with platform.context(SERVICE).database.unit_of_work() as unit:
        async for row in unit.connection.cursor(_WARNINGS, WarningDocument.kind, prefetch=_PAGE):
            warning = decode(WarningDocument.kind, row["data"])
            assert isinstance(warning, WarningDocument)
            if _counts(warning):
                found.append(warning)
    return found


def count_of(warnings: Iterable[WarningDocument]) -> dict[str, dict[str, int]]:
    """Warnings per rule and tier."""
    counts: dict[str, Counter[str]] = {}
    for warning in warnings:
        counts.setdefault(warning.code, Counter())[warning.tier] += 1
    return {code: dict(sorted(tiers.items())) for code, tiers in sorted(counts.items())}


def hash_of(warnings: Iterable[WarningDocument]) -> str:
    """One hash over what the warnings say, whatever their order."""
    lines = sorted(_line(warning) for warning in warnings)
    return hashlib.blake2b(b"\n".join(lines), digest_size=16).hexdigest()


def _counts(warning: WarningDocument) -> bool:
    taken_back = warning.condition == "retracted" or not warning.live
    return not (taken_back or "unjudged" in warning.suppression or warning.code.startswith("system_"))


def _line(warning: WarningDocument) -> bytes:
    evidence = warning.evidence
    said = (
        warning.code,
        warning.root.natural_key,
        warning.scope,
        _instant(warning.started_at),
        _instant(warning.ended_at) if warning.ended_at else None,
        [(_instant(span.since), span.tier, span.numbers) for span in warning.spans],
        evidence.numbers,
        sorted((document.kind, document.key) for document in evidence.documents),
        evidence.document_count,
    )
    return msgspec.json.encode(said, order="sorted")


def _instant(at: datetime) -> datetime:
    """The same instant is written in the same way, whatever zone it was thought in."""
    return at.astimezone(UTC)


async def _read(data_dir: Path | None, wait: float) -> Reading[Said]:
    async with installation(data_dir) as (services, platform):

        async def read() -> Said:
            return Said(await warnings_of(services, platform), await horizons_of(services, platform))

        return await read_at_quiet_point(services, platform, wait, read)


def _json(reading: Reading[Said]) -> dict[str, Any]:
    found = reading.found
    return {
        "warnings_hash": found.hash,
        "quiet": reading.unrest is None,
        "warnings": count_of(found.warnings),
        "judged_through": {
            one.kind: {
                "customers": one.customers,
                "earliest": one.earliest.isoformat(),
                "latest": one.latest.isoformat(),
            }
            for one in found.horizons
        },
    }
