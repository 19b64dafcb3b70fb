"""`forewarn reconcile`: whether every consumer holds exactly the documents its producers have, day by day.

Count, sum and hash per (kind, day, currency) are equal at every quiet point. The command needs the databases of both
sides, which no service may see, and reads every row: it is no gauge, run it now and then.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple

import typer

from forewarn.installation import DataDir, Wait, installation
from forewarn.quiet import Reading, read_at_quiet_point
from forewarn.terminal import AsJson, out, print_json, print_table, say
from shared.events import PRODUCED_BY, Beat, Marker
from shared.messaging.facts import Side, Tally, tally
from shared.money import to_decimal
from shared.runtime.platform import Platform
from shared.runtime.service import Service

Tallies = Mapping[tuple[date, str], Tally]
"""Of one kind, by day and currency."""

PRODUCERS: Final = {
    model.kind: producer for producer, models in PRODUCED_BY.items() for model in models if model not in (Beat, Marker)
}


class Pair(NamedTuple):
    """One kind on its way from the service that produces it to one that holds it."""

    producer: str
    consumer: str
    kind: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A day on which the two sides of a pair do not have the same documents; None: that side has none at all."""

    pair: Pair
    day: date
    currency: str
    produced: Tally | None
    held: Tally | None

    @property
    def direction(self) -> str:
        """`missing`: the consumer has fewer; `surplus`: he has more; `other`: as many, but not the same."""
        produced, held = _documents(self.produced), _documents(self.held)
        return "missing" if held < produced else "surplus" if held > produced else "other"


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What was compared, and where the two sides differ."""

    pairs: Sequence[Pair]
    documents: int
    """Of all producers of these pairs, once for each consumer."""
    differences: Sequence[Difference]


def reconcile(wait: Wait = 10.0, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Compare producers with consumers; exit code 1 if anybody lacks a document or has one too many."""
    reading = asyncio.run(_read(data_dir, wait))
    found = reading.found
    if as_json:
        print_json(_json(reading))
    else:
        _print(found)
        if reading.unrest:
            say(f"No quiet point, so differences may be documents on their way: {reading.unrest}")
        for consumer in sorted({one.pair.consumer for one in found.differences}):
            say(f"What {consumer} could not apply: forewarn deadletters list {consumer}")
    if found.differences:
        raise typer.Exit(1)


async def compare(services: Sequence[Service], platform: Platform) -> Reconciliation:
    """Hold every kind that a service holds against its producer."""
    pairs = pairs_of(services)
    produced = await _tallies("document", {(pair.producer, pair.kind) for pair in pairs}, platform)
    held = await _tallies("held_document", {(pair.consumer, pair.kind) for pair in pairs}, platform)
    differences: list[Difference] = []
    documents = 0
    for pair in pairs:
        theirs = produced[pair.producer, pair.kind]
        differences += _differences(pair, theirs, held[pair.consumer, pair.kind])
        documents += sum(one.documents for one in theirs.values())
    return Reconciliation(pairs, documents, differences)


def pairs_of(services: Sequence[Service]) -> list[Pair]:
    """Every kind somebody holds whose producer is among the services."""
    there = {service.name for service in services}
    return [
        Pair(PRODUCERS[kind], service.name, kind)
        for service in services
        for kind in (service.subscription.holds if service.subscription else ())
        if PRODUCERS[kind] in there
    ]


async def _tallies(side: Side, wanted: set[tuple[str, str]], platform: Platform) -> dict[tuple[str, str], Tallies]:
    found: dict[tuple[str, str], dict[tuple[date, str], Tally]] = {key: {} for key in wanted}
    for name in sorted({service for service, _ in wanted}):
        kinds = sorted(kind for service, kind in wanted if service == name)
        async with platform.context(name).database.unit_of_work() as unit:
            for one in await tally(side, kinds, unit.connection):
                found[name, one.kind][one.day, one.currency] = one
    return dict(found)


def _differences(pair: Pair, produced: Tallies, held: Tallies) -> Iterator[Difference]:
    for day, currency in sorted(produced.keys() | held.keys()):
        ours, theirs = produced.get((day, currency)), held.get((day, currency))
        if ours != theirs:
            yield Difference(pair, day, currency, ours, theirs)


async def _read(data_dir: Path | None, wait: float) -> Reading[Reconciliation]:
    async with installation(data_dir) as (services, platform):
        return await read_at_quiet_point(services, platform, wait, lambda: compare(services, platform))


def _documents(side: Tally | None) -> int:
    return side.documents if side else 0


def _amount(side: Tally | None, currency: str) -> str | None:
    return to_decimal(side.amount if side else 0, currency) if currency else None


def _print(found: Reconciliation) -> None:
    if not found.differences:
        out.print(f"{found.documents} documents of {len(found.pairs)} pairs of producer and consumer are equal.")
        return
    columns = ("producer", "consumer", "kind", "day", "currency", "", "produced", "held", "amount", "held amount")
    rows = [
        (
            *one.pair,
            one.day,
            one.currency or None,
            one.direction,
            _documents(one.produced),
            _documents(one.held),
            _amount(one.produced, one.currency),
            _amount(one.held, one.currency),
        )
        for one in found.differences
    ]
    print_table(columns, rows)


def _json(reading: Reading[Reconciliation]) -> dict[str, Any]:
    found = reading.found
    differences = [
        {
            **one.pair._asdict(),
            "day": one.day.isoformat(),
            "currency": one.currency or None,
            "direction": one.direction,
            "documents": {"produced": _documents(one.produced), "held": _documents(one.held)},
            "amount": {"produced": _amount(one.produced, one.currency), "held": _amount(one.held, one.currency)},
        }
        for one in found.differences
    ]
    pairs = [pair._asdict() for pair in found.pairs]
    return {"quiet": reading.unrest is None, "pairs": pairs, "documents": found.documents, "differences": differences}
