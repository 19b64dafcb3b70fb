"""Receivables: what a payer owes, by which documents and since when, as functions of the set of his documents.

Credit and alerting share these formulas. Who belongs to a payer's group, limits, and what follows is left to them.
All amounts are integer minor units of one currency; all days are days of the seller's time zone.
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from operator import attrgetter
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import Struct

from shared.events.alerting import DocumentRef
from shared.events.credit import Invoice, Payment
from shared.events.days import day_of
from shared.events.order_book import OrderBook
from shared.events.orders import Order

OPEN_ORDER_STATES = frozenset({"accepted", "delivered"})
"""Orders that use credit until they are billed; pending and held ones do not yet (DESIGN section 8)."""


class Terms(Struct, frozen=True):
    """What the formulas leave to a policy; the defaults are DESIGN section 8 and the head of judging.md."""

    patience_days: int = 7
    """Money named for an invoice that is not there is kept for it up to the end of this many days after it came."""
    order_horizon_days: int = 90
    """An order counts up to the end of this many days after it was placed."""
    order_weight_percent: int = 100
    """Share of open orders that counts towards exposure."""


DEFAULT_TERMS = Terms()


class Item(Struct, frozen=True):
    """A claim: an invoice, or a payment the bank took back (`rev:<key>`, due on the day of its reversal)."""

    at: datetime
    key: str
    document: DocumentRef
    due: date
    amount: int
    open: int
    """What no money has reached yet: 0 <= open <= amount."""


class Applied(Struct, frozen=True):
    """`amount` of the money `money` went to the item `item`."""

    money: str
    item: str
    amount: int


class Waiting(Struct, frozen=True):
    """Money that reached no item: free, or kept for an invoice that is not there (`reserved_until` that day's end)."""

    document: DocumentRef
    amount: int
    names: str | None = None
    reserved_until: date | None = None


class Allocation(Struct, frozen=True):
    """Which money went where. Every list is sorted by (business time, key)."""

    items: tuple[Item, ...]
    """All claims, paid ones too."""
    applied: tuple[Applied, ...]
    waiting: tuple[Waiting, ...]
    unknown: tuple[DocumentRef, ...] = ()
    """Payments freed because the invoice they name did not come in time: to be shown as "invoice unknown"."""

    @property
    def open(self) -> int:
        """Open receivables."""
        return sum(item.open for item in self.items)

    @property
    def unapplied(self) -> int:
        """Money that lowers the debt but no claim yet: free and reserved."""
        return sum(money.amount for money in self.waiting)

    @property
    def debt(self) -> int:
        """Open receivables - unapplied money (DESIGN section 8). Negative: the customer is in credit."""
        return self.open - self.unapplied


class Overdue(Struct, frozen=True):
    """An open item past its due day; `days` = 1 on the day after it."""

    item: Item
    days: int


class OpenOrder(Struct, frozen=True):
    """An accepted order, and what of it has not been billed."""

    at: datetime
    key: str
    amount: int
    open: int


class Receivables(Struct, frozen=True):
    """One payer in one currency as of one instant, with the documents behind each figure."""

    payer: UUID
    currency: str
    on: date
    """Day of the instant asked for."""
    allocation: Allocation
    orders: tuple[OpenOrder, ...]
    weight_percent: int = 100

    @property
    def debt(self) -> int:
        """Open receivables - unapplied money."""
        return self.allocation.debt

    @property
    def uninvoiced(self) -> int:
        """Accepted orders not yet billed, at full weight."""
        return sum(order.open for order in self.orders)

    @property
    def exposure(self) -> int:
        """Debt + weighted uninvoiced orders, rounded down to a minor unit (live reservations are credit's to add)."""
        return self.debt + self.uninvoiced * self.weight_percent // 100

    def overdue(self, more_than_days: int = 0) -> tuple[Overdue, ...]:
        """Open items more than so many days past due, oldest claim first."""
        return overdue(self.allocation.items, self.on, more_than_days)


class _Money(Struct):
    """A payment, or a cancelled invoice: money that names it."""

    at: datetime
    key: str
    document: DocumentRef
    left: int
    names: str | None
    cancels: bool = False


_POSITION = attrgetter("at", "key")


def allocate(
    invoices: Iterable[Invoice],
    payments: Iterable[Payment],
    *,
    as_of: datetime,
    zone: ZoneInfo,
    patience_days: int = DEFAULT_TERMS.patience_days,
) -> Allocation:
    """Allocate the money of one payer (or group) in one currency as a function of the set of documents.

    Retracted documents and those later than `as_of` do not count. First money goes to the invoice it names, if that
    was issued by the end of `patience_days` after the money came; money for an invoice not there yet is reserved up
    to then. The rest pays the oldest open items by (business time, key); what is left waits. A reversal is a claim
    of its own at its own time, a cancelled invoice is money naming it (judging.md section 2). Amounts must be
    positive; documents with an amount of 0 or less are left out.
    """
    items, left = _items(invoices, payments, as_of, zone)
    money = sorted(_money(invoices, payments, as_of), key=_POSITION)
    applied: list[Applied] = []
    reserved: dict[str, date] = {}
    unknown: list[DocumentRef] = []
    today = day_of(as_of, zone)
    for one in money:
        if one.names is None:
            continue
        deadline = day_of(one.at, zone) + timedelta(days=patience_days)
        target = items.get(one.names)
        if target is not None and (one.cancels or day_of(target.at, zone) <= deadline):
            _pay(one, target.key, left, applied)
        elif target is None and today <= deadline:
            reserved[one.key] = deadline
        elif target is None:
            unknown.append(one.document)
    _pay_oldest([one for one in money if one.key not in reserved], left, applied)
    return Allocation(
        items=tuple(_with_open(item, left[item.key]) for item in items.values()),
        applied=tuple(applied),
        waiting=tuple(
            Waiting(one.document, one.left, one.names if one.key in reserved else None, reserved.get(one.key))
            for one in money
            if one.left
        ),
        unknown=tuple(unknown),
    )


def overdue(items: Iterable[Item], on: date, more_than_days: int = 0) -> tuple[Overdue, ...]:
    """Open items whose due day lies more than `more_than_days` before the day `on`.

    An invoice is due at the end of its due day, so it is one day overdue from the first instant of the next.
    """
    found = (Overdue(item, (on - item.due).days) for item in items if item.open)
    return tuple(one for one in found if one.days > max(0, more_than_days))


def uninvoiced(
    orders: Iterable[Order],
    invoices: Iterable[Invoice],
    *,
    as_of: datetime,
    zone: ZoneInfo,
    horizon_days: int = DEFAULT_TERMS.order_horizon_days,
    patience_days: int = DEFAULT_TERMS.patience_days,
) -> tuple[OpenOrder, ...]:
    """Accepted orders of one payer in one currency, and what of each is not billed, oldest first.

    Documents are taken in business time, so arrival does not matter. An invoice that names orders bills those of
    its source, in the order named, and no other; what it holds for one not placed yet is kept for `patience_days`.
    One that names none bills the oldest open orders, and what is left of it those placed later on the same day (a
    date-only invoice stands at midnight). Orders lapse after `horizon_days`. Bills stay bills when an invoice is
    cancelled: the order's own cancellation frees it (DESIGN section 8, features.md section 4; edges ours).
    """
    bills = [one for one in invoices if one.live and one.issued_at <= as_of and one.amount > 0]
    placed = {one.natural_key: one for one in orders if counts(one) and one.placed_at <= as_of}
    steps: list[Order | Invoice] = [*bills, *placed.values()]
    book = OrderBook()
    for step in sorted(steps, key=lambda one: (one.at, one.kind, one.natural_key)):
        day = day_of(step.at, zone).toordinal()
        if isinstance(step, Order):
            book.place(step.natural_key, step.amount, day, horizon_days)
        else:
            book.bill(step.natural_key, billed_orders(step), step.amount, day, horizon_days, patience_days)
    book.lapse(day_of(as_of, zone).toordinal(), horizon_days)
    return tuple(
        OpenOrder(placed[key].placed_at, key, placed[key].amount, left) for key, (_, left) in book.open.items()
    )


def counts(order: Order) -> bool:
    """Whether the order uses credit until it is billed."""
    return order.live and order.state in OPEN_ORDER_STATES and order.amount > 0


def billed_orders(invoice: Invoice) -> tuple[str, ...]:
    """Natural keys of the orders an invoice names."""
    return tuple(f"{invoice.source}/{number}" for number in invoice.orders)


def receivables(
    invoices: Iterable[Invoice],
    payments: Iterable[Payment],
    orders: Iterable[Order],
    *,
    as_of: datetime,
    zone: ZoneInfo,
    terms: Terms = DEFAULT_TERMS,
) -> dict[tuple[UUID, str], Receivables]:
    """Debt and exposure of every (payer id, currency) the documents name. Linked customers are not joined here."""
    books: dict[tuple[UUID, str], tuple[list[Invoice], list[Payment], list[Order]]] = {}
    for invoice in invoices:
        books.setdefault((invoice.payer.id, invoice.currency), ([], [], []))[0].append(invoice)
    for payment in payments:
        books.setdefault((payment.party.id, payment.currency), ([], [], []))[1].append(payment)
    for order in orders:
        books.setdefault((order.payer.id, order.currency), ([], [], []))[2].append(order)
    patience, horizon = terms.patience_days, terms.order_horizon_days
    return {
        (payer, currency): Receivables(
            payer,
            currency,
            day_of(as_of, zone),
            allocate(bills, money, as_of=as_of, zone=zone, patience_days=patience),
            uninvoiced(placed, bills, as_of=as_of, zone=zone, horizon_days=horizon, patience_days=patience),
            terms.order_weight_percent,
        )
        for (payer, currency), (bills, money, placed) in books.items()
    }


def _items(
    invoices: Iterable[Invoice], payments: Iterable[Payment], as_of: datetime, zone: ZoneInfo
) -> tuple[dict[str, Item], dict[str, int]]:
    found = [
        Item(one.issued_at, one.natural_key, DocumentRef("invoice", one.natural_key), one.due, one.amount, one.amount)
        for one in invoices
        if one.live and one.amount > 0 and one.issued_at <= as_of
    ]
    found += [_reversal(one, at, zone) for one, at in _reversed(payments) if at <= as_of]
    found.sort(key=_POSITION)
    return {item.key: item for item in found}, {item.key: item.amount for item in found}


def _reversed(payments: Iterable[Payment]) -> Iterator[tuple[Payment, datetime]]:
    for one in payments:
        if one.live and one.amount > 0 and one.reversed_at is not None:
            yield one, max(one.received_at, one.reversed_at)


def _reversal(payment: Payment, at: datetime, zone: ZoneInfo) -> Item:
    document = DocumentRef("payment", payment.natural_key)
    return Item(at, f"rev:{payment.natural_key}", document, day_of(at, zone), payment.amount, payment.amount)


def _money(invoices: Iterable[Invoice], payments: Iterable[Payment], as_of: datetime) -> Iterator[_Money]:
    for one in payments:
        if one.live and one.amount > 0 and one.received_at <= as_of:
            names = f"{one.source}/{one.invoice}" if one.invoice else None
            yield _Money(one.received_at, one.natural_key, DocumentRef("payment", one.natural_key), one.amount, names)
    for bill in invoices:
        if bill.live and bill.amount > 0 and bill.cancelled_at is not None:
            at, key = max(bill.issued_at, bill.cancelled_at), bill.natural_key
            if at <= as_of:
                yield _Money(at, f"cancel:{key}", DocumentRef("invoice", key), bill.amount, key, cancels=True)


def _with_open(item: Item, left: int) -> Item:
    return Item(item.at, item.key, item.document, item.due, item.amount, left)


def _pay(money: _Money, item: str, left: dict[str, int], applied: list[Applied]) -> None:
    amount = min(money.left, left[item])
    if amount:
        left[item] -= amount
        money.left -= amount
        applied.append(Applied(money.key, item, amount))


def _pay_oldest(money: list[_Money], left: dict[str, int], applied: list[Applied]) -> None:
    unpaid = iter([key for key, amount in left.items() if amount])
    item = next(unpaid, None)
    for one in money:
        while one.left and item is not None:
            _pay(one, item, left, applied)
            if not left[item]:
                item = next(unpaid, None)
