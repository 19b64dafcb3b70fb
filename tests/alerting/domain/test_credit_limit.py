"""Tests of `services/alerting/domain/credit_limit.py`."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.alerting.domain import SHIPPED, RuleVersion
from shared.events.alerting import Evidence
from tests.alerting.domain.stage import CREDIT, episodes, evaluation, midnight, only, tiers
from tests.support.builders import day, invoice, limit, order, payment


def owing(amount: int, at: float = 1, number: str = "I1", **fields: Any) -> Any:
    """An invoice that is never overdue in these tests."""
    return invoice(number, at=at, amount=amount, due=day(900).date(), **fields)


def counted(evidence: Evidence) -> list[tuple[str, str, str | None]]:
    return [(one.kind, one.key, one.counts) for one in evidence.documents]


class TestDebt:
    def test_debt_exactly_at_the_limit_is_no_breach(self) -> None:
        assert episodes(CREDIT, limit(amount=1000), owing(1000)) == []

    def test_one_cent_above_the_limit_is_a_warning(self) -> None:
        found = only(CREDIT, limit(amount=1000), owing(1001))
        assert (tiers(found), found.started, found.ended) == (["warning"], day(1), None)

    def test_exactly_120_percent_is_critical(self) -> None:
        assert tiers(only(CREDIT, limit(amount=1000), owing(1200))) == ["critical"]

    def test_just_below_120_percent_is_a_warning(self) -> None:
        assert tiers(only(CREDIT, limit(amount=1000), owing(1199))) == ["warning"]

    def test_a_version_with_a_higher_line_cannot_hide_debt_above_the_limit(self) -> None:
        lax = RuleVersion("credit_limit", 2, day(0), {"warning_percent": 110})
        assert tiers(only(CREDIT, limit(amount=1000), owing(1001), versions=(*SHIPPED, lax))) == ["warning"]

    def test_is_judged_beyond_the_horizon_and_without_one(self) -> None:
        assert tiers(only(CREDIT, limit(amount=1000), owing(1001), through=None)) == ["warning"]

    def test_money_that_waits_lowers_it(self) -> None:
        assert episodes(CREDIT, limit(amount=1000), payment(at=0, amount=500), owing(1500)) == []

    def test_money_for_an_unknown_invoice_lowers_it_and_is_shown(self) -> None:
        found = only(CREDIT, limit(amount=1000), payment(at=0.5, amount=100, invoice="I9"), owing(1200), through=1)
        assert found.proof.evidence.numbers["debt"] == "11.00"
        assert found.proof.evidence.numbers["reserved_invoice_unknown"] == "1.00"

    def test_a_fact_in_the_future_waits(self) -> None:
        found = evaluation(CREDIT, limit(amount=1000), owing(2000, at=5), now=day(4))
        assert (found.episodes, found.due.at) == ((), day(5))

    def test_an_order_does_not_count_but_shows_as_exposure(self) -> None:
        found = only(CREDIT, limit(amount=1000), order(at=0.5, amount=700), owing(1100))
        assert found.proof.evidence.numbers["debt"] == "11.00"
        assert found.proof.evidence.numbers["exposure"] == "11.00"
        found = only(CREDIT, limit(amount=1000), order(at=2, amount=700), owing(1100))
        assert found.proof.evidence.numbers["exposure"] == "18.00"


class TestHysteresis:
    @pytest.mark.parametrize(("paid", "left"), [(150, 950), (151, 949)])
    def test_a_warning_is_left_below_95_percent_of_the_limit(self, paid: int, left: int) -> None:
        found = only(CREDIT, limit(amount=1000), owing(1100), payment(at=2, amount=paid))
        assert (found.ended is None) == (left >= 950)

    @pytest.mark.parametrize(("paid", "expected"), [(50, ["critical"]), (51, ["critical", "warning"])])
    def test_critical_is_left_below_115_percent(self, paid: int, expected: list[str]) -> None:
        assert tiers(only(CREDIT, limit(amount=1000), owing(1200), payment(at=2, amount=paid))) == expected

    def test_keeps_its_memory_through_a_raised_limit(self) -> None:
        found = only(CREDIT, limit(amount=1000), owing(1100), limit("L2", at=2, amount=1150))
        assert found.ended is None

    def test_a_limit_raised_far_enough_ends_it(self) -> None:
        found = only(CREDIT, limit(amount=1000), owing(1100), limit("L2", at=2, amount=1200))
        assert (found.ended, found.end_reason) == (day(2), "limit_changed")

    def test_does_not_see_the_order_inside_an_instant(self) -> None:
        assert episodes(CREDIT, limit(amount=1000), owing(1100), payment(at=1, amount=200)) == []


class TestLimit:
    def test_without_any_decision_a_cent_of_debt_is_a_breach(self) -> None:
        found = only(CREDIT, owing(1))
        assert (tiers(found), found.proof.evidence.numbers["limit"]) == (["warning"], "none")
        assert found.proof.evidence.formula.startswith("no limit granted")

    def test_none_is_left_at_no_debt(self) -> None:
        found = only(CREDIT, limit(limit="none"), owing(100), payment(at=2, amount=99), payment("P2", at=3, amount=1))
        assert (found.ended, found.end_reason) == (day(3), "recovered")

    def test_unlimited_is_never_breached(self) -> None:
        assert episodes(CREDIT, limit(limit="unlimited"), owing(10**9)) == []

    def test_unlimited_may_still_be_overdue(self) -> None:
        assert tiers(only(CREDIT, limit(limit="unlimited"), invoice(at=0, due=day(1).date()), through=8)) == ["warning"]

    def test_an_amount_of_zero_is_left_at_no_debt(self) -> None:
        found = only(CREDIT, limit(amount=0), owing(100), payment(at=2, amount=100))
        assert found.ended == day(2)

    def test_valid_from_next_month_waits_and_then_counts(self) -> None:
        documents = (limit(amount=5000), limit("L2", at=30, amount=1000), owing(2000))
        assert episodes(CREDIT, *documents, now=day(29)) == []
        assert only(CREDIT, *documents, now=day(31)).started == day(30)

    def test_a_temporary_limit_gives_way_to_the_one_before(self) -> None:
        documents = (limit(amount=1000), limit("L2", at=2, amount=3000, valid_to=day(5)), owing(2000, at=3))
        assert only(CREDIT, *documents).started == day(5)

    def test_a_permanent_limit_stands_when_an_older_temporary_one_ends(self) -> None:
        temporary, standing = limit("L2", at=1, amount=500, valid_to=day(9)), limit("L3", at=2, amount=3000)
        assert episodes(CREDIT, limit(amount=100), temporary, standing, owing(2000, at=3)) == []

    def test_another_currency_is_a_scope_without_a_rate(self) -> None:
        found = only(CREDIT, limit(amount=1000), owing(500), owing(5, number="I2", currency="EUR"))
        assert (found.scope, found.proof.evidence.numbers["limit"]) == ("EUR", "no_rate")

    def test_of_a_group_is_the_roots(self) -> None:
        root, other = limit(at=0, amount=1000), limit("L2", "C2", at=1, amount=9000)
        assert tiers(only(CREDIT, root, other, owing(2000, at=2), customers=("C1", "C2"))) == ["critical"]

    def test_of_a_group_is_the_latest_if_the_root_has_none(self) -> None:
        first, second = limit("L2", "C2", at=0, amount=1000), limit("L3", "C3", at=1, amount=9000)
        assert episodes(CREDIT, first, second, owing(2000, at=2), customers=("C1", "C2", "C3")) == []

    def test_a_retracted_decision_never_was(self) -> None:
        assert episodes(CREDIT, limit(amount=5000), limit("L2", at=1, amount=1, live=False), owing(2000, at=2)) == []


class TestOverdue:
    def late(self, **how: Any) -> list[Any]:
        """Due on day 10 under a limit nobody reaches."""
        return episodes(CREDIT, limit(amount=10**9), invoice(at=0, amount=100, due=day(10).date()), **how)

    def test_five_days_are_not_yet_a_warning(self) -> None:
        assert self.late(through=14) == []

    def test_six_days_are_a_warning_from_the_first_instant_of_that_day(self) -> None:
        (found,) = self.late(through=15)
        assert (found.started, tiers(found), found.by_absence) == (midnight(16), ["warning"], True)
        assert found.proof.evidence.numbers["overdue_days"] == "6"

    def test_thirty_days_are_not_yet_critical_and_thirty_one_are(self) -> None:
        assert tiers(self.late(through=39)[0]) == ["warning"]
        (found,) = self.late(through=40)
        assert (tiers(found), found.spans[1].since) == (["warning", "critical"], midnight(41))

    def test_a_dead_payment_feed_makes_nobody_overdue(self) -> None:
        """INVARIANT: absence needs J. Judging by the clock would turn an outage into a thousand warnings."""
        assert self.late(through=None) == []
        assert self.late(through=9, now=day(500)) == []

    def test_beyond_the_horizon_it_may_end(self) -> None:
        late = invoice(at=0, amount=100, due=day(10).date())
        found = only(CREDIT, limit(amount=10**9), late, payment(at=60, amount=100), through=20)
        assert (found.ended, tiers(found)) == (day(60), ["warning"])

    def test_an_invoice_recorded_past_due_beyond_the_horizon_waits(self) -> None:
        late = invoice(at=30, amount=100, due=day(10).date())
        found = evaluation(CREDIT, limit(amount=10**9), late, through=20)
        assert (found.episodes, found.due.settled) == ((), day(30).date())
        assert only(CREDIT, limit(amount=10**9), late, through=30).started == day(30)

    def test_a_payment_dated_the_sixth_day_is_late_by_its_point(self) -> None:
        late, paid = invoice(at=0, amount=100, due=day(10).date()), payment(amount=100, received_at=midnight(16))
        found = only(CREDIT, limit(amount=10**9), late, paid)
        assert found.started == found.ended == midnight(16)

    def test_sharper_parameters_in_the_tail_judge_nothing(self) -> None:
        sharp = RuleVersion("credit_limit", 2, day(13), {"overdue_warning_days": 0})
        assert self.late(through=11, versions=(*SHIPPED, sharp)) == []
        assert self.late(through=13, versions=(*SHIPPED, sharp))[0].started == day(13)

    def test_up_to_the_tolerance_is_nothing(self) -> None:
        kind = RuleVersion("credit_limit", 2, day(0), {"overdue_tolerance": 100})
        assert self.late(through=300, versions=(*SHIPPED, kind)) == []

    def test_money_reserved_for_an_unknown_invoice_pays_after_seven_days(self) -> None:
        paid = payment(at=9, amount=100, invoice="I9")
        late = invoice(at=0, amount=100, due=day(3).date())
        found = only(CREDIT, limit(amount=10**9), late, paid)
        assert (found.started, found.ended) == (midnight(9), midnight(17))

    def test_days_are_the_sellers_days_when_clocks_change(self) -> None:
        berlin = ZoneInfo("Europe/Berlin")
        bill = invoice(issued_at=day(60), amount=100, due=day(80).date().replace(month=3, day=25))
        found = only(CREDIT, limit(amount=10**9), bill, zone=berlin, through=day(300).date())
        assert found.started.isoformat() == "2026-03-30T22:00:00+00:00"


class TestUndoing:
    def test_a_bounced_payment_is_a_debt_from_its_reversal_on(self) -> None:
        paid = payment(at=2, amount=2000, reversed_at=day(4))
        first, second = episodes(CREDIT, limit(amount=1000), owing(2000), paid)
        assert (first.ended, second.started) == (day(2), day(4))

    def test_a_bounced_payment_is_due_on_the_day_of_its_reversal(self) -> None:
        paid = payment(at=2, amount=100, reversed_at=day(4))
        assert only(CREDIT, limit(amount=10**6), owing(100), paid, through=10).started == midnight(10)

    def test_a_retracted_payment_never_was(self) -> None:
        found = only(CREDIT, limit(amount=1000), owing(2000), payment(at=2, amount=2000, live=False))
        assert (found.started, found.ended) == (day(1), None)

    def test_a_cancelled_invoice_is_money_from_then_on(self) -> None:
        found = only(CREDIT, limit(amount=1000), owing(2000, cancelled_at=day(3)))
        assert (found.started, found.ended) == (day(1), day(3))

    def test_an_invoice_on_another_bill_to_is_his_debt(self) -> None:
        other = payment(customer="C2").party
        assert episodes(CREDIT, limit(amount=1000), owing(2000, bill_to=other)) == []


class TestEvidence:
    def test_says_what_to_pay(self) -> None:
        found = only(CREDIT, limit(amount=1000), owing(1100))
        assert found.proof.evidence.clears == {"pay": "1.51"}
        assert episodes(CREDIT, limit(amount=1000), owing(1100), payment(at=2, amount=151))[0].ended == day(2)

    def test_names_the_limit_and_the_latest_twenty_invoices_and_counts_all(self) -> None:
        bills = [owing(100, at=n, number=f"I{n:02}") for n in range(1, 31)]
        evidence = only(CREDIT, limit(amount=1000), *bills).proof.evidence
        assert (len(evidence.documents), evidence.document_count) == (20, 31)
        assert evidence.documents[0].kind == "credit_limit"
        assert evidence.documents[1].key == "erp/I30"

    def test_the_debt_is_the_sum_of_what_the_documents_count(self) -> None:
        """INVARIANT: whoever holds the documents beside a warning must come to its debt."""
        documents = [
            owing(700, at=1, number="I1"),
            owing(800, at=2, number="I2"),
            payment("P1", at=3, amount=900),
            payment("P2", at=4, amount=60, invoice="I9"),
            payment("P3", at=5, amount=50, reversed_at=day(6)),
            owing(100, at=0.5, number="I0", cancelled_at=day(8)),
            payment("P0", at=0.6, amount=100),
        ]
        evidence = only(CREDIT, limit(amount=400), *documents, through=8).proof.evidence
        assert counted(evidence) == [
            ("credit_limit", "erp/L1", None),
            ("payment", "erp/P3", "0.50"),
            ("invoice", "erp/I2", "8.00"),
            ("invoice", "erp/I0", "-1.00"),
            ("payment", "erp/P3", "-0.50"),
            ("payment", "erp/P1", "-2.00"),
            ("payment", "erp/P2", "-0.60"),
        ]
        assert (evidence.numbers["debt"], evidence.document_count) == ("4.40", 7)

    def test_money_that_came_before_its_invoice_is_among_the_documents(self) -> None:
        documents = [payment("P1", at=1, amount=100), payment("P2", at=2, amount=30, invoice="I1"), owing(900, at=3)]
        evidence = only(CREDIT, limit(amount=500), *documents).proof.evidence
        assert counted(evidence)[1:] == [
            ("invoice", "erp/I1", "9.00"),
            ("payment", "erp/P1", "-1.00"),
            ("payment", "erp/P2", "-0.30"),
        ]

    @pytest.mark.parametrize("invoiced", [0.5, 3], ids=["behind the invoice", "before it"])
    def test_many_small_payments_do_not_grow_the_state(self, invoiced: float) -> None:
        """INVARIANT: state is bounded; who pays a cent a day for years must not make every judgement slower."""
        paid = [payment(f"P{n:03}", at=1 + n / 100, amount=1) for n in range(1, 101)]
        evidence = only(CREDIT, limit(amount=500), owing(900, at=invoiced), *paid).proof.evidence
        assert (evidence.numbers["debt"], evidence.document_count) == ("8.00", 2 + 20)
        assert counted(evidence)[1:3] == [("invoice", "erp/I1", "9.00"), ("payment", "erp/P100", "-0.01")]

    def test_what_is_left_of_money_proves_the_end(self) -> None:
        documents = [owing(900), payment("P1", at=2, amount=1000)]
        assert counted(only(CREDIT, limit(amount=500), *documents).proof.evidence)[1:] == [
            ("payment", "erp/P1", "-1.00")
        ]

    def test_does_not_depend_on_the_time_of_evaluation(self) -> None:
        documents = (limit(amount=1000), order(at=2, amount=5), owing(2000), invoice("I2", at=3, due=day(5).date()))
        first, second = (episodes(CREDIT, *documents, through=20, now=day(later)) for later in (21, 400))
        assert first == second

    def test_days_overdue_that_stop_at_the_horizon_are_due_behind_it(self) -> None:
        """INVARIANT: numbers follow from documents and horizon, not from which of them was there first."""
        bill = invoice("I1", at=1, amount=2000, due=day(9).date())
        documents = [limit(amount=1000), bill, payment(at=12, amount=100)]
        stopped, whole = (evaluation(CREDIT, *documents, through=through) for through in (10, 13))
        assert [found.episodes[0].proof.evidence.numbers["overdue_days"] for found in (stopped, whole)] == ["2", "3"]
        assert [found.due.settled for found in (stopped, whole)] == [day(11).date(), day(14).date()]

    def test_numbers_are_what_the_shared_formulas_say(self) -> None:
        documents = [owing(1500), payment(at=2, amount=200), order("O1", at=3, amount=50)]
        numbers = only(CREDIT, limit(amount=1000), *documents).proof.evidence.numbers
        assert numbers["debt"] == "13.00"
        assert numbers["exposure"] == "13.50"
        assert only(CREDIT, limit(amount=1000), *documents).spans[0].since == day(0) + timedelta(days=1)
