"""What people may do to invoices and payments."""

from datetime import datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.credit.domain.transitions import amend_invoice, cancel_invoice, reverse_payment
from shared.errors import Conflict
from shared.events import Invoice, Payment
from tests.support.builders import day, invoice, payment

instants = st.integers(0, 400).map(day)


class TestCancelInvoice:
    def test_keeps_its_time(self) -> None:
        cancelled, reason = cancel_invoice(invoice(), day(3))
        assert (cancelled, reason) == (invoice(cancelled_at=day(3)), "cancelled")

    @given(instants, st.lists(instants, min_size=1))
    def test_the_first_stands(self, first: datetime, others: list[datetime]) -> None:
        held, _ = cancel_invoice(invoice(), first)
        for at in others:
            assert cancel_invoice(held, at) == (held, "cancelled")

    def test_of_a_mistake_is_refused(self) -> None:
        with pytest.raises(Conflict):
            cancel_invoice(invoice(live=False), day(3))


class TestReversePayment:
    def test_keeps_its_time(self) -> None:
        reversed_, reason = reverse_payment(payment(), day(3))
        assert (reversed_, reason) == (payment(reversed_at=day(3)), "reversed")

    @given(instants, st.lists(instants, min_size=1))
    def test_the_first_stands(self, first: datetime, others: list[datetime]) -> None:
        held, _ = reverse_payment(payment(), first)
        for at in others:
            assert reverse_payment(held, at) == (held, "reversed")

    def test_of_a_mistake_is_refused(self) -> None:
        with pytest.raises(Conflict):
            reverse_payment(payment(live=False), day(3))


class TestAmendInvoice:
    def test_takes_other_terms(self) -> None:
        amended = msgspec.structs.replace(invoice(), amount=5)
        assert amend_invoice(invoice(), amended) == (amended, "amended")

    @pytest.mark.parametrize("held", [invoice(live=False), invoice(cancelled_at=day(3))], ids=["mistake", "cancelled"])
    def test_is_refused_when_nothing_is_claimed(self, held: Invoice) -> None:
        with pytest.raises(Conflict):
            amend_invoice(held, invoice(amount=5))


class TestReasons:
    def test_are_those_of_the_published_language(self) -> None:
        assert cancel_invoice(invoice(), day(1))[1] in Invoice.reasons
        assert amend_invoice(invoice(), invoice())[1] in Invoice.reasons
        assert reverse_payment(payment(), day(1))[1] in Payment.reasons
