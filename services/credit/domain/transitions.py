"""What people may do to invoices and payments: pure decisions, each a new snapshot with its reason.

An undoing in business time (cancelled, bounced) is a fact with a time; a mistake is retracted instead.
"""

from datetime import datetime

import msgspec

from services.credit.errors import invalid_transition
from shared.events import Invoice, Payment


def amend_invoice(held: Invoice, amended: Invoice) -> tuple[Invoice, str]:
    """Other amount or due day, as long as anything is claimed."""
    _check_live(held.live, "An invoice", "amended")
    if held.cancelled_at is not None:
        raise invalid_transition("An invoice", "cancelled", "amended")
    return amended, "amended"


def cancel_invoice(invoice: Invoice, at: datetime) -> tuple[Invoice, str]:
    """Nothing is claimed from `at` on, and what was paid is free for other claims. The first cancellation stands."""
    _check_live(invoice.live, "An invoice", "cancelled")
    if invoice.cancelled_at is not None:
        return invoice, "cancelled"
    return msgspec.structs.replace(invoice, cancelled_at=at), "cancelled"


def reverse_payment(payment: Payment, at: datetime) -> tuple[Payment, str]:
    """The bank took the money back at `at`: it is owed again from then on. The first reversal stands."""
    _check_live(payment.live, "A payment", "reversed")
    if payment.reversed_at is not None:
        return payment, "reversed"
    return msgspec.structs.replace(payment, reversed_at=at), "reversed"


def _check_live(live: bool, document: str, wanted: str) -> None:
    if not live:
        raise invalid_transition(document, "retracted", wanted)
