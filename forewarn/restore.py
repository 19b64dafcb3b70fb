"""`forewarn restore`: what a producer has lost by a restore from a backup, and a person's word that it is gone.

That a database was restored its service finds out by itself; it then has sent again all it still knows.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from forewarn.installation import DataDir, installation
from forewarn.republish import producing
from forewarn.services import service_called
from forewarn.terminal import AsJson, out, print_json, print_table
from shared.context import Context
from shared.errors import Conflict
from shared.events import TOPICS
from shared.messaging import dead_letters, markers, republication
from shared.messaging.document_store import DocumentStore
from shared.messaging.projection import decode
from shared.money import to_decimal
from shared.runtime.platform import Platform
from shared.runtime.service import Service

app = typer.Typer(help="After a restore from a backup: what was lost, and that it is.", no_args_is_help=True)

Producer = Annotated[str, typer.Argument(help="The service whose database was restored.")]


@dataclass(frozen=True, slots=True)
class Lost:
    """A document that somebody holds and its producer does not know any more."""

    id: UUID
    kind: str
    key: str
    at: str
    currency: str | None
    amount: str | None
    held_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Restore:
    """The last restore of a producer's database."""

    service: str
    epoch: int
    recognised_at: str
    confirmed: bool
    awaited: tuple[str, ...]
    """Consumers to whom what it still knows has not come through yet."""
    lost: Sequence[Lost]


@app.command("show")
def show(service: Producer, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the documents that are lost; exit code 1 as long as this waits for somebody to confirm it."""
    found = asyncio.run(_show(service_called(service, producing()), data_dir))
    if as_json:
        print_json(_json(found))
    elif found is None:
        out.print(f"The database of {service} was never restored.")
    else:
        _print(found)
    if found is not None and not found.confirmed:
        raise typer.Exit(1)


@app.command("confirm")
def confirm(service: Producer, data_dir: DataDir = None) -> None:
    """Say that these documents are gone: everyone who holds them retracts them."""
    found = asyncio.run(_confirm(service_called(service, producing()), data_dir))
    out.print(f"{len(found.lost)} documents of {service} are being retracted.")


async def restore_of(producer: Service, services: Sequence[Service], platform: Platform) -> Restore | None:
    """The last restore of a producer, as its consumers see it now; None if there was none."""
    async with platform.context(producer.name).database.unit_of_work() as unit:
        row = await republication.last_restore(unit.connection)
    if row is None:
        return None
    holders = [one for one in services if one.subscription and producer.name in one.subscription.producers]
    found = {one.name: await _seen_by(producer.name, row["epoch"], platform.context(one.name)) for one in holders}
    return Restore(
        service=producer.name,
        epoch=row["epoch"],
        recognised_at=row["requested_at"].isoformat(timespec="seconds"),
        confirmed=row["confirmed_at"] is not None,
        awaited=tuple(sorted(name for name, seen in found.items() if seen is None)),
        lost=_merged({name: seen for name, seen in found.items() if seen is not None}),
    )


async def confirm_restore(producer: Service, services: Sequence[Service], platform: Platform) -> Restore:
    """Confirm the last restore of a producer. Raises `restore_not_through`, and what `republication.confirm` raises."""
    found = await restore_of(producer, services, platform)
    if found is not None and found.awaited:
        message = f"Documents are on their way to {', '.join(found.awaited)}, or in dead letters there."
        raise Conflict("restore_not_through", message)
    async with platform.context(producer.name).database.unit_of_work() as unit:
        await republication.confirm(DocumentStore(producer.name), unit)
    assert found is not None
    return found


async def _seen_by(producer: str, epoch: int, context: Context) -> Sequence[Any] | None:
    """Rows of what is lost; None while the consumer has not got everything the producer still knows.

    What lies unread in its dead letters would look lost as well.
    """
    async with context.database.unit_of_work() as unit:
        state = (await markers.states(unit.connection)).get(producer)
        if state is None or state.closed or state.complete < epoch:
            return None
        if await dead_letters.any_freezing(TOPICS[producer], unit.connection):
            return None
        return await markers.lost(producer, epoch, unit.connection)


def _merged(found: dict[str, Sequence[Any]]) -> list[Lost]:
    rows: dict[UUID, Any] = {}
    holders: dict[UUID, list[str]] = {}
    for name, seen in sorted(found.items()):
        for row in seen:
            rows[row["id"]] = row
            holders.setdefault(row["id"], []).append(name)
    return sorted((_lost(row, holders[id_]) for id_, row in rows.items()), key=lambda one: (one.kind, one.key))


def _lost(row: Any, holders: Sequence[str]) -> Lost:
    document = decode(row["kind"], row["data"])
    currency, amount = document.sums()
    return Lost(
        id=row["id"],
        kind=row["kind"],
        key=document.natural_key,
        at=document.at.isoformat(timespec="seconds"),
        currency=currency or None,
        amount=to_decimal(amount, currency) if currency else None,
        held_by=tuple(holders),
    )


async def _show(service: Service, data_dir: Path | None) -> Restore | None:
    async with installation(data_dir) as (services, platform):
        return await restore_of(service, services, platform)


async def _confirm(service: Service, data_dir: Path | None) -> Restore:
    async with installation(data_dir) as (services, platform):
        return await confirm_restore(service, services, platform)


def _print(found: Restore) -> None:
    if found.awaited:
        out.print(f"Still on its way to {', '.join(found.awaited)}; the list is not complete.")
    columns = ("kind", "document", "of", "amount", "held by")
    rows = [
        (one.kind, one.key, one.at, one.amount and f"{one.amount} {one.currency}", ", ".join(one.held_by))
        for one in found.lost
    ]
    print_table(columns, rows)
    said = "confirmed" if found.confirmed else f"not confirmed yet: forewarn restore confirm {found.service}"
    out.print(f"{len(found.lost)} documents lost by the restore of {found.recognised_at}, {said}.")


def _json(found: Restore | None) -> Any:
    if found is None:
        return None
    return {
        "service": found.service,
        "epoch": found.epoch,
        "recognised_at": found.recognised_at,
        "confirmed": found.confirmed,
        "awaited": found.awaited,
        "lost": [
            {
                "id": str(one.id),
                "kind": one.kind,
                "document": one.key,
                "at": one.at,
                "currency": one.currency,
                "amount": one.amount,
                "held_by": one.held_by,
            }
            for one in found.lost
        ],
    }
