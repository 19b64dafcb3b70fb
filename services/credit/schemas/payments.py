"""Payments as sources send them and as they are shown."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, cast
from uuid import UUID

from pydantic import BaseModel, Field

from shared.events import Payment
from shared.http.documents import CustomerRef, customer_ref
from shared.http.inputs import Code, Currency, DocumentIn, DocumentNumber, Input, Money, When
from shared.messaging.customers import Known
from shared.messaging.document_store import Draft, Stored
from shared.money import to_decimal


class PaymentIn(DocumentIn):
    """A payment as a source sends it; an amount of 0 is kept and counts for nothing."""

    currency: Currency
    amount: Money
    received_at: When
    invoice: Annotated[
        DocumentNumber | None,
        Field(description="Number of the invoice it is meant for, in the same source; it need not be there yet."),
    ] = None
    reversed_at: When | None = None
    seller_entity: Code = "main"


class PaymentReversal(Input):
    """When the bank took the money back; now, if left out."""

    reversed_at: When | None = None


class PaymentOut(BaseModel):
    """A payment with the revision it stands at."""

    id: UUID
    revision: int
    source: str
    number: str
    customer: CustomerRef
    currency: str
    amount: str
    received_at: datetime
    invoice: str | None
    reversed_at: datetime | None
    seller_entity: str
    live: bool
    recorded_at: datetime


def payment_draft(sent: PaymentIn, backfill: bool) -> Draft:
    """The payment as a fact."""
    payment = Payment(
        source=sent.source,
        number=sent.number,
        party=sent.customer.party(sent.source),
        currency=sent.currency,
        amount=sent.amount,
        received_at=sent.received_at,
        invoice=sent.invoice,
        reversed_at=sent.reversed_at,
        seller_entity=sent.seller_entity,
        backfill=backfill,
    )
    amended = "reversed" if sent.reversed_at else "amended"
    return Draft(payment, "received", amended, sent.source, sent.source_revision)


def show_payment(stored: Stored, known: Mapping[UUID, Known]) -> PaymentOut:
    """The payment as it stands, with the name of whoever is known."""
    payment = cast("Payment", stored.document)
    return PaymentOut(
        id=stored.id,
        revision=stored.revision,
        source=payment.source,
        number=payment.number,
        customer=customer_ref(payment.party, known),
        currency=payment.currency,
        amount=to_decimal(payment.amount, payment.currency),
        received_at=payment.received_at,
        invoice=payment.invoice,
        reversed_at=payment.reversed_at,
        seller_entity=payment.seller_entity,
        live=payment.live,
        recorded_at=stored.recorded_at,
    )
