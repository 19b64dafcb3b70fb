"""Documents with defaults, for tests that care about one field."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.events import CreditLimit, Customer, CustomerLink, Invoice, Order, Party, Payment, Return
from shared.events.document import Document
from shared.messaging.document_store import Draft

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


def day(number: float) -> datetime:
    """The instant `number` days after the start of all tests."""
    return START + timedelta(days=number)


def party(external_id: str = "C1", source: str = "erp") -> Party:
    return Party.external(source, external_id)


def order(number: str = "O1", customer: str = "C1", at: float = 0, amount: int = 10_000, **fields: Any) -> Order:
    values = {"source": "erp", "currency": "CNY", "placed_at": day(at), "party": party(customer)} | fields
    return Order(number=number, amount=amount, **values)


def returned(number: str = "R1", customer: str = "C1", at: float = 0, amount: int = 1_000, **fields: Any) -> Return:
    values = {"source": "erp", "currency": "CNY", "returned_at": day(at), "party": party(customer)} | fields
    return Return(number=number, amount=amount, **values)


def invoice(number: str = "I1", customer: str = "C1", at: float = 0, amount: int = 10_000, **fields: Any) -> Invoice:
    values = {"source": "erp", "currency": "CNY", "issued_at": day(at), "party": party(customer)}
    return Invoice(number=number, amount=amount, **({"due": day(at + 30).date()} | values | fields))


def payment(number: str = "P1", customer: str = "C1", at: float = 0, amount: int = 10_000, **fields: Any) -> Payment:
    values = {"source": "erp", "currency": "CNY", "received_at": day(at), "party": party(customer)} | fields
    return Payment(number=number, amount=amount, **values)


def limit(number: str = "L1", customer: str = "C1", at: float = 0, amount: int = 10_000, **fields: Any) -> CreditLimit:
    values = {"source": "erp", "currency": "CNY", "valid_from": day(at), "limit": "amount", "party": party(customer)}
    return CreditLimit(number=number, amount=amount, **(values | fields))


def customer(external_id: str = "C1", **fields: Any) -> Customer:
    return Customer(**({"party": party(external_id), "registered_at": day(0), "confirmed": True} | fields))


def link(survivor: str, absorbed: str, at: float = 0, **fields: Any) -> CustomerLink:
    return CustomerLink(survivor=party(survivor), absorbed=party(absorbed), linked_at=day(at), **fields)


def draft(document: Document, source_revision: int | None = None) -> Draft:
    return Draft(document, "placed", "amended", getattr(document, "source", "erp"), source_revision)


def drafts(documents: Sequence[Document]) -> list[Draft]:
    return [draft(document) for document in documents]
