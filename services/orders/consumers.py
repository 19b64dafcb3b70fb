"""Events the orders service takes in: customers, so that orders may name them by our own id."""

from collections.abc import Sequence

from shared.context import Context
from shared.database.unit_of_work import UnitOfWork
from shared.events.document import Event
from shared.messaging import projection

HOLDS = ("customer",)


async def on_customers(events: Sequence[Event], unit: UnitOfWork, _: Context) -> None:
    """Hold who is known."""
    await projection.apply([event for event in events if event.kind in HOLDS], unit.connection)
