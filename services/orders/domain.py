"""States of orders and returns and what may change them: pure decisions, each a new snapshot with its reason."""

from datetime import datetime
from typing import Final

import msgspec

from services.orders.errors import invalid_transition
from shared.events import Order, Return

OPEN: Final = frozenset({"pending", "accepted", "held"})
"""States in which an order is still to be delivered."""


def cancel_order(order: Order, at: datetime) -> tuple[Order, str]:
    """The order will not be carried out: it is no order day and opens nothing. Repeating it changes nothing."""
    if order.state == "cancelled":
        return order, "cancelled"
    if order.state not in OPEN:
        raise invalid_transition(order.state, "cancelled")
    return msgspec.structs.replace(order, state="cancelled", cancelled_at=at), "cancelled"


def cancel_return(returned: Return) -> tuple[Return, str]:
    """The goods did not come back after all."""
    return msgspec.structs.replace(returned, state="cancelled"), "cancelled"
