"""Tests of `shared/events/receivables.py`: the formulas credit and alerting share."""

import random
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.events import Invoice, Payment
from shared.events.days import day_of, start_of
from shared.events.receivables import Allocation, allocate, receivables, uninvoiced
from tests.support.builders import day, invoice, order, party, payment

UTC = ZoneInfo("UTC")


def allocated(*documents: Invoice | Payment, at: float = 500, zone: ZoneInfo = UTC) -> Allocation:
    bills = [one for one in documents if isinstance(one, Invoice)]
    money = [one for one in documents if isinstance(one, Payment)]
    return allocate(bills, money, as_of=day(at), zone=zone)


def open_by_key(found: Allocation) -> dict[str, int]:
    return {item.key.removeprefix("erp/"): item.open for item in found.items}


class TestAllocate:
    def test_named_money_goes_to_its_invoice(self) -> None:
        bills = (invoice("I1", amount=100), invoice("I2", at=1, amount=100))
        found = allocated(*bills, payment(at=2, invoice="I2", amount=60))
        assert open_by_key(found) == {"I1": 100, "I2": 40}

    def test_the_rest_pays_the_oldest(self) -> None:
        found = allocated(invoice("I2", at=1, amount=100), invoice("I1", at=0, amount=100), payment(at=2, amount=130))
        assert open_by_key(found) == {"I1": 0, "I2": 70}

    def test_of_one_instant_the_lower_number_is_the_older(self) -> None:
        found = allocated(invoice("I2", amount=100), invoice("I1", amount=100), payment(at=2, amount=100))
        assert open_by_key(found) == {"I1": 0, "I2": 100}

    def test_surplus_of_named_money_pays_the_oldest(self) -> None:
        bills = (invoice("I1", amount=100), invoice("I2", at=1, amount=50))
        found = allocated(*bills, payment(at=2, invoice="I2", amount=80))
        assert open_by_key(found) == {"I1": 70, "I2": 0}

    def test_money_for_an_invoice_not_there_is_reserved_for_seven_days(self) -> None:
        documents = (invoice("I1", amount=100), payment(at=1, invoice="I9", amount=100))
        early, late = allocated(*documents, at=8), allocated(*documents, at=9)
        assert (early.open, early.unapplied, early.debt) == (100, 100, 0)
        assert early.waiting[0].reserved_until == day(8).date()
        assert (late.open, late.unapplied, late.debt) == (0, 0, 0)
        assert [one.key for one in late.unknown] == ["erp/P1"]

    def test_an_invoice_of_the_seventh_day_gets_its_money_and_one_of_the_eighth_does_not(self) -> None:
        older, money = invoice("I1", at=0, amount=100), payment(at=1, invoice="I9", amount=100)
        assert open_by_key(allocated(older, money, invoice("I9", at=8, amount=100))) == {"I1": 100, "I9": 0}
        assert open_by_key(allocated(older, money, invoice("I9", at=9, amount=100))) == {"I1": 0, "I9": 100}

    def test_a_reversed_payment_leaves_its_invoice_paid_and_is_a_claim_itself(self) -> None:
        found = allocated(invoice("I1", amount=100), payment(at=1, amount=100, reversed_at=day(5)))
        assert open_by_key(found) == {"I1": 0, "rev:erp/P1": 100}
        assert found.items[1].due == day(5).date()

    def test_a_cancelled_invoice_pays_itself_and_frees_what_it_was_paid(self) -> None:
        cancelled = invoice("I1", amount=100, cancelled_at=day(4))
        found = allocated(cancelled, payment(at=1, amount=100), invoice("I2", at=2, amount=100))
        assert (open_by_key(found), found.debt) == ({"I1": 0, "I2": 0}, 0)

    def test_retracted_later_and_empty_documents_do_not_count(self) -> None:
        documents = (invoice("I1", live=False), invoice("I2", at=600), invoice("I3", amount=0), payment(live=False))
        assert allocated(*documents) == Allocation((), (), ())

    def test_says_which_money_went_where(self) -> None:
        found = allocated(invoice("I1", amount=100), payment("P1", at=1, amount=30), payment("P2", at=2, amount=90))
        assert [(one.money, one.item, one.amount) for one in found.applied] == [
            ("erp/P1", "erp/I1", 30),
            ("erp/P2", "erp/I1", 70),
        ]
        assert [(one.document.key, one.amount) for one in found.waiting] == [("erp/P2", 20)]


class TestOverdue:
    def figures(self, on: date, zone: ZoneInfo = UTC) -> Any:
        bills = [invoice("I1", amount=100, due=day(10).date())]
        found = receivables(bills, [], [], as_of=start_of(on, zone), zone=zone)
        return found[party().id, "CNY"]

    def test_nothing_is_overdue_on_the_due_day(self) -> None:
        assert self.figures(day(10).date()).overdue() == ()

    def test_one_day_from_the_first_instant_of_the_next(self) -> None:
        (late,) = self.figures(day(11).date()).overdue()
        assert (late.days, late.item.open) == (1, 100)

    def test_more_than_five_days_begins_with_the_sixth(self) -> None:
        assert self.figures(day(15).date()).overdue(5) == ()
        assert len(self.figures(day(16).date()).overdue(5)) == 1

    @pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/St_Johns", "Asia/Shanghai"])
    def test_days_are_the_sellers(self, zone: str) -> None:
        assert len(self.figures(day(11).date(), ZoneInfo(zone)).overdue()) == 1


class TestExposure:
    def left(self, *documents: Any, at: float = 50) -> dict[str, int]:
        bills = [one for one in documents if isinstance(one, Invoice)]
        orders = [one for one in documents if not isinstance(one, Invoice)]
        found = uninvoiced(orders, bills, as_of=day(at), zone=UTC)
        return {one.key.removeprefix("erp/"): one.open for one in found}

    def test_accepted_and_delivered_orders_count(self) -> None:
        orders = [order(f"O{n}", state=state) for n, state in enumerate(["accepted", "delivered", "pending", "held"])]
        assert self.left(*orders) == {"O0": 10_000, "O1": 10_000}

    def test_an_invoice_bills_the_orders_it_names(self) -> None:
        assert self.left(order("O1"), order("O2"), invoice(at=1, orders=("O2",))) == {"O1": 10_000}

    def test_and_no_other_with_what_is_left(self) -> None:
        assert self.left(order("O1"), order("O2", amount=50), invoice(at=1, orders=("O2",))) == {"O1": 10_000}

    def test_an_unlinked_invoice_bills_the_oldest(self) -> None:
        assert self.left(order("O1"), order("O2", at=1), invoice(at=2, amount=12_000)) == {"O2": 8_000}

    def test_an_order_later_on_the_invoices_day_is_billed(self) -> None:
        dated = invoice(issued_at=start_of(day(0).date(), UTC))
        assert self.left(dated, order("O1")) == {}
        assert self.left(dated, order("O1", at=1)) == {"O1": 10_000}

    def test_named_orders_that_come_after_their_invoice_are_billed(self) -> None:
        bill = invoice(at=0, amount=300, orders=("O1", "O2"))
        assert self.left(bill, order("O1", at=3, amount=100), order("O2", at=4, amount=250)) == {"O2": 50}

    def test_counts_for_ninety_days(self) -> None:
        assert self.left(order("O1"), at=90) == {"O1": 10_000}
        assert self.left(order("O1"), at=91) == {}

    def test_is_debt_and_orders_per_payer_and_currency(self) -> None:
        documents = ([invoice(amount=300)], [payment(amount=100)], [order(amount=50), order("O2", currency="EUR")])
        found = receivables(*documents, as_of=day(2), zone=UTC)
        assert found[party().id, "CNY"].debt == 200
        assert found[party().id, "CNY"].exposure == 200  # the invoice billed the older order of its instant
        assert found[party().id, "EUR"].exposure == 10_000

    def test_belongs_to_the_payer(self) -> None:
        found = receivables([], [], [order(bill_to=party("C2"))], as_of=day(2), zone=UTC)
        assert list(found) == [(party("C2").id, "CNY")]


moments = st.integers(0, 30).map(lambda half: half / 2)
amounts = st.integers(1, 9).map(lambda hundreds: hundreds * 100)


@st.composite
def books(draw: st.DrawFn) -> list[Any]:
    bills = [
        invoice(
            f"I{n}",
            at=draw(moments),
            amount=draw(amounts),
            cancelled_at=draw(st.none() | moments.map(day)),
            live=draw(st.integers(0, 9)) > 0,
            orders=draw(st.sampled_from([(), ("O0",), ("O1", "O2")])),
        )
        for n in range(draw(st.integers(0, 6)))
    ]
    money = [
        payment(
            f"P{n}",
            at=draw(moments),
            amount=draw(amounts),
            invoice=draw(st.none() | st.sampled_from(["I0", "I1", "I2", "I9"])),
            reversed_at=draw(st.none() | moments.map(day)),
        )
        for n in range(draw(st.integers(0, 6)))
    ]
    orders = [order(f"O{n}", at=draw(moments), amount=draw(amounts)) for n in range(draw(st.integers(0, 4)))]
    return [*bills, *money, *orders]


def split(documents: list[Any]) -> tuple[list[Any], list[Any], list[Any]]:
    kinds: dict[str, list[Any]] = {"invoice": [], "payment": [], "order": []}
    for one in documents:
        kinds[one.kind].append(one)
    return kinds["invoice"], kinds["payment"], kinds["order"]


class TestAsAFunctionOfTheSet:
    @settings(max_examples=300, deadline=None)
    @given(books(), moments, st.randoms(use_true_random=False))
    def test_the_order_of_documents_changes_nothing(
        self, documents: list[Any], at: float, shuffle: random.Random
    ) -> None:
        """INVARIANT: credit and alerting read the same set in any order. A fold over arrival would break it."""
        first = receivables(*split(documents), as_of=day(at), zone=UTC)
        shuffled = list(documents)
        shuffle.shuffle(shuffled)
        second = receivables(*split(shuffled), as_of=day(at), zone=UTC)
        assert first == second

    @settings(max_examples=300, deadline=None)
    @given(books(), moments)
    def test_money_is_neither_made_nor_lost(self, documents: list[Any], at: float) -> None:
        """INVARIANT: claims = open + applied, money = applied + waiting. Money applied twice would break it."""
        bills, money, _ = split(documents)
        found, now = allocate(bills, money, as_of=day(at), zone=UTC), day(at)
        claimed = sum(item.amount for item in found.items)
        applied = sum(one.amount for one in found.applied)
        paid = sum(one.amount for one in money if one.received_at <= now)
        paid += sum(
            one.amount
            for one in bills
            if one.live and one.cancelled_at is not None and max(one.cancelled_at, one.issued_at) <= now
        )
        assert found.open + applied == claimed
        assert found.unapplied + applied == paid
        assert all(0 <= item.open <= item.amount for item in found.items)

    @settings(max_examples=200, deadline=None)
    @given(books(), moments)
    def test_nothing_waits_free_while_anything_is_open(self, documents: list[Any], at: float) -> None:
        bills, money, _ = split(documents)
        found = allocate(bills, money, as_of=day(at), zone=UTC)
        assert not found.open or all(one.reserved_until is not None for one in found.waiting)

    @settings(max_examples=200, deadline=None)
    @given(books(), moments)
    def test_orders_are_never_more_open_than_placed(self, documents: list[Any], at: float) -> None:
        bills, _, orders = split(documents)
        assert all(0 < one.open <= one.amount for one in uninvoiced(orders, bills, as_of=day(at), zone=UTC))


class TestDays:
    @pytest.mark.parametrize(
        "zone", ["Europe/Berlin", "America/St_Johns", "Africa/Cairo", "America/Sao_Paulo", "Asia/Shanghai"]
    )
    def test_never_fall_and_begin_where_they_say(self, zone: str) -> None:
        """INVARIANT: days follow instants upwards. Clocks put back across midnight would repeat a day."""
        place, at = ZoneInfo(zone), day(-20 * 365)
        last = day_of(at, place)
        while at < day(0):
            now = day_of(at, place)
            assert last <= now
            assert start_of(now, place) <= at < start_of(now + timedelta(days=1), place)
            at, last = at + timedelta(hours=5, minutes=47), now
