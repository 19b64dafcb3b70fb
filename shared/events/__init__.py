"""The published language: one frozen model per document kind, and the registry that names them all."""

from typing import Final

from shared.events.alerting import Warning as Warning  # noqa: A004 - the domain's word
from shared.events.credit import CreditLimit as CreditLimit
from shared.events.credit import Invoice as Invoice
from shared.events.credit import Payment as Payment
from shared.events.customer import Customer as Customer
from shared.events.customer import CustomerLink as CustomerLink
from shared.events.document import Document as Document
from shared.events.document import Event as Event
from shared.events.document import Party as Party
from shared.events.document import encode as encode
from shared.events.markers import Marker as Marker
from shared.events.orders import Order as Order
from shared.events.orders import Return as Return
from shared.events.sources import SOURCE_KINDS as SOURCE_KINDS
from shared.events.sources import Beat as Beat

PRODUCED_BY: Final[dict[str, tuple[type[Document], ...]]] = {
    "customer": (Customer, CustomerLink, Beat, Marker),
    "orders": (Order, Return, Beat, Marker),
    "credit": (CreditLimit, Invoice, Payment, Beat, Marker),
    "alerting": (Warning, Marker),
}
"""Which service publishes which kinds; a kind has one producer, but beats and markers."""

KINDS: Final[dict[str, type[Document]]] = {model.kind: model for models in PRODUCED_BY.values() for model in models}

TOPICS: Final[dict[str, str]] = {
    "customer": "forewarn.customer.v1",
    "orders": "forewarn.orders.v1",
    "credit": "forewarn.credit.v1",
    "alerting": "forewarn.warnings.v1",
}

PARTITIONS: Final = 12
"""Partitions of every topic. Never changed in place: keys would move; a new topic and a republish instead."""
