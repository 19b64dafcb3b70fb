"""Documents of the credit service: limits, invoices and payments."""

from datetime import date, datetime
from typing import ClassVar, Literal

from shared.events.document import Currency, Document, Instant, Minor, Number, Party, Source


class CreditLimit(Document, frozen=True, kw_only=True, omit_defaults=True):
    """A decision how much a customer may owe. `none` means nothing; it is never an amount of 0 by accident."""

    kind: ClassVar[str] = "credit_limit"
    reasons: ClassVar[frozenset[str]] = frozenset({"set", "amended", "expired", "retracted"})

    source: Source
    number: Number
    party: Party
    limit: Literal["unlimited", "amount", "none"]
    currency: Currency
    amount: Minor = 0
    """Counts only if `limit` is "amount"."""
    valid_from: Instant
    """It counts from here on, whenever it was decided; the latest decision in force counts."""
    valid_to: Instant | None = None
    """Instant from which the limit decided before it counts again; None = until the next decision."""
    backfill: bool = False
    """Declared history: recorded and judged, never pushed."""

    @property
    def natural_key(self) -> str:
        return f"{self.source}/{self.number}"

    @property
    def at(self) -> datetime:
        return self.valid_from

    @property
    def until(self) -> datetime:
        return max(self.at, self.valid_to or self.at)

    def parties(self) -> tuple[Party, ...]:
        return (self.party,)

    def sums(self) -> tuple[str, int]:
        return self.currency, self.amount


class Invoice(Document, frozen=True, kw_only=True, omit_defaults=True):
    """A claim on the payer, due at the end of the day `due` in the seller's time zone."""

    kind: ClassVar[str] = "invoice"
    reasons: ClassVar[frozenset[str]] = frozenset({"issued", "amended", "cancelled", "retracted"})

    source: Source
    number: Number
    party: Party
    bill_to: Party | None = None
    """Who pays, if it is not `party`."""
    currency: Currency
    amount: Minor
    issued_at: Instant
    due: date
    """Last day on which it is paid in time."""
    orders: tuple[str, ...] = ()
    """Numbers of the orders it bills, in the same source."""
    cancelled_at: Instant | None = None
    """When it was undone in business time; a booking mistake is a retraction instead."""
    seller_entity: str = "main"
    """Which of the seller's legal entities it concerns."""
    backfill: bool = False
    """Declared history: recorded and judged, never pushed."""

    @property
    def natural_key(self) -> str:
        return f"{self.source}/{self.number}"

    @property
    def at(self) -> datetime:
        return self.issued_at

    @property
    def until(self) -> datetime:
        return max(self.at, self.cancelled_at or self.at)

    @property
    def payer(self) -> Party:
        """The party that owes it."""
        return self.bill_to or self.party

    def parties(self) -> tuple[Party, ...]:
        return (self.party,) if self.bill_to is None else (self.party, self.bill_to)

    def sums(self) -> tuple[str, int]:
        return self.currency, self.amount


class Payment(Document, frozen=True, kw_only=True, omit_defaults=True):
    """Money received from a customer. It may name an invoice that is not there yet."""

    kind: ClassVar[str] = "payment"
    reasons: ClassVar[frozenset[str]] = frozenset({"received", "amended", "reversed", "retracted"})

    source: Source
    number: Number
    party: Party
    currency: Currency
    amount: Minor
    received_at: Instant
    invoice: str | None = None
    """Number of the invoice it is meant for, in the same source."""
    reversed_at: Instant | None = None
    """When the bank took it back (bounced); a booking mistake is a retraction instead."""
    seller_entity: str = "main"
    """Which of the seller's legal entities it concerns."""
    backfill: bool = False
    """Declared history: recorded and judged, never pushed."""

    @property
    def natural_key(self) -> str:
        return f"{self.source}/{self.number}"

    @property
    def at(self) -> datetime:
        return self.received_at

    @property
    def until(self) -> datetime:
        return max(self.at, self.reversed_at or self.at)

    def parties(self) -> tuple[Party, ...]:
        return (self.party,)

    def sums(self) -> tuple[str, int]:
        return self.currency, self.amount
