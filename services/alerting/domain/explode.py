"""From a document to its facts. A mistake gives none; an undoing in business time is a second fact at its own time."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from services.alerting.domain.facts import (
    Body,
    Fact,
    Hush,
    InvoiceCancelled,
    InvoiceIssued,
    LimitEnded,
    LimitSet,
    OrderDay,
    OrderOpened,
    PaymentReceived,
    PaymentReversed,
    Rank,
    RuleVersion,
)
from shared.events import CreditLimit, Document, Invoice, Order, Payment
from shared.events.days import day_of
from shared.events.receivables import billed_orders, counts

HISTORY_AFTER: Final = timedelta(hours=48)
"""A live document that became known later than this after its business time never pushes (DESIGN section 6)."""

_POSITION = itemgetter(0, 1, 2)

_Found = tuple[datetime, Rank, str, UUID, Body]


def explode(document: Document, zone: ZoneInfo, recorded_at: datetime | None = None) -> list[Fact]:
    """Facts of one snapshot, in order.

    `zone` is the seller's. `recorded_at` (when the document first became known) only decides `hush`. Retracted
    documents, cancelled orders, returns and kinds no rule reads give nothing; so do amounts of 0 or less, except
    an order's, which still is an order day.
    """
    find = _FINDERS.get(type(document))
    if find is None or not document.live:
        return []
    backfill: bool = document.backfill  # type: ignore[attr-defined]
    return [
        Fact(at, rank, key, party, day_of(at, zone).toordinal(), body, _hush(backfill, at, recorded_at))
        for at, rank, key, party, body in sorted(find(document), key=_POSITION)
    ]


def version_fact(version: RuleVersion, zone: ZoneInfo) -> Fact:
    """A rule version as a fact about everyone."""
    at = version.valid_from.astimezone(UTC)
    return Fact(at, Rank.RULE, f"{version.code}/{version.version:06d}", None, day_of(at, zone).toordinal(), version)


def named_invoices(facts: Iterable[Fact]) -> set[str]:
    """Natural keys of the invoices that payments name: what `mark_seen` has to know."""
    return {fact.body.names for fact in facts if isinstance(fact.body, PaymentReceived) and fact.body.names}


def mark_seen(facts: Sequence[Fact], named: Iterable[Fact] = ()) -> list[Fact]:
    """Put the bit `seen` on payments: their invoice lives in the same group and was issued by then.

    `facts`: facts of one group. `named`: facts of further invoices of the group which payments name (looked up by
    key, because a paid invoice is no longer in the state); invoices among `facts` need not be repeated.
    """
    issued: dict[tuple[str, str], datetime] = {}
    for fact in (*facts, *named):
        if isinstance(fact.body, InvoiceIssued):
            issued[fact.key, fact.body.currency] = fact.at
    return [_with_seen(fact, issued) for fact in facts]


def _with_seen(fact: Fact, issued: dict[tuple[str, str], datetime]) -> Fact:
    body = fact.body
    if not isinstance(body, PaymentReceived) or body.names is None:
        return fact
    at = issued.get((body.names, body.currency))
    seen = at is not None and at <= fact.at
    return fact if seen == body.seen else msgspec.structs.replace(fact, body=msgspec.structs.replace(body, seen=seen))


def _hush(backfill: bool, at: datetime, recorded_at: datetime | None) -> Hush:
    if backfill:
        return Hush.SEEDED
    late = recorded_at is not None and recorded_at - at > HISTORY_AFTER
    return Hush.HISTORY if late else Hush.NONE


def _order(order: Order) -> Iterator[_Found]:
    if order.state == "cancelled":
        return
    at, key = order.placed_at.astimezone(UTC), order.natural_key
    yield at, Rank.ORDER, key, order.party.id, OrderDay()
    if counts(order):
        yield at, Rank.ORDER, key, order.payer.id, OrderOpened(order.currency, order.amount)


def _invoice(invoice: Invoice) -> Iterator[_Found]:
    if invoice.amount <= 0:
        return
    at, key, payer = invoice.issued_at.astimezone(UTC), invoice.natural_key, invoice.payer.id
    body = InvoiceIssued(invoice.currency, invoice.amount, invoice.due.toordinal(), billed_orders(invoice))
    yield at, Rank.CLAIM, key, payer, body
    if invoice.cancelled_at is not None:
        undone = max(at, invoice.cancelled_at.astimezone(UTC))
        yield undone, Rank.MONEY, f"cancel:{key}", payer, InvoiceCancelled(invoice.currency, invoice.amount, key)


def _payment(payment: Payment) -> Iterator[_Found]:
    if payment.amount <= 0:
        return
    at, key, payer = payment.received_at.astimezone(UTC), payment.natural_key, payment.party.id
    names = f"{payment.source}/{payment.invoice}" if payment.invoice else None
    yield at, Rank.MONEY, key, payer, PaymentReceived(payment.currency, payment.amount, names)
    if payment.reversed_at is not None:
        undone = max(at, payment.reversed_at.astimezone(UTC))
        yield undone, Rank.CLAIM, f"rev:{key}", payer, PaymentReversed(payment.currency, payment.amount)


def _limit(limit: CreditLimit) -> Iterator[_Found]:
    since, until = limit.valid_from.astimezone(UTC), limit.valid_to and limit.valid_to.astimezone(UTC)
    if until is not None and until <= since:
        return
    body = LimitSet(limit.currency, limit.limit, limit.amount, until is not None)
    yield since, Rank.LIMIT, limit.natural_key, limit.party.id, body
    if until is not None:
        yield until, Rank.LIMIT, limit.natural_key, limit.party.id, LimitEnded(limit.currency)


_FINDERS: Final[dict[type[Document], Callable[[Any], Iterator[_Found]]]] = {
    Order: _order,
    Invoice: _invoice,
    Payment: _payment,
    CreditLimit: _limit,
}
"""Facts of each kind that gives any."""
