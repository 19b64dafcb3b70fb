"""Tests of `services/alerting/domain/churn.py`."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.alerting.domain import SHIPPED, RuleVersion
from services.alerting.domain.churn import KEPT_DAYS
from tests.alerting.domain.stage import CHURN, episodes, evaluation, midnight, only, tiers
from tests.support.builders import day, order, returned


def orders(*days: float) -> list[Any]:
    return [order(f"O{number}", at=at) for number, at in enumerate(days)]


class TestCadence:
    def test_two_order_days_are_no_cadence(self) -> None:
        assert episodes(CHURN, *orders(0, 5)) == []

    def test_three_orders_of_two_days_are_no_cadence(self) -> None:
        assert episodes(CHURN, *orders(0, 5, 5.1)) == []

    def test_a_cancelled_order_never_was_an_order_day(self) -> None:
        assert episodes(CHURN, *orders(0, 5), order("O9", at=9, state="cancelled", cancelled_at=day(50))) == []

    def test_a_return_is_no_order_day(self) -> None:
        assert episodes(CHURN, *orders(0, 5), returned(at=9)) == []

    def test_an_order_of_nothing_is_an_order_day(self) -> None:
        assert len(episodes(CHURN, *orders(0, 5), order("O9", at=9, amount=0))) == 1

    @pytest.mark.parametrize(
        ("gap", "allowed"), [(1, 30), (10, 30), (11, 33), (40, 120), (100, 120)], ids=lambda value: str(value)
    )
    def test_silence_allowed_is_three_median_gaps_between_30_and_120_days(self, gap: int, allowed: int) -> None:
        found = only(CHURN, *orders(0, gap, 2 * gap), through=999)
        assert found.started == midnight(2 * gap + allowed + 1)
        assert found.proof.evidence.numbers["allowed_days"] == str(allowed)

    def test_half_a_day_of_median_gap_counts(self) -> None:
        assert only(CHURN, *orders(0, 11, 23), through=300).proof.evidence.numbers["allowed_days"] == "34"

    def test_is_taken_from_the_latest_order_days_only(self) -> None:
        old = [order(f"A{n:03}", at=n * 60) for n in range(10)]
        new = [order(f"B{n:03}", at=600 + n) for n in range(KEPT_DAYS)]
        found = only(CHURN, *old, *new, through=900)
        assert found.started == midnight(600 + KEPT_DAYS - 1 + 31)
        assert found.proof.evidence.document_count == 60


class TestSilence:
    def test_is_over_when_the_day_after_the_last_allowed_one_begins(self) -> None:
        """Last order on day 20, 30 days allowed: day 50 is the thirtieth silent day, day 51 the first too many."""
        assert episodes(CHURN, *orders(0, 10, 20), through=49) == []
        assert only(CHURN, *orders(0, 10, 20), through=50).started == midnight(51)

    def test_twice_as_long_is_critical(self) -> None:
        assert tiers(only(CHURN, *orders(0, 10, 20), through=79)) == ["warning"]
        found = only(CHURN, *orders(0, 10, 20), through=80)
        assert (tiers(found), found.spans[1].since) == (["warning", "critical"], midnight(81))

    def test_ends_with_a_new_order(self) -> None:
        found = only(CHURN, *orders(0, 10, 20, 60), through=70)
        assert (found.ended, found.end_reason) == (day(60), "ordered")

    def test_a_dead_order_feed_makes_nobody_lost(self) -> None:
        """INVARIANT: absence needs J. A rule that asked the clock would declare every customer lost in an outage."""
        assert episodes(CHURN, *orders(0, 10, 20), through=None) == []
        assert episodes(CHURN, *orders(0, 10, 20), through=21, now=day(900)) == []

    def test_is_due_when_the_horizon_passes_its_last_allowed_day(self) -> None:
        assert evaluation(CHURN, *orders(0, 10, 20), through=21).due.settled == day(50).date()

    def test_between_orders_of_the_tail_is_due_although_it_is_over(self) -> None:
        """INVARIANT: a timer the tail passed unjudged stays due. The last state's own timer lies behind it."""
        found = evaluation(CHURN, *orders(0, 10, 20, 112), through=25)
        assert (found.episodes, found.due.settled) == ((), day(50).date())

    def test_numbers_are_those_of_the_crossing(self) -> None:
        early, late = (only(CHURN, *orders(0, 10, 20), through=n, now=day(n + 1)) for n in (51, 70))
        assert early == late
        assert early.proof.evidence.numbers["silent_days"] == "31"
        assert early.proof.evidence.clears == {"document": "order"}

    def test_an_order_of_the_boundary_day_at_midnight_ends_it_at_once(self) -> None:
        found = only(CHURN, *orders(0, 10, 20), order("O9", placed_at=midnight(51)), through=70)
        assert found.started == found.ended == midnight(51)

    def test_days_are_the_sellers_days_when_clocks_change(self) -> None:
        zone = ZoneInfo("Europe/Berlin")
        found = only(CHURN, *orders(50, 60, 70), through=120, zone=zone)
        assert found.started.isoformat() == "2026-04-15T22:00:00+00:00"

    def test_the_other_members_orders_count(self) -> None:
        mixed = [*orders(0, 10), order("X", "C2", at=20), order("Y", "C2", at=45)]
        assert only(CHURN, *mixed, customers=("C1", "C2"), through=100).started > midnight(45 + 30)

    def test_a_sharper_version_opens_at_its_own_time_not_in_the_past(self) -> None:
        """INVARIANT: no timer before the fold's own position. Else a saved rule would rewrite what was quiet."""
        sharp = RuleVersion("churn", 2, day(40), {"floor_days": 5, "cap_days": 10})
        found = only(CHURN, *orders(0, 10, 20), versions=(*SHIPPED, sharp), through=45)
        assert (found.started, found.spans[0].by_time) == (day(40), True)

    def test_a_milder_version_ends_it(self) -> None:
        mild = RuleVersion("churn", 2, day(60), {"floor_days": 100})
        found = only(CHURN, *orders(0, 10, 20), versions=(*SHIPPED, mild), through=70)
        assert (found.ended, found.end_reason) == (day(60), "rule_changed")
