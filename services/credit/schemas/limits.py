"""Limit decisions as they are sent and shown."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, Self, cast
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from shared.events import CreditLimit
from shared.http.documents import CustomerRef, customer_ref
from shared.http.inputs import Currency, DocumentIn, Money, When
from shared.http.problems import refuse
from shared.messaging.customers import Known
from shared.messaging.document_store import Draft, Stored
from shared.money import to_decimal

Kind = Literal["unlimited", "amount", "none"]


class CreditLimitIn(DocumentIn):
    """A decision how much a customer may owe in a currency; it may be meant for a time to come."""

    limit: Kind
    currency: Currency
    amount: Annotated[Money | None, Field(description='Only with "limit": "amount".')] = None
    valid_from: When
    valid_to: Annotated[
        When | None, Field(description="End of a temporary limit: from then on the one decided before counts again.")
    ] = None

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        if self.limit == "amount" and self.amount is None:
            raise refuse("amount_required", 'Name the amount, or send "unlimited" or "none" as limit.')
        if self.limit != "amount" and self.amount is not None:
            raise refuse("amount_not_allowed", 'An amount goes with "limit": "amount" only.')
        if self.valid_to is not None and self.valid_to <= self.valid_from:
            raise refuse("period_empty", "A temporary limit ends after it begins: valid_to > valid_from.")
        return self


class CreditLimitOut(BaseModel):
    """A limit decision with the revision it stands at."""

    id: UUID
    revision: int
    source: str
    number: str
    customer: CustomerRef
    limit: Kind
    currency: str
    amount: str | None
    valid_from: datetime
    valid_to: datetime | None
    live: bool
    recorded_at: datetime


def limit_draft(sent: CreditLimitIn, backfill: bool) -> Draft:
    """The decision as a fact."""
    limit = CreditLimit(
        source=sent.source,
        number=sent.number,
        party=sent.customer.party(sent.source),
        limit=sent.limit,
        currency=sent.currency,
        amount=sent.amount or 0,
        valid_from=sent.valid_from,
        valid_to=sent.valid_to,
        backfill=backfill,
    )
    return Draft(limit, "set", "amended", sent.source, sent.source_revision)


def show_limit(stored: Stored, known: Mapping[UUID, Known]) -> CreditLimitOut:
    """The decision as it stands, with the name of whoever is known."""
    limit = cast("CreditLimit", stored.document)
    return CreditLimitOut(
        id=stored.id,
        revision=stored.revision,
        source=limit.source,
        number=limit.number,
        customer=customer_ref(limit.party, known),
        limit=limit.limit,
        currency=limit.currency,
        amount=to_decimal(limit.amount, limit.currency) if limit.limit == "amount" else None,
        valid_from=limit.valid_from,
        valid_to=limit.valid_to,
        live=limit.live,
        recorded_at=stored.recorded_at,
    )
