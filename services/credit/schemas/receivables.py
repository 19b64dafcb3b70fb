"""How a customer stands, as it is shown: every figure with the documents it can be recomputed from."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from services.credit.domain.accounts import Account, Granted, Standing
from shared.events import CreditLimit, Document, Invoice, Order, Party, Payment
from shared.events.alerting import DocumentRef
from shared.events.receivables import Item, OpenOrder, Waiting
from shared.http.documents import CustomerRef, customer_ref
from shared.messaging.customers import Known
from shared.money import to_decimal


class DocumentOut(BaseModel):
    """A document behind a figure, and whose account it is on."""

    kind: Literal["credit_limit", "invoice", "payment", "order"]
    id: UUID
    source: str
    number: str
    customer: UUID


class LimitOut(BaseModel):
    """The limit that counts. `none` without a document: nobody ever decided."""

    limit: Granted
    amount: str | None
    valid_from: datetime | None
    valid_to: datetime | None
    document: DocumentOut | None


class AgingOut(BaseModel):
    """Open receivables by days overdue; together they are `open`."""

    not_due: str
    days_1_to_30: str
    days_31_to_60: str
    days_61_to_90: str
    over_90_days: str


class OpenItemOut(BaseModel):
    """A claim that is not paid in full: an invoice, or a payment the bank took back."""

    document: DocumentOut
    at: datetime
    due: date
    overdue_days: int
    amount: str
    open: str


class WaitingOut(BaseModel):
    """Money no claim has taken: a payment, or what a cancelled invoice gave back.

    `reserved_until` is the last day on which it is kept for the invoice it names; None: it is free.
    """

    document: DocumentOut
    amount: str
    invoice: str | None
    reserved_until: date | None


class OpenOrderOut(BaseModel):
    """An accepted order, and what of it has not been billed."""

    document: DocumentOut
    placed_at: datetime
    amount: str
    open: str


class AccountOut(BaseModel):
    """Figures in one currency. debt = open - unapplied; exposure = debt + uninvoiced orders."""

    currency: str
    debt: str
    exposure: str
    open: str
    unapplied: str
    reserved_invoice_unknown: str
    uninvoiced: str
    overdue: str
    overdue_days: int
    aging: AgingOut
    limit: LimitOut
    debt_percent_of_limit: str | None
    exposure_percent_of_limit: str | None
    open_items: list[OpenItemOut]
    waiting_money: list[WaitingOut]
    invoice_unknown: list[DocumentOut]
    """Payments whose invoice never came; they paid the oldest claims instead."""
    open_orders: list[OpenOrderOut]


class ReceivablesOut(BaseModel):
    """How a customer and everyone linked with him stand together."""

    customer: CustomerRef
    members: list[CustomerRef]
    """Linked customers, he himself included; `root` bears the name of all."""
    root: UUID
    as_of: datetime
    day: date
    """Day of `as_of` in the seller's time zone, which days overdue are counted to."""
    accounts: list[AccountOut]


def show_standing(customer: UUID, standing: Standing, known: Mapping[UUID, Known]) -> ReceivablesOut:
    """The figures, with the names of whoever is known."""
    members = [customer_ref(party, known) for party in _members(standing, known)]
    documents = _Documents(standing)
    return ReceivablesOut(
        customer=next(member for member in members if member.id == customer),
        members=members,
        root=standing.root,
        as_of=standing.as_of,
        day=standing.day,
        accounts=[_show_account(account, documents) for account in standing.accounts],
    )


def _members(standing: Standing, known: Mapping[UUID, Known]) -> list[Party]:
    """Everyone of the group, as a source system calls him wherever that is known."""
    parties = [party for _, one in standing.documents for party in one.parties()]
    parties += [one.party for one in known.values()]
    external = {party.id: party for party in parties if party.external_id is not None}
    return [external.get(id_, Party(id=id_)) for id_ in sorted(standing.members)]


class _Documents:
    """Finds the documents that figures name by kind and natural key."""

    def __init__(self, standing: Standing) -> None:
        self._found = {DocumentRef(one.kind, one.natural_key): (id_, one) for id_, one in standing.documents}

    def of(self, ref: DocumentRef) -> DocumentOut:
        """The document named."""
        id_, document = self._found[ref]
        assert isinstance(document, CreditLimit | Invoice | Payment | Order)
        return DocumentOut(
            kind=document.kind,
            id=id_,
            source=document.source,
            number=document.number,
            customer=_payer(document).id,
        )


def _payer(document: Document) -> Party:
    if isinstance(document, Invoice | Order):
        return document.payer
    return document.parties()[0]


def _show_account(account: Account, documents: _Documents) -> AccountOut:
    figures, currency = account.receivables, account.currency
    allocation = figures.allocation
    buckets = [to_decimal(amount, currency) for amount in account.aging()]
    return AccountOut(
        currency=currency,
        debt=to_decimal(figures.debt, currency),
        exposure=to_decimal(figures.exposure, currency),
        open=to_decimal(allocation.open, currency),
        unapplied=to_decimal(allocation.unapplied, currency),
        reserved_invoice_unknown=to_decimal(account.reserved, currency),
        uninvoiced=to_decimal(figures.uninvoiced, currency),
        overdue=to_decimal(account.overdue, currency),
        overdue_days=account.overdue_days,
        aging=AgingOut(**dict(zip(AgingOut.model_fields, buckets, strict=True))),
        limit=_show_limit(account, documents),
        debt_percent_of_limit=_percent(account, figures.debt),
        exposure_percent_of_limit=_percent(account, figures.exposure),
        open_items=[_show_item(item, figures.on, currency, documents) for item in allocation.items if item.open],
        waiting_money=[_show_waiting(money, currency, documents) for money in allocation.waiting],
        invoice_unknown=[documents.of(ref) for ref in allocation.unknown],
        open_orders=[_show_order(order, currency, documents) for order in figures.orders],
    )


def _show_limit(account: Account, documents: _Documents) -> LimitOut:
    limit = account.limit
    if limit is None:
        return LimitOut(limit=account.granted, amount=None, valid_from=None, valid_to=None, document=None)
    return LimitOut(
        limit=account.granted,
        amount=to_decimal(limit.amount, limit.currency) if limit.limit == "amount" else None,
        valid_from=limit.valid_from,
        valid_to=limit.valid_to,
        document=documents.of(DocumentRef(limit.kind, limit.natural_key)),
    )


def _percent(account: Account, amount: int) -> str | None:
    used = account.used(amount)
    return None if used is None else str(used)


def _show_item(item: Item, on: date, currency: str, documents: _Documents) -> OpenItemOut:
    return OpenItemOut(
        document=documents.of(item.document),
        at=item.at,
        due=item.due,
        overdue_days=max(0, (on - item.due).days),
        amount=to_decimal(item.amount, currency),
        open=to_decimal(item.open, currency),
    )


def _show_waiting(money: Waiting, currency: str, documents: _Documents) -> WaitingOut:
    return WaitingOut(
        document=documents.of(money.document),
        amount=to_decimal(money.amount, currency),
        invoice=money.names,
        reserved_until=money.reserved_until,
    )


def _show_order(order: OpenOrder, currency: str, documents: _Documents) -> OpenOrderOut:
    return OpenOrderOut(
        document=documents.of(DocumentRef(Order.kind, order.key)),
        placed_at=order.at,
        amount=to_decimal(order.amount, currency),
        open=to_decimal(order.open, currency),
    )
