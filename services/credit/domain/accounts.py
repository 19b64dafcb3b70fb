"""How a customer stands: the shared formulas over the documents of his whole group, in each currency."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_CEILING, Decimal
from typing import Final, Literal, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from services.credit.domain.limits import in_force, limit_in_force
from shared.events import CreditLimit, Document, Invoice, Order, Payment
from shared.events.days import day_of
from shared.events.receivables import DEFAULT_TERMS, Receivables, allocate, uninvoiced

Granted = Literal["unlimited", "amount", "none", "no_rate"]
"""`no_rate`: a limit stands in another currency only, and nothing tells how much of it this currency uses."""

AGES: Final = (0, 30, 60, 90)
"""Last day overdue of every bucket but the oldest, beginning with what is not due."""

_HUNDREDTH: Final = Decimal("0.01")

D = TypeVar("D", bound=Document)


@dataclass(frozen=True, slots=True)
class Account:
    """One group in one currency as of one instant."""

    receivables: Receivables
    limit: CreditLimit | None
    """The decision in force; None = nobody ever decided in this currency."""
    granted: Granted

    @property
    def currency(self) -> str:
        return self.receivables.currency

    @property
    def reserved(self) -> int:
        """Money kept for invoices that are not there (yet)."""
        return sum(one.amount for one in self.receivables.allocation.waiting if one.reserved_until is not None)

    @property
    def overdue(self) -> int:
        """Open amount past its due day."""
        return sum(late.item.open for late in self.receivables.overdue())

    @property
    def overdue_days(self) -> int:
        """Days of the item that is overdue longest."""
        return max((late.days for late in self.receivables.overdue()), default=0)

    def aging(self) -> list[int]:
        """Open receivables by days overdue, one sum per bucket of `AGES` and one beyond; together they are `open`."""
        sums = [0] * (len(AGES) + 1)
        for item in self.receivables.allocation.items:
            days = (self.receivables.on - item.due).days
            sums[sum(days > last for last in AGES)] += item.open
        return sums

    def used(self, amount: int) -> Decimal | None:
        """Share of the limit that an amount uses, in percent; None without a limit to divide by.

        Rounded up, so that the smallest breach is above 100.00.
        """
        if self.limit is None or self.limit.limit != "amount" or self.limit.amount == 0:
            return None
        return (Decimal(100 * max(0, amount)) / self.limit.amount).quantize(_HUNDREDTH, ROUND_CEILING)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a group stands at an instant, and every document that was looked at, with its id."""

    root: UUID
    members: frozenset[UUID]
    as_of: datetime
    day: date
    """Day of `as_of` in the seller's time zone."""
    accounts: list[Account]
    documents: list[tuple[UUID, Document]]


def accounts(
    documents: Sequence[Document], members: Collection[UUID], root: UUID, *, as_of: datetime, zone: ZoneInfo
) -> list[Account]:
    """The accounts of a group as if it were one payer, by currency.

    Retracted documents do not count, nor those that another one pays or that are later than `as_of`; their order does
    not matter.
    """
    known = [one for one in documents if one.live and one.at <= as_of]
    limits = [one for one in _of(CreditLimit, known) if in_force(one, as_of) and one.party.id in members]
    invoices = [one for one in _of(Invoice, known) if one.payer.id in members]
    payments = [one for one in _of(Payment, known) if one.party.id in members]
    orders = [one for one in _of(Order, known) if one.payer.id in members]
    claims = {one.currency for one in invoices} | {one.currency for one in payments}
    found = []
    for currency in sorted(claims | {one.currency for one in orders} | {one.currency for one in limits}):
        bills = _in(currency, invoices)
        receivables = Receivables(
            root,
            currency,
            day_of(as_of, zone),
            allocate(bills, _in(currency, payments), as_of=as_of, zone=zone),
            uninvoiced(_in(currency, orders), bills, as_of=as_of, zone=zone),
            DEFAULT_TERMS.order_weight_percent,
        )
        limit = limit_in_force(_in(currency, limits), root, as_of)
        found.append(Account(receivables, limit, limit.limit if limit else "no_rate" if limits else "none"))
    return found


def _of(kind: type[D], documents: Iterable[Document]) -> list[D]:
    return [one for one in documents if isinstance(one, kind)]


M = TypeVar("M", CreditLimit, Invoice, Payment, Order)


def _in(currency: str, documents: Iterable[M]) -> list[M]:
    return [one for one in documents if one.currency == currency]
