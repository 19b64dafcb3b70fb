"""What people do with warnings, and what of it runs out by itself."""

from collections.abc import Callable, Iterable
from typing import Final
from uuid import UUID

from services.alerting.domain import Change, Command, Expire, HeldWarning, handle
from services.alerting.repository import documents, states, warnings
from shared.database.unit_of_work import UnitOfWork
from shared.messaging import customers
from shared.messaging.document_store import Stored

EXPIRE_PAGE: Final = 200


async def handle_warning(
    id_: UUID, command: Command, unit: UnitOfWork, check: Callable[[Stored], None] | None = None
) -> Stored:
    """Do what a person wants with a warning; `check` refuses a revision the caller has not seen.

    Raises `warning_not_found` and what `domain.handle` refuses.
    """
    await customers.lock_shared(unit.connection)
    await _lock_members([await warnings.get(id_, unit.connection)], unit)
    (held,) = await warnings.lock_some([id_], unit.connection)
    stored = await documents.get("warning", id_, unit.connection)
    if check is not None:
        check(stored)
    change = handle(held, command, unit.now)
    if change is None:
        return stored
    actor = None if isinstance(command, Expire) else command.actor
    return (await warnings.store([change], unit, actor=actor)).get(id_, stored)


async def expire(unit: UnitOfWork) -> bool:
    """End acknowledgements and accepted risks that have run out; returns whether there may be more."""
    await customers.lock_shared(unit.connection)
    found = await warnings.expiring(unit.now, EXPIRE_PAGE, unit.connection)
    await _lock_members(found, unit)
    locked = await warnings.lock_some([one.id for one in found], unit.connection)
    changes: list[Change] = [change for one in locked if (change := handle(one, Expire(), unit.now)) is not None]
    await warnings.store(changes, unit)
    return len(found) == EXPIRE_PAGE


async def _lock_members(found: Iterable[HeldWarning], unit: UnitOfWork) -> None:
    """Whoever judges a group locks its members first; so does who handles its warnings."""
    await states.lock({member.id for one in found for member in one.members}, unit.connection)
