"""Facts: what a document says happened, at one instant of business time, in a total order that ignores arrival.

How documents become facts is `explode`'s business, what they mean a rule's.
"""

from datetime import datetime
from enum import IntEnum
from typing import Literal
from uuid import UUID

from msgspec import Struct


class Rank(IntEnum):
    """Order of the facts inside one instant."""

    RULE = 0
    LIMIT = 1
    CLAIM = 2
    ORDER = 3
    MONEY = 4


class Hush(IntEnum):
    """Why a document must not push by itself, as its import says; the lowest of an instant's facts counts."""

    NONE = 0
    HISTORY = 1
    """Live, but more than 48 hours old when it became known."""
    SEEDED = 2
    """Declared history (`backfill`)."""


class LimitSet(Struct, frozen=True):
    """A limit decision comes into force; a temporary one gives way to the one before it at its `LimitEnded`."""

    currency: str
    limit: Literal["unlimited", "amount", "none"]
    amount: int
    temporary: bool


class LimitEnded(Struct, frozen=True):
    """The temporary decision of the same key no longer counts."""

    currency: str


class InvoiceIssued(Struct, frozen=True):
    """A claim, due at the end of the day `due` (ordinal). `orders`: natural keys of the orders it bills."""

    currency: str
    amount: int
    due: int
    orders: tuple[str, ...] = ()


class PaymentReversed(Struct, frozen=True):
    """The bank took a payment back: a claim due on this day."""

    currency: str
    amount: int


class OrderDay(Struct, frozen=True):
    """The customer ordered; who pays does not matter."""


class OrderOpened(Struct, frozen=True):
    """An order that uses the payer's credit until it is billed."""

    currency: str
    amount: int


class PaymentReceived(Struct, frozen=True):
    """Money. `seen`: the group's invoice of the natural key `names` was issued by now (see `mark_seen`)."""

    currency: str
    amount: int
    names: str | None = None
    seen: bool = False


class InvoiceCancelled(Struct, frozen=True):
    """Money that names the cancelled invoice."""

    currency: str
    amount: int
    names: str


class RuleVersion(Struct, frozen=True):
    """From `valid_from` on, rule `code` works with these parameters (those left out have their defaults)."""

    code: str
    version: int
    valid_from: datetime
    parameters: dict[str, int] = {}


Body = (
    RuleVersion
    | LimitSet
    | LimitEnded
    | InvoiceIssued
    | PaymentReversed
    | OrderDay
    | OrderOpened
    | PaymentReceived
    | InvoiceCancelled
)


class Fact(Struct, frozen=True):
    """One fact. `(at, rank, key)` is the order in which facts are folded."""

    at: datetime
    """Business time, UTC."""
    rank: int
    key: str
    """Natural key of the document (`rev:` and `cancel:` before it for an undoing), never arrival, id or revision."""
    party: UUID | None
    """Whom it concerns: the payer for money, the buyer for order days; None = everyone (rule versions)."""
    day: int
    """Seller's day of `at`, as a proleptic ordinal."""
    body: Body
    hush: int = Hush.NONE


def position(fact: Fact) -> tuple[datetime, int, str]:
    """Sort key of the total order."""
    return fact.at, fact.rank, fact.key
