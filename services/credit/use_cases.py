"""What can be done with limits, invoices and payments: one function per intention, in a unit that others commit."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import cast
from uuid import UUID
from zoneinfo import ZoneInfo

from services.credit.domain import transitions
from services.credit.domain.accounts import Standing, accounts
from services.credit.errors import customer_not_found
from services.credit.repository import documents, find_documents
from shared.database.unit_of_work import UnitOfWork
from shared.events import Invoice, Payment
from shared.events.days import day_of
from shared.messaging import customers, ingest
from shared.messaging.document_store import Draft, Stored
from shared.messaging.ingest import Result


async def accept_documents(drafts: Sequence[Draft], unit: UnitOfWork) -> list[Result]:
    """Take documents as facts: new, amended, duplicate, superseded or different, one result each."""
    return await ingest.accept(documents, drafts, unit)


async def amend_invoice(
    id_: UUID, unit: UnitOfWork, check: Callable[[Stored], None], amend: Callable[[Invoice], Invoice]
) -> Stored:
    """Change an invoice by hand; `check` refuses a revision the caller has not seen."""

    def change(held: Stored) -> tuple[Invoice, str]:
        check(held)
        invoice = cast("Invoice", held.document)
        return transitions.amend_invoice(invoice, amend(invoice))

    return await documents.change(Invoice.kind, id_, unit, change)


async def cancel_invoice(id_: UUID, at: datetime, unit: UnitOfWork) -> Stored:
    """Cancel an invoice as of a business time."""
    return await documents.change(
        Invoice.kind, id_, unit, lambda held: transitions.cancel_invoice(cast("Invoice", held.document), at)
    )


async def reverse_payment(id_: UUID, at: datetime, unit: UnitOfWork) -> Stored:
    """Take note that the bank took a payment back at a business time."""
    return await documents.change(
        Payment.kind, id_, unit, lambda held: transitions.reverse_payment(cast("Payment", held.document), at)
    )


async def retract(kind: str, id_: UUID, unit: UnitOfWork) -> Stored:
    """Take back a limit, invoice or payment that should never have been sent."""
    return await documents.retract(kind, id_, unit)


async def standing_of(customer: UUID, unit: UnitOfWork, *, as_of: datetime, zone: ZoneInfo) -> Standing:
    """How the customer and everyone linked with him stand together. Raises `customer_not_found`."""
    group = (await customers.groups_of([customer], unit.connection))[customer]
    found = await find_documents(group.members, unit.connection)
    if not found and not await customers.known(group.members, unit.connection):
        raise customer_not_found()
    figures = accounts([one for _, one in found], group.members, group.root, as_of=as_of, zone=zone)
    return Standing(group.root, group.members, as_of, day_of(as_of, zone), figures, found)
