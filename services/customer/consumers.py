"""Events the customer service takes in: whoever a document names and nobody has registered becomes a customer."""

from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

from services.customer import use_cases
from services.customer.domain import unconfirmed
from services.customer.repository import find_unknown
from shared.context import Context
from shared.database.unit_of_work import UnitOfWork
from shared.events import Customer
from shared.events.document import Event
from shared.messaging.projection import decode


async def on_events(events: Sequence[Event], unit: UnitOfWork, _: Context) -> None:
    """Register as unconfirmed who is unknown.

    This runs for every document of the installation: as long as everyone is known it is one look-up per batch, and
    no snapshot is read. Each party a document names gets a copy addressed to him, so addressees are enough.
    """
    addressees = {event.party for event in events if event.party is not None}
    unknown = await find_unknown(addressees, unit.connection) if addressees else set()
    if unknown:
        await use_cases.register_unconfirmed(_named(events, unknown), unit)


def _named(events: Iterable[Event], unknown: Collection[UUID]) -> list[Customer]:
    """A customer for each unknown addressee who has an external id, as of the first document that names him.

    Addressees whom the snapshot itself does not name were in an earlier one; a copy of that comes as well.
    """
    named: dict[UUID, Customer] = {}
    for event in sorted((one for one in events if one.party in unknown), key=lambda one: one.recorded_at):
        for party in decode(event.kind, event.data).parties():
            if party.id in unknown and party.external_id is not None:
                named.setdefault(party.id, unconfirmed(party, event.recorded_at))
    return list(named.values())
