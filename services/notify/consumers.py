"""Events the notify service takes in: warnings, and customers for their names and owners."""

from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from services.notify import use_cases
from services.notify.repository import log
from shared.context import Context
from shared.database.unit_of_work import UnitOfWork
from shared.events import Customer
from shared.events import Warning as WarningDocument
from shared.events.document import Document, Event
from shared.messaging import customers, markers, projection
from shared.messaging.projection import Change

CHUNK: Final = 500
"""Warnings that are looked at together."""

HELD: Final = (*customers.HELD, WarningDocument.kind)


async def on_events(events: Sequence[Event], unit: UnitOfWork, context: Context) -> None:
    """Hold what is new and tell whoever is concerned; during a rebuild only hold, since owners may not be known yet.

    `customers.lock` is not needed: one lock of this service keeps everybody else from all of this.
    """
    await log.lock(unit.connection)
    changes = await projection.apply([event for event in events if event.kind in HELD], unit.connection)
    regrouped = await customers.apply(changes, unit.connection)
    if await markers.closed(unit.connection):
        return
    warnings = [change.id for change in changes if isinstance(change.document, WarningDocument)]
    await use_cases.tell(warnings, regrouped | _with_other_owner(changes), unit, context.settings.zone)


async def on_completed(unit: UnitOfWork, context: Context) -> None:
    """Say what a rebuild has left unsaid."""
    warnings = await log.find_all(unit.connection)
    for start in range(0, len(warnings), CHUNK):
        await use_cases.tell(warnings[start : start + CHUNK], (), unit, context.settings.zone)


async def forget(unit: UnitOfWork) -> None:
    """Know nobody, until everything comes again. What was told and read is nothing that events would bring back."""
    await log.lock(unit.connection)
    await customers.forget(unit.connection)


def _with_other_owner(changes: Iterable[Change]) -> set[UUID]:
    return {
        change.document.party.id
        for change in changes
        if isinstance(change.document, Customer) and _owner(change.document) != _owner(change.previous)
    }


def _owner(customer: Document | None) -> str | None:
    return customer.owner if isinstance(customer, Customer) and customer.live else None
