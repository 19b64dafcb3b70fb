"""Small random books of a group of customers and a stranger: limits, orders, invoices, payments and their undoing."""

from typing import Final

from hypothesis import strategies as st

from shared.events import Document
from tests.support.builders import day, invoice, limit, order, party, payment

GROUP: Final = ("C1", "C2")
"""External ids of linked customers, the root first."""

STRANGER: Final = "C9"

moments = st.integers(0, 40).map(lambda half: half / 2)
"""Days since the start of all tests, some of them the same."""

_amounts = st.integers(1, 9).map(lambda hundreds: hundreds * 100)
_customers = st.sampled_from([*GROUP, *GROUP, STRANGER])
_payers = st.sampled_from([None, None, None, *GROUP, STRANGER]).map(lambda who: who and party(who))
_currencies = st.sampled_from(["CNY", "CNY", "CNY", "EUR"])
_live = st.integers(0, 9).map(bool)


@st.composite
def documents(draw: st.DrawFn) -> list[Document]:
    """Documents about the group and a stranger, in any order."""

    def instant(after: float) -> float:
        return after + draw(moments)

    found: list[Document] = []
    for number in range(draw(st.integers(0, 6))):
        issued = draw(moments)
        found.append(
            invoice(
                f"I{number}",
                draw(_customers),
                issued,
                draw(_amounts),
                due=day(draw(moments)).date(),
                bill_to=draw(_payers),
                currency=draw(_currencies),
                orders=draw(st.sampled_from([(), ("O0",), ("O1", "O2")])),
                cancelled_at=day(instant(issued)) if draw(st.integers(0, 3)) == 0 else None,
                live=draw(_live),
            )
        )
    for number in range(draw(st.integers(0, 6))):
        received = draw(moments)
        found.append(
            payment(
                f"P{number}",
                draw(_customers),
                received,
                draw(_amounts),
                currency=draw(_currencies),
                invoice=draw(st.none() | st.sampled_from(["I0", "I1", "I9"])),
                reversed_at=day(instant(received)) if draw(st.integers(0, 3)) == 0 else None,
                live=draw(_live),
            )
        )
    for number in range(draw(st.integers(0, 4))):
        states = st.sampled_from(["accepted", "delivered", "held", "cancelled"])
        placed, state = draw(moments), draw(states)
        found.append(order(f"O{number}", draw(_customers), placed, draw(_amounts), state=state, bill_to=draw(_payers)))
    for number in range(draw(st.integers(0, 4))):
        valid_from = draw(moments)
        found.append(
            limit(
                f"L{number}",
                draw(_customers),
                valid_from,
                draw(_amounts),
                limit=draw(st.sampled_from(["amount", "amount", "none", "unlimited"])),
                currency=draw(_currencies),
                valid_to=day(valid_from + 0.5 + draw(moments)) if draw(st.integers(0, 2)) == 0 else None,
                live=draw(_live),
            )
        )
    return draw(st.permutations(found))
