"""What can be done with orders and returns: one function per intention, in a unit of work that others commit."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import cast
from uuid import UUID

from services.orders import domain
from services.orders.repository import documents
from shared.database.unit_of_work import UnitOfWork
from shared.events import Order, Return
from shared.messaging import ingest
from shared.messaging.document_store import Draft, Stored
from shared.messaging.ingest import Result


async def accept_documents(drafts: Sequence[Draft], unit: UnitOfWork) -> list[Result]:
    """Take orders and returns as facts: new, amended, duplicate, superseded or different, one result each."""
    return await ingest.accept(documents, drafts, unit)


async def amend_order(
    id_: UUID, unit: UnitOfWork, check: Callable[[Stored], None], amend: Callable[[Order], Order]
) -> Stored:
    """Change an order by hand; `check` refuses a revision the caller has not seen."""

    def change(held: Stored) -> tuple[Order, str]:
        check(held)
        return amend(cast("Order", held.document)), "amended"

    return await documents.change(Order.kind, id_, unit, change)


async def cancel_order(id_: UUID, at: datetime, unit: UnitOfWork) -> Stored:
    """Cancel an order as of a business time."""
    return await documents.change(
        Order.kind, id_, unit, lambda held: domain.cancel_order(cast("Order", held.document), at)
    )


async def cancel_return(id_: UUID, unit: UnitOfWork) -> Stored:
    """Cancel a return."""
    return await documents.change(
        Return.kind, id_, unit, lambda held: domain.cancel_return(cast("Return", held.document))
    )


async def retract(kind: str, id_: UUID, unit: UnitOfWork) -> Stored:
    """Take back an order or return that should never have been sent."""
    return await documents.retract(kind, id_, unit)
