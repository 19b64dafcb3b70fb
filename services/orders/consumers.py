"""Events the orders service takes in: customers and links, so that orders may name them and owners see theirs."""

from collections.abc import Sequence

from shared.context import Context
from shared.database.unit_of_work import UnitOfWork
from shared.events.document import Event
from shared.messaging import customers, projection


async def on_events(events: Sequence[Event], unit: UnitOfWork, _: Context) -> None:
    """Hold who is known."""
    await customers.lock(events, unit.connection)
    changes = await projection.apply([event for event in events if event.kind in customers.HELD], unit.connection)
    await customers.apply(changes, unit.connection)


async def forget(unit: UnitOfWork) -> None:
    """Know nobody, until everything comes again."""
    await customers.forget(unit.connection)
