"""Documents of the orders service: orders and returns."""

from datetime import datetime
from typing import ClassVar, Literal

from shared.events.document import Currency, Document, Instant, Minor, Number, Party, Source

OrderState = Literal["pending", "accepted", "held", "cancelled", "delivered"]


class Order(Document, frozen=True, kw_only=True, omit_defaults=True):
    """A customer's order. A cancelled one is no order day and opens nothing."""

    kind: ClassVar[str] = "order"
    reasons: ClassVar[frozenset[str]] = frozenset(
        {"placed", "accepted", "amended", "held", "released", "cancelled", "delivered", "retracted"}
    )

    source: Source
    number: Number
    party: Party
    bill_to: Party | None = None
    """Who pays, if it is not `party`."""
    currency: Currency
    amount: Minor
    """Net amount; 0 is allowed."""
    placed_at: Instant
    state: OrderState = "accepted"
    """Only accepted and delivered orders use credit; pending and held ones wait for it."""
    cancelled_at: Instant | None = None
    lines: int | None = None
    """Number of order lines, where the source says."""
    seller_entity: str = "main"
    """Which of the seller's legal entities it concerns."""
    backfill: bool = False
    """Declared history: recorded and judged, never pushed."""

    @property
    def natural_key(self) -> str:
        return f"{self.source}/{self.number}"

    @property
    def at(self) -> datetime:
        return self.placed_at

    @property
    def until(self) -> datetime:
        return max(self.at, self.cancelled_at or self.at)

    @property
    def payer(self) -> Party:
        """The party whose credit the order uses."""
        return self.bill_to or self.party

    def parties(self) -> tuple[Party, ...]:
        return (self.party,) if self.bill_to is None else (self.party, self.bill_to)

    def sums(self) -> tuple[str, int]:
        return self.currency, self.amount


class Return(Document, frozen=True, kw_only=True, omit_defaults=True):
    """Goods taken back: lowers net sales, is no order day. What it does to receivables is a credit note's business."""

    kind: ClassVar[str] = "return"
    reasons: ClassVar[frozenset[str]] = frozenset({"recorded", "amended", "cancelled", "retracted"})

    source: Source
    number: Number
    party: Party
    currency: Currency
    amount: Minor
    """Positive: what net sales fall by."""
    returned_at: Instant
    order: str | None = None
    """Number of the order it belongs to, in the same source, where that is known."""
    state: Literal["recorded", "cancelled"] = "recorded"
    """Cancelled: the goods did not come back after all."""
    lines: int | None = None
    """Number of lines, where the source says."""
    seller_entity: str = "main"
    """Which of the seller's legal entities it concerns."""
    backfill: bool = False
    """Declared history: recorded and judged, never pushed."""

    @property
    def natural_key(self) -> str:
        return f"{self.source}/{self.number}"

    @property
    def at(self) -> datetime:
        return self.returned_at

    def parties(self) -> tuple[Party, ...]:
        return (self.party,)

    def sums(self) -> tuple[str, int]:
        return self.currency, self.amount
