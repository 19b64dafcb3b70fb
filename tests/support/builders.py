"""Documents with defaults, for tests that care about one field."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from shared.events import CreditLimit, Customer, CustomerLink, Invoice, Order, Party, Payment, Return
from shared.events.document import Document
from shared.messaging.document_store import Draft

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
OURS: Final[dict[str, Any]] = {"source": "erp", "currency": "CNY"}


def day(number: float) -> datetime:
    """The instant `number` days after the start of all tests."""
    return START + timedelta(days=number)


def party(external_id: str = "C1", source: str = "erp") -> Party:
    return Party.external(source, external_id)


def order(number: str = "O1", customer: str = "C1", at: float = 0, amount: int = 10_000, **fields: Any) -> Order:
    values = OURS | {"placed_at": day(at), "party": party(customer)}
    return Order(number=number, amount=amount, **(values | fields))


def returned(number: str = "R1", customer: str = "C1", at: float = 0, amount: int = 1_000, **fields: Any) -> Return:
    values = OURS | {"returned_at": day(at), "party": party(customer)}
    return Return(number=number, amount=amount, **(values | fields))


def invoice(number: str = "I1", customer: str = "C1", at: float = 0, amount: int = 10_000, **fields: Any) -> Invoice:
    values = OURS | {"issued_at": day(at), "party": party(customer)}
    return Invoice(number=number, amount=amount, **(values | {"due": day(at + 30).date()} | fields))


def payment(number: str = "P1", customer: str = "C1", at: float = 0, amount: int = 10_000, **fields: Any) -> Payment:
    values = OURS | {"received_at": day(at), "party": party(customer)}
    return Payment(number=number, amount=amount, **(values | fields))


def limit(number: str = "L1", customer: str = "C1", at: float = 0, amount: int = 10_000, **fields: Any) -> CreditLimit:
    values = OURS | {"valid_from": day(at), "limit": "amount", "party": party(customer)}
    return CreditLimit(number=number, amount=amount, **(values | fields))


def customer(external_id: str = "C1", **fields: Any) -> Customer:
    values: dict[str, Any] = {"party": party(external_id), "registered_at": day(0), "confirmed": True}
    return Customer(**(values | fields))


def link(survivor: str, absorbed: str, at: float = 0, **fields: Any) -> CustomerLink:
    return CustomerLink(survivor=party(survivor), absorbed=party(absorbed), linked_at=day(at), **fields)


def draft(document: Document, source_revision: int | None = None) -> Draft:
    return Draft(document, "placed", "amended", getattr(document, "source", "erp"), source_revision)


def drafts(documents: Sequence[Document]) -> list[Draft]:
    return [draft(document) for document in documents]
