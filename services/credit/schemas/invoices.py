"""Invoices as sources send them, as people change them, and as they are shown."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, cast
from uuid import UUID

import msgspec
from pydantic import BaseModel, Field

from shared.errors import FieldError
from shared.events import Invoice
from shared.http.documents import CustomerRef, customer_ref
from shared.http.inputs import (
    Amount,
    Code,
    Currency,
    Day,
    DocumentIn,
    DocumentNumber,
    Input,
    Money,
    PartyIn,
    When,
    minor_of,
)
from shared.http.problems import invalid_fields
from shared.messaging.customers import Known
from shared.messaging.document_store import Draft, Stored
from shared.money import to_decimal

Orders = Annotated[list[DocumentNumber], Field(max_length=200)]


class InvoiceIn(DocumentIn):
    """An invoice as a source sends it.

    What ERP systems really send is taken: an amount of 0 is kept and counts for nothing, a due day before the day of
    issue makes it overdue from its first day, and a cancellation dated before its issue counts from its issue.
    """

    bill_to: PartyIn | None = None
    currency: Currency
    amount: Money
    issued_at: When
    due: Annotated[Day, Field(description="Last day, in the seller's time zone, on which it is paid in time.")]
    orders: Orders = Field(default_factory=list, description="Numbers of the orders it bills, in the same source.")
    cancelled_at: When | None = None
    seller_entity: Code = "main"


class InvoiceChange(Input):
    """What may be amended by hand; what is left out stays."""

    amount: Amount | None = None
    due: Day | None = None

    def amended(self, invoice: Invoice) -> Invoice:
        """The invoice with these changes. Raises what is wrong with the amount in its currency."""
        amount = invoice.amount if self.amount is None else minor_of("amount", self.amount, invoice.currency)
        if amount < 0:
            message = "An invoice's amount is not negative; cancel the invoice instead."
            raise invalid_fields([FieldError("amount", "amount_negative", message)])
        return msgspec.structs.replace(invoice, amount=amount, due=self.due or invoice.due)


class InvoiceCancellation(Input):
    """When the invoice was cancelled; now, if left out."""

    cancelled_at: When | None = None


class InvoiceOut(BaseModel):
    """An invoice with the revision it stands at."""

    id: UUID
    revision: int
    source: str
    number: str
    customer: CustomerRef
    bill_to: CustomerRef | None
    currency: str
    amount: str
    issued_at: datetime
    due: date
    orders: list[str]
    cancelled_at: datetime | None
    seller_entity: str
    live: bool
    recorded_at: datetime


def invoice_draft(sent: InvoiceIn, backfill: bool) -> Draft:
    """The invoice as a fact."""
    invoice = Invoice(
        source=sent.source,
        number=sent.number,
        party=sent.customer.party(sent.source),
        bill_to=sent.bill_to.party(sent.source) if sent.bill_to else None,
        currency=sent.currency,
        amount=sent.amount,
        issued_at=sent.issued_at,
        due=sent.due,
        orders=tuple(dict.fromkeys(sent.orders)),
        cancelled_at=sent.cancelled_at,
        seller_entity=sent.seller_entity,
        backfill=backfill,
    )
    amended = "cancelled" if sent.cancelled_at else "amended"
    return Draft(invoice, "issued", amended, sent.source, sent.source_revision)


def show_invoice(stored: Stored, known: Mapping[UUID, Known]) -> InvoiceOut:
    """The invoice as it stands, with the names of whoever is known."""
    invoice = cast("Invoice", stored.document)
    return InvoiceOut(
        id=stored.id,
        revision=stored.revision,
        source=invoice.source,
        number=invoice.number,
        customer=customer_ref(invoice.party, known),
        bill_to=customer_ref(invoice.bill_to, known) if invoice.bill_to else None,
        currency=invoice.currency,
        amount=to_decimal(invoice.amount, invoice.currency),
        issued_at=invoice.issued_at,
        due=invoice.due,
        orders=list(invoice.orders),
        cancelled_at=invoice.cancelled_at,
        seller_entity=invoice.seller_entity,
        live=invoice.live,
        recorded_at=stored.recorded_at,
    )
