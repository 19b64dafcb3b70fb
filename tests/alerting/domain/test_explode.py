"""Tests of `services/alerting/domain/explode.py`: what a document says happened."""

from datetime import timedelta
from typing import Any

import pytest

from services.alerting.domain import explode, mark_seen, named_invoices
from services.alerting.domain.facts import Hush, PaymentReceived, Rank
from tests.alerting.domain.stage import UTC
from tests.support.builders import day, invoice, limit, order, party, payment, returned


def kinds(*documents: Any) -> list[tuple[str, Any]]:
    return [(type(fact.body).__name__, fact.at) for one in documents for fact in explode(one, UTC)]


class TestExplode:
    @pytest.mark.parametrize(
        "one",
        [
            order(live=False),
            invoice(live=False),
            payment(live=False),
            limit(live=False),
            returned(),
            order(state="cancelled"),
        ],
        ids=lambda one: one.kind,
    )
    def test_mistakes_returns_and_cancelled_orders_give_nothing(self, one: Any) -> None:
        assert explode(one, UTC) == []

    def test_an_order_is_a_day_of_the_buyer_and_a_claim_on_the_payers_credit(self) -> None:
        day_fact, opened = explode(order(bill_to=party("C2")), UTC)
        assert (day_fact.party, opened.party) == (party("C1").id, party("C2").id)

    def test_a_held_order_is_an_order_day_but_uses_no_credit(self) -> None:
        assert kinds(order(state="held")) == [("OrderDay", day(0))]

    def test_an_undoing_is_a_second_fact_at_its_own_time(self) -> None:
        assert kinds(invoice(cancelled_at=day(3))) == [("InvoiceIssued", day(0)), ("InvoiceCancelled", day(3))]
        assert kinds(payment(reversed_at=day(3))) == [("PaymentReceived", day(0)), ("PaymentReversed", day(3))]
        assert kinds(limit(valid_to=day(3))) == [("LimitSet", day(0)), ("LimitEnded", day(3))]

    def test_an_undoing_dated_too_early_comes_right_after(self) -> None:
        assert kinds(payment(at=5, reversed_at=day(3)))[0] == ("PaymentReversed", day(5))

    def test_ranks_put_claims_before_money(self) -> None:
        assert [fact.rank for fact in explode(invoice(cancelled_at=day(0)), UTC)] == [Rank.CLAIM, Rank.MONEY]

    def test_import_and_age_only_decide_how_loud_it_is(self) -> None:
        assert [fact.hush for fact in explode(invoice(backfill=True), UTC)] == [Hush.SEEDED]
        assert [fact.hush for fact in explode(invoice(), UTC, day(2))] == [Hush.NONE]
        assert [fact.hush for fact in explode(invoice(), UTC, day(2) + timedelta(seconds=1))] == [Hush.HISTORY]


class TestMarkSeen:
    def seen(self, *documents: Any, named: tuple[Any, ...] = ()) -> bool:
        facts = [fact for one in documents for fact in explode(one, UTC)]
        marked = mark_seen(facts, [fact for one in named for fact in explode(one, UTC)])
        (body,) = [fact.body for fact in marked if isinstance(fact.body, PaymentReceived)]
        return body.seen

    def test_an_invoice_of_the_same_instant_is_seen(self) -> None:
        assert self.seen(payment(invoice="I1"), invoice())

    def test_a_later_one_one_of_another_currency_and_a_retracted_one_are_not(self) -> None:
        money = payment(invoice="I1")
        assert not self.seen(money, invoice(at=1))
        assert not self.seen(money, invoice(currency="EUR"))
        assert not self.seen(money, invoice(live=False))

    def test_may_come_from_outside_the_facts(self) -> None:
        money = payment(at=3, invoice="I1")
        assert named_invoices(explode(money, UTC)) == {"erp/I1"}
        assert self.seen(money, named=(invoice(),))
