"""Events the credit service takes in: customers and links, and the orders that use credit until they are billed."""

from collections.abc import Sequence
from typing import Final

from shared.context import Context
from shared.database.unit_of_work import UnitOfWork
from shared.events import Order
from shared.events.document import Event
from shared.messaging import customers, projection

HELD: Final = (*customers.HELD, Order.kind)
"""Kinds this service keeps of others."""


async def on_events(events: Sequence[Event], unit: UnitOfWork, _: Context) -> None:
    """Hold who is known and what was ordered; what follows is computed when it is asked for."""
    await customers.lock(events, unit.connection)
    changes = await projection.apply([event for event in events if event.kind in HELD], unit.connection)
    await customers.apply(changes, unit.connection)


async def forget(unit: UnitOfWork) -> None:
    """Know nobody, until everything comes again."""
    await customers.forget(unit.connection)
