"""What the orders service reads and shows: requests become drafts, stored documents become answers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, cast
from uuid import UUID

import msgspec
from pydantic import BaseModel, Field

from shared.errors import InvalidInput
from shared.events import Order, Return
from shared.events.orders import OrderState
from shared.http.documents import CustomerRef, customer_ref
from shared.http.inputs import (
    Amount,
    Code,
    Currency,
    DocumentIn,
    DocumentNumber,
    Input,
    Money,
    PartyIn,
    PositiveMoney,
    When,
    minor_of,
)
from shared.messaging.customers import Known
from shared.messaging.document_store import Draft, Stored
from shared.money import to_decimal

Lines = Annotated[int, Field(ge=0, le=1_000_000, description="Number of order lines.")]


class OrderIn(DocumentIn):
    """An order as a source sends it."""

    bill_to: PartyIn | None = None
    currency: Currency
    amount: Money
    placed_at: When
    state: Literal["accepted", "cancelled", "delivered"] = "accepted"
    cancelled_at: When | None = None
    lines: Lines | None = None
    seller_entity: Code = "main"


class ReturnIn(DocumentIn):
    """A return as a source sends it; the amount is what net sales fall by."""

    currency: Currency
    amount: PositiveMoney
    returned_at: When
    order: DocumentNumber | None = None
    state: Literal["recorded", "cancelled"] = "recorded"
    lines: Lines | None = None
    seller_entity: Code = "main"


class OrderChange(Input):
    """What may be amended by hand; what is left out stays."""

    amount: Amount | None = None
    placed_at: When | None = None
    lines: Lines | None = None

    def amended(self, order: Order) -> Order:
        """The order with these changes. Raises what is wrong with the amount in its currency."""
        amount = order.amount if self.amount is None else minor_of("amount", self.amount, order.currency)
        if amount < 0:
            raise InvalidInput("amount_negative", "An order's amount is not negative; send a return instead.")
        return msgspec.structs.replace(
            order,
            amount=amount,
            placed_at=self.placed_at or order.placed_at,
            lines=order.lines if self.lines is None else self.lines,
        )


class Cancellation(Input):
    """When the order was cancelled; now, if left out."""

    cancelled_at: When | None = None


class OrderOut(BaseModel):
    """An order with the revision it stands at."""

    id: UUID
    revision: int
    source: str
    number: str
    customer: CustomerRef
    bill_to: CustomerRef | None
    currency: str
    amount: str
    placed_at: datetime
    state: OrderState
    cancelled_at: datetime | None
    lines: int | None
    seller_entity: str
    live: bool
    recorded_at: datetime


class ReturnOut(BaseModel):
    """A return with the revision it stands at."""

    id: UUID
    revision: int
    source: str
    number: str
    customer: CustomerRef
    currency: str
    amount: str
    returned_at: datetime
    order: str | None
    state: Literal["recorded", "cancelled"]
    lines: int | None
    seller_entity: str
    live: bool
    recorded_at: datetime


def order_draft(sent: OrderIn, backfill: bool) -> Draft:
    """The order as a fact, accepted on arrival."""
    order = Order(
        source=sent.source,
        number=sent.number,
        party=sent.customer.party(sent.source),
        bill_to=sent.bill_to.party(sent.source) if sent.bill_to else None,
        currency=sent.currency,
        amount=sent.amount,
        placed_at=sent.placed_at,
        state=sent.state,
        cancelled_at=sent.cancelled_at if sent.state == "cancelled" else None,
        lines=sent.lines,
        seller_entity=sent.seller_entity,
        backfill=backfill,
    )
    amended = "cancelled" if sent.state == "cancelled" else "amended"
    return Draft(order, "placed", amended, sent.source, sent.source_revision)


def return_draft(sent: ReturnIn, backfill: bool) -> Draft:
    """The return as a fact."""
    returned = Return(
        source=sent.source,
        number=sent.number,
        party=sent.customer.party(sent.source),
        currency=sent.currency,
        amount=sent.amount,
        returned_at=sent.returned_at,
        order=sent.order,
        state=sent.state,
        lines=sent.lines,
        seller_entity=sent.seller_entity,
        backfill=backfill,
    )
    amended = "cancelled" if sent.state == "cancelled" else "amended"
    return Draft(returned, "recorded", amended, sent.source, sent.source_revision)


def show_order(stored: Stored, known: Mapping[UUID, Known]) -> OrderOut:
    """The order as it stands, with the names of whoever is known."""
    order = cast("Order", stored.document)
    return OrderOut(
        id=stored.id,
        revision=stored.revision,
        source=order.source,
        number=order.number,
        customer=customer_ref(order.party, known),
        bill_to=customer_ref(order.bill_to, known) if order.bill_to else None,
        currency=order.currency,
        amount=to_decimal(order.amount, order.currency),
        placed_at=order.placed_at,
        state=order.state,
        cancelled_at=order.cancelled_at,
        lines=order.lines,
        seller_entity=order.seller_entity,
        live=order.live,
        recorded_at=stored.recorded_at,
    )


def show_return(stored: Stored, known: Mapping[UUID, Known]) -> ReturnOut:
    """The return as it stands."""
    returned = cast("Return", stored.document)
    return ReturnOut(
        id=stored.id,
        revision=stored.revision,
        source=returned.source,
        number=returned.number,
        customer=customer_ref(returned.party, known),
        currency=returned.currency,
        amount=to_decimal(returned.amount, returned.currency),
        returned_at=returned.returned_at,
        order=returned.order,
        state=returned.state,
        lines=returned.lines,
        seller_entity=returned.seller_entity,
        live=returned.live,
        recorded_at=stored.recorded_at,
    )
