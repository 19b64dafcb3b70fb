"""`forewarn facts-hash`: one figure for all documents of an installation. Equal documents, equal figure.

By natural key, without ids, recorded times and order of arrival, on the side of every producer and every consumer.
Beats are promises that a job moves with the clock, and warnings follow from documents: neither is a fact here.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from forewarn.installation import DataDir, Wait, installation
from forewarn.quiet import Reading, read_at_quiet_point
from forewarn.terminal import AsJson, out, print_json, print_table, say
from shared.events import Beat, Marker
from shared.events import Warning as WarningDocument
from shared.messaging.facts import Facts, Side, facts
from shared.money import to_decimal
from shared.runtime.platform import Platform
from shared.runtime.service import Service

NO_FACTS: Final = frozenset({Beat.kind, Marker.kind, WarningDocument.kind})

_SIDES: Final[dict[Side, str]] = {"document": "produces", "held_document": "holds"}


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """The documents of one kind that a service has, as their producer or as held for its own work."""

    service: str
    side: Side
    facts: Facts

    @property
    def sums(self) -> dict[str, str]:
        """Sums of live documents by currency, as people write them."""
        return {currency: to_decimal(minor, currency) for currency, minor in sorted(self.facts.sums.items())}


def facts_hash(wait: Wait = 10.0, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Print count, sums and hash of all documents, by service and kind, and one hash over everything."""
    reading = asyncio.run(_read(data_dir, wait))
    if as_json:
        print_json(_json(reading))
        return
    columns = ("service", "", "kind", "documents", "sums", "hash")
    rows = [
        (one.service, _SIDES[one.side], one.facts.kind, one.facts.documents, _sums(one), one.facts.hash)
        for one in reading.found
    ]
    print_table(columns, rows)
    out.print(f"\nfacts-hash {total(reading.found)}")
    if reading.unrest:
        say(f"No quiet point, so this is no state of the whole system: {reading.unrest}")


async def facts_of_all(services: Sequence[Service], platform: Platform) -> list[ServiceFacts]:
    """The facts of each service, its own before those it holds."""
    found: list[ServiceFacts] = []
    for service in services:
        held = service.subscription.holds if service.subscription else ()
        kinds: dict[Side, Sequence[str]] = {"document": service.publishes, "held_document": held}
        async with platform.context(service.name).database.unit_of_work() as unit:
            for side, named in kinds.items():
                wanted = [kind for kind in named if kind not in NO_FACTS]
                found += [ServiceFacts(service.name, side, one) for one in await facts(side, wanted, unit.connection)]
    return found


def total(found: Sequence[ServiceFacts]) -> str:
    """One hash over all services, whatever their order."""
    lines = sorted((one.service, one.side, *one.facts) for one in found)
    return hashlib.blake2b(msgspec.json.encode(lines, order="sorted"), digest_size=16).hexdigest()


async def _read(data_dir: Path | None, wait: float) -> Reading[list[ServiceFacts]]:
    async with installation(data_dir) as (services, platform):
        return await read_at_quiet_point(services, platform, wait, lambda: facts_of_all(services, platform))


def _sums(one: ServiceFacts) -> str | None:
    return ", ".join(f"{amount} {currency}" for currency, amount in one.sums.items()) or None


def _json(reading: Reading[list[ServiceFacts]]) -> dict[str, Any]:
    facts = [
        {
            "service": one.service,
            "side": one.side,
            "kind": one.facts.kind,
            "documents": one.facts.documents,
            "sums": one.sums,
            "hash": one.facts.hash,
        }
        for one in reading.found
    ]
    return {"facts_hash": total(reading.found), "quiet": reading.unrest is None, "facts": facts}
